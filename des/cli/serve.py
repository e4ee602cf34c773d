"""`des serve`: the service itself, on servers that are there."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output

if TYPE_CHECKING:
    from des.app import App

ROLES = ("ingest", "worker", "relay", "serving")
"""What a process can be, in the order of the data."""


def serve(
    roles: Annotated[
        str, typer.Option("--roles", metavar="ROLE,…", help="ingest, worker, relay and serving; any of them.")
    ] = ",".join(ROLES),
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """Run the service on the servers of DES_DATABASE_URL and DES_AMQP_URL until SIGTERM, then drain.

    One process per core and role scales out: workers share the enrichments among themselves. Listens where DES_GRPC__…
    and DES_HTTP__… say; when ready, --json prints one object with grpc, http and pid.
    """
    chosen = _roles(roles)
    from des.app import build
    from des.app.checked import checked_settings
    from des.lifecycle import run
    from des.logs import configure_logging

    output = Output(as_json)
    settings = checked_settings(config)
    configure_logging(settings.log.format, settings.log.level)
    run(_run(build(settings, chosen), output, settings.shutdown_grace_s))


async def _run(app: "App", output: Output, grace_s: float) -> None:
    from des.lifecycle import Services, run_until_signal

    def announce() -> None:
        output.document({"grpc": app.grpc_address, "http": app.http_address, "pid": os.getpid()})
        output.note(f"DES is ready: gRPC at {app.grpc_address}, HTTP at {app.http_address}")

    await run_until_signal(Services([app]), on_ready=announce, grace_s=grace_s)


def _roles(text: str) -> frozenset[str]:
    """Read the list of roles. Raises typer.BadParameter."""
    chosen = {role.strip() for role in text.split(",") if role.strip()}
    if unknown := sorted(chosen - set(ROLES)):
        raise typer.BadParameter(f"{', '.join(unknown)} is no role; there are {', '.join(ROLES)}", param_hint="--roles")
    if not chosen:
        raise typer.BadParameter(f"name at least one of {', '.join(ROLES)}", param_hint="--roles")
    return frozenset(chosen)
