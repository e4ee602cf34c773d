"""`des dev`: the whole stack in the foreground."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output

if TYPE_CHECKING:
    from des.cli.local_stack import LocalStack

DATA_DIR_DEFAULT = Path(".des")
SERVERS_STOP_S = 20.0
"""What the private servers get to stop, after the service had its grace; what is left then is killed."""


def dev(
    as_json: JsonFlag = False,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="DIR", help="Folder of the stack's data, which stays.")
    ] = DATA_DIR_DEFAULT,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="A folder that is gone at the end.")] = False,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Without the rehearsal provider.")] = False,
    config: ConfigFile = None,
) -> None:
    """Run everything on this machine: private Postgres and RabbitMQ, schema, sandbox, service.

    Servers named by DES_DATABASE_URL and DES_AMQP_URL are used instead of private ones. When everything is ready one
    line says where it listens (with --json an object with grpc, http, amqp, database, sandbox and pid). SIGTERM and
    Ctrl-C stop all of it in order; whatever ends this process ends the private servers too. The sandbox stands in for
    the vendor `hunter`, without its rate limits; an empty directory is filled with people it knows.
    """
    from des.app.checked import checked_settings
    from des.cli.local_stack import LocalStack
    from des.lifecycle import run, run_until_signal
    from des.logs import configure_logging

    output = Output(as_json)
    settings = checked_settings(config, servers=False)
    configure_logging(settings.log.format, settings.log.level)
    with data_folder(None if ephemeral else data_dir) as folder:
        stack = LocalStack(folder, settings, with_sandbox=not no_sandbox)
        output.note(f"starting DES in {folder} …")
        grace_s = settings.shutdown_grace_s + SERVERS_STOP_S
        run(run_until_signal(stack.services(), on_ready=lambda: _announce(output, stack), grace_s=grace_s))


def _announce(output: Output, stack: "LocalStack") -> None:
    addresses = stack.addresses()
    output.document(addresses)
    output.say("DES is ready; Ctrl-C stops it.")
    for name in addresses.__struct_fields__:
        output.say(f"  {name:<10}{getattr(addresses, name)}")


@contextmanager
def data_folder(data_dir: Path | None) -> Iterator[Path]:
    """Lend the folder of a stack's data: the one given, which stays, or one that is removed at the end."""
    from des.stack.process import private_folder

    if data_dir is not None:
        yield data_dir.absolute()
        return
    folder = private_folder("des-dev-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
