"""Writes docs/cli.md from the command line itself: `python -m tests.acceptance.cli_reference`."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from des.cli.application import application

PATH = Path(__file__).parents[2] / "docs" / "cli.md"

HEAD = """\
# The command line

Made by `python -m tests.acceptance.cli_reference` from the commands themselves; a test holds it to them.

- Results go to stdout, words about them to stderr. Under `--json` stdout holds one JSON document, or one a line where a
  command answers more than once.
- What fails says `error: REASON: message` on stderr, under `--json` as `{"error": {"reason": …, "message": …}}`; the
  reason codes are those of the API. Exit codes: 0 done, 1 failed (also where some rows were rejected), 2 wrong usage,
  130 interrupted.
- Settings come from the environment (`DES_…`), then from a TOML file; `des config show` shows them.

| command | |
|---|---|
"""


def reference() -> str:
    """The whole page."""
    commands = list(_commands(get_command(application()), "des"))
    index = "".join(f"| [`{name}`](#{name.replace(' ', '-')}) | {_summary(command)} |\n" for name, command in commands)
    return HEAD + index + "".join(_section(name, command) for name, command in commands)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{prefix} {name}", command
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _summary(command: Any) -> str:
    return str(command.help).partition("\n\n")[0].replace("\n", " ").strip()


def _section(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    table = "".join(f"| `{_cell(what)}` | {_cell(means)} |\n" for what, means in rows)
    return f"\n## {name}\n\n{inspect.cleandoc(command.help)}\n\n    {usage}\n\n| | |\n|---|---|\n{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  ", " ")


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
