"""`des quote`: what the contacts of a file would cost, before anything is sent."""

import asyncio
from typing import IO, TYPE_CHECKING

import typer

from des.cli.options import ContactsFile, Fields, GrpcAddress, JsonFlag, MaxAge, stated_options
from des.cli.output import Output, counted
from des.cli.push import Wish, opened

if TYPE_CHECKING:
    from des.cli.contact_batches import FileBatch
    from des.cli.contact_file import ContactFile, Unreadable
    from des.serving.quote import Cost, Quote, Range

PIECE_CONTACTS = 50_000
"""Contacts of one quote: 300 bytes each fit a gRPC message."""


def quote(
    file: ContactsFile,
    *,
    fields: Fields = "",
    max_age_s: MaxAge = None,
    grpc: GrpcAddress = "",
    as_json: JsonFlag = False,
) -> None:
    """Say what the contacts of a file would cost: a dry run that spends, sends and writes nothing.

    People are counted once, and answers at hand are taken. What is to be expected is what your own receipts show; what
    they do not show is unknown, and said to be. A file of more than 50,000 contacts is quoted in pieces. What
    cannot be read of it is left out and named, under --json in a last document.
    """
    output = Output(as_json)
    said = stated_options(
        budget_credits=None, budget_money=None, minimum_confidence=None, max_age_s=max_age_s, priority=None
    )
    wish = Wish(None, [name.strip() for name in fields.split(",") if name.strip()], said)
    stream = opened(file)
    try:
        rejected = asyncio.run(_quote(stream, output, wish, grpc))
    finally:
        stream.close()
    if rejected:
        raise typer.Exit(1)


async def _quote(stream: IO[bytes], output: Output, wish: Wish, grpc: str) -> int:
    """Quote each piece of the file, and answer how many rows were left out."""
    from des.cli.contact_file import open_contacts
    from des.cli.pushing import REJECTED_SHOWN_MAX, asked_of, message_of
    from des.cli.quoted import quote_of
    from des.cli.service import connected

    rejected: list[Unreadable] = []
    file = await asyncio.to_thread(open_contacts, stream)
    asked = asked_of(file, wish)
    async with connected(grpc) as client:
        for batch in await asyncio.to_thread(_pieces, file, asked.fields, rejected):
            quote = quote_of(await client.quote(message_of(batch, asked)))
            output.document(quote)
            _tell(quote, output)
    if rejected:
        output.document({"rejected": len(rejected), "rejected_rows": rejected[:REJECTED_SHOWN_MAX]})
    for row in rejected:
        output.note(f"line {row.line}: {row.reason}: {row.message}")
    return len(rejected)


def _pieces(file: "ContactFile", fields: list[str], rejected: "list[Unreadable]") -> "list[FileBatch]":
    from uuid import uuid4

    from des.cli.contact_batches import cut

    return list(cut(file.rows, uuid4(), fields, PIECE_CONTACTS, rejected.append))


def _tell(quote: "Quote", output: Output) -> None:
    output.say(
        f"{counted(quote.contacts, 'contact', 'contacts')}, {counted(quote.people, 'person', 'people')},"
        f" {counted(quote.at_hand, 'answer', 'answers')} at hand"
    )
    rows = [[one.provider, _range(one.questions), str(one.at_hand), *_cost(one.cost)] for one in quote.providers]
    rows.append(["together", "", str(quote.at_hand), *_cost(quote.cost)])
    output.table(["provider", "questions", "at hand", "credits", "money"], rows)
    if quote.eta_s is not None:
        output.say(f"at the permitted rates it takes {quote.eta_s:,.0f} s at most")
    for line in quote.unknown:
        output.say(f"unknown: {line}")


def _cost(cost: "Cost") -> tuple[str, str]:
    return _range(cost.credits), _range(cost.money)


def _range(range_: "Range") -> str:
    expected = "unknown" if range_.expected is None else f"{range_.expected:,.6g}"
    return f"{range_.min:,.6g} to {range_.max:,.6g}, expected {expected}"
