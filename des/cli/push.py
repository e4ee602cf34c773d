"""`des push`: the contacts of a file, by gRPC, so that pushing it again changes nothing."""

import asyncio
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NamedTuple
from uuid import UUID

import typer

from des.cli.options import (
    ContactsFile,
    Credits,
    Fields,
    GrpcAddress,
    JsonFlag,
    MaxAge,
    MinimumConfidence,
    Money,
    NewErid,
    Priority,
    stated_options,
)
from des.cli.output import Output, counted

if TYPE_CHECKING:
    from des.cli.pushing import Asked, Pushed

BATCH_SIZE_DEFAULT = 1_000
BATCH_SIZE_MAX = 10_000
STDIN = "-"


class Wish(NamedTuple):
    """What the command line asks for; a document may say what it leaves open. `said`: options by path."""

    erid: UUID | None
    fields: list[str]
    said: dict[str, float]


def push(
    file: ContactsFile,
    *,
    erid: NewErid = None,
    fields: Fields = "",
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, max=BATCH_SIZE_MAX, help="Rows sent together.")
    ] = BATCH_SIZE_DEFAULT,
    budget_credits: Credits = None,
    budget_money: Money = None,
    minimum_confidence: MinimumConfidence = None,
    max_age_s: MaxAge = None,
    priority: Priority = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then follow the progress until it is settled.")] = False,
    grpc: GrpcAddress = "",
    as_json: JsonFlag = False,
) -> None:
    """Send the contacts of a file to be enriched; done when the broker has confirmed all of them.

    Columns of a CSV file are found by their names (first_name, Last Name, Company, E-Mail, Vorname, …) and its
    delimiter by itself. JSON Lines hold a contact a line. A JSON document is what POST /v1/enrichments takes and the
    same batch. Rows that cannot be taken are named by line, the others are sent; exit code 1 then. Pushing a file again
    under its ERID and batch size changes nothing, so one that was cut short is finished by pushing it again. Options of
    the ERID are set by the first push that has some; `des update` changes them.
    """
    output = Output(as_json)
    said = stated_options(
        budget_credits=budget_credits,
        budget_money=budget_money,
        minimum_confidence=minimum_confidence,
        max_age_s=max_age_s,
        priority=priority,
    )
    wish = Wish(erid, [name.strip() for name in fields.split(",") if name.strip()], said)
    stream = opened(file)
    try:
        pushed = asyncio.run(_push(stream, output, wish, batch_size=batch_size, grpc=grpc, watch=watch))
    finally:
        stream.close()
    if pushed.rejected:
        raise typer.Exit(1)


def opened(file: str) -> IO[bytes]:
    """Open the file. Raises typer.BadParameter where it cannot be read."""
    if file == STDIN:
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from error


async def _push(stream: IO[bytes], output: Output, wish: Wish, *, batch_size: int, grpc: str, watch: bool) -> "Pushed":
    """Push, say what became of it, and follow it where that is wanted."""
    from des.cli.contact_file import open_contacts
    from des.cli.following import follow
    from des.cli.pushing import Pusher, asked_of
    from des.cli.service import connected

    file = await asyncio.to_thread(open_contacts, stream)
    asked = asked_of(file, wish)
    if file.ignored_columns:
        output.note(f"columns that are nothing of a contact: {', '.join(file.ignored_columns)}")
    async with connected(grpc) as client:
        pushed = await Pusher(client, asked, output).push(file, batch_size)
        _tell(pushed, asked, output)
        if watch and pushed.contacts:
            await follow(client, asked.erid, output, contacts_min=pushed.contacts)
    return pushed


def _tell(pushed: "Pushed", asked: "Asked", output: Output) -> None:
    output.document(pushed)
    contacts = counted(pushed.contacts, "contact", "contacts")
    output.say(f"ERID {asked.erid}: {contacts} in {counted(pushed.batches, 'batch', 'batches')} confirmed")
    if pushed.rejected:
        output.note(f"{counted(pushed.rejected, 'row was', 'rows were')} rejected")
