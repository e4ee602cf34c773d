"""`des watch`, `results`, `seal`, `cancel`: one enrichment, read and steered by gRPC like by any client."""

import asyncio
import enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from des.cli.options import Erid, GrpcAddress, JsonFlag
from des.cli.output import Output

if TYPE_CHECKING:
    from des.v1 import enrichment_pb2


class ResultsFormat(enum.StrEnum):
    """How `des results` writes contacts."""

    TABLE = "table"
    NDJSON = "ndjson"
    CSV = "csv"
    JSON = "json"


def watch(erid: Erid, grpc: GrpcAddress = "", as_json: JsonFlag = False) -> None:
    """Follow the progress of an enrichment until nothing of it is outstanding.

    With --json one object a line, the current state first and then every change.
    """
    asyncio.run(_watch(erid, grpc, Output(as_json)))


async def _watch(erid: UUID, grpc: str, output: Output) -> None:
    from des.cli.following import follow
    from des.cli.service import connected

    async with connected(grpc) as client:
        await follow(client, erid, output)


def results(
    erid: Erid,
    form: Annotated[
        ResultsFormat | None,
        typer.Option("--format", help="table for people, ndjson, csv, or json: the whole object on one line."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="ndjson and csv: stay, and write what finishes later.")
    ] = False,
    grpc: GrpcAddress = "",
    as_json: JsonFlag = False,
) -> None:
    """Write the contacts of an enrichment with what was found for them.

    ndjson and csv hold the finished contacts, the others all; nothing but a table is ever held in memory as a whole.
    --json alone means --format json.
    """
    chosen = form or (ResultsFormat.JSON if as_json else ResultsFormat.TABLE)
    if follow and chosen not in {ResultsFormat.NDJSON, ResultsFormat.CSV}:
        raise typer.BadParameter("goes with --format ndjson or csv", param_hint="--follow")
    asyncio.run(_results(erid, chosen, grpc, Output(as_json), follow=follow))


async def _results(erid: UUID, form: ResultsFormat, grpc: str, output: Output, *, follow: bool) -> None:
    from des.cli.results import write_results
    from des.cli.service import connected

    async with connected(grpc) as client:
        await write_results(client, erid, form, output, follow=follow)


def seal(erid: Erid, grpc: GrpcAddress = "", as_json: JsonFlag = False) -> None:
    """Say that no more batches come: what is outstanding goes on, then the enrichment is completed."""
    asyncio.run(_steer(erid, grpc, Output(as_json), cancel=False))


def cancel(erid: Erid, grpc: GrpcAddress = "", as_json: JsonFlag = False) -> None:
    """End what is outstanding and take no more; what was found stays."""
    asyncio.run(_steer(erid, grpc, Output(as_json), cancel=True))


async def _steer(erid: UUID, grpc: str, output: Output, *, cancel: bool) -> None:
    """Seal or cancel, and show what the enrichment is then."""
    from des.cli.following import summary
    from des.cli.received import enrichment_of
    from des.cli.service import connected
    from des.serving.document import enrichment_document

    async with connected(grpc) as client:
        message: enrichment_pb2.Enrichment = await (client.cancel(erid) if cancel else client.seal(erid))
    enrichment = enrichment_of(message)
    output.document(enrichment_document(enrichment))
    output.say(summary(enrichment))
