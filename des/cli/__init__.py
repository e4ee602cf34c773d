"""The command `des`.

One file per group of commands; each is a plain function whose parameters are its arguments and options, and
`application` is the table that names them. The rules all of them keep:

- Results go to stdout, words about them to stderr. Under `--json` stdout holds one JSON document, or one a line
  where a command answers more than once; that is the form scripts rely on.
- What fails says `error: REASON: message` on stderr (under `--json` the same as JSON) with the reason codes of
  `des.errors`, and ends with 1; wrong usage ends with 2, an interrupt with 130.
- Only the standard library, Typer and the values are imported at the top: `des --help` answers at once, and
  a command pays for what it uses.
- Commands that talk to a running DES do so as any client does, by gRPC; `dev`, `demo`, `serve`, `migrate`,
  `quarantine` and `directory` work on the servers themselves.
"""

import sys
from collections.abc import Sequence

from typer import Abort, TyperException

from des.cli.application import application
from des.cli.output import Output
from des.errors import DesError

FAILED = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def main() -> None:
    """Run the command line of this process and end it with the command's exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong has been said on stderr."""
    output = Output("--json" in arguments)
    try:
        return application()(args=list(arguments) or ["--help"], prog_name="des", standalone_mode=False) or 0
    except TyperException as error:
        return _refuse(output, error)
    except DesError as error:
        output.error(error)
        return FAILED
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # the reader has left; flushing at exit would complain once more
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last place where it can be said
        output.bug(error)
        return FAILED


def _refuse(output: Output, error: TyperException) -> int:
    """Say what is wrong with the command line, and where its use is explained."""
    context = getattr(error, "ctx", None)
    output.failure("USAGE", f"{error.format_message()} (see: {context.command_path if context else 'des'} --help)")
    return error.exit_code
