"""`des audit`: the ledger, the budgets, the receipts and the bills held against each other; held calls resolved."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output, counted
from des.limits import COST_MAX

if TYPE_CHECKING:
    from des.store.audit import Books
    from des.store.late import Resolution

MILLION = 1_000_000


def audit(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Books of this tenant; all where left out.")] = None,
    billed: Annotated[
        list[str] | None,
        typer.Option("--billed", metavar="PROVIDER=CREDITS", help="What the vendor says it has taken; repeatable."),
    ] = None,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """Hold the books against each other: charged == settled == receipts, and list every held call.

    Exit code 1 where they do not agree. A charge that is on no receipt is listed with the reason; without one, it is a
    difference. A held call may have been charged: it stays reserved until it is resolved.
    """
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json)
    books = asyncio.run(_audit(config, tenant, _bills(billed or [])))
    output.document(_document(books))
    _say(output, books)
    if not books.agree:
        raise typer.Exit(1)


async def _audit(config: Path | None, tenant: str | None, billed: Mapping[str, int]) -> "Books":
    from des.cli.database import connected
    from des.store.audit import audit as read

    async with connected(config) as database:
        return await read(database, tenant, billed)


def resolve(  # noqa: PLR0917 - Typer passes them by name
    call_id: Annotated[UUID, typer.Argument(metavar="CALL_ID", help="A held call, as `des audit` lists it.")],
    charged: Annotated[
        float | None,
        typer.Option("--charged", min=0, max=COST_MAX, metavar="CREDITS", help="The vendor took so many for it."),
    ] = None,
    not_charged: Annotated[bool, typer.Option("--not-charged", help="The vendor took nothing for it.")] = False,
    beyond_reserved: Annotated[
        bool, typer.Option("--beyond-reserved", help="It took more than was set aside, which a cap had not counted on.")
    ] = False,
    ask_again: Annotated[
        bool, typer.Option("--ask-again", help="Ask the same again, at its own price, for the contacts that lack it.")
    ] = False,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """End a held call as you found it in the vendor's own account: charged, or not."""
    if (charged is None) is not not_charged:
        raise typer.BadParameter("say either --charged CREDITS or --not-charged")
    if charged and charged * MILLION < 1:
        raise typer.BadParameter("the ledger counts millionths of a credit; say --not-charged for nothing")
    output = Output(as_json)
    resolution = asyncio.run(_resolve(config, call_id, charged, ask_again=ask_again, beyond_reserved=beyond_reserved))
    output.document(_resolution_document(resolution))
    output.say(
        f"call {call_id} at {resolution.provider}: {_credits(resolution.charged)} charged, "
        f"{_credits(resolution.released)} released, "
        f"{counted(resolution.asking_again, 'contact asks', 'contacts ask')} again"
    )


async def _resolve(
    config: Path | None, call_id: UUID, charged: float | None, *, ask_again: bool, beyond_reserved: bool
) -> "Resolution":
    from des.cli.database import connected
    from des.ledger import millionths
    from des.store.late import resolve as end

    amount = None if charged is None else millionths(charged)
    async with connected(config) as database:
        return await end(database, call_id, amount, ask_again=ask_again, beyond_reserved=beyond_reserved)


def _bills(billed: Sequence[str]) -> dict[str, int]:
    bills: dict[str, int] = {}
    for text in billed:
        provider, equals, number = text.partition("=")
        try:
            bills[provider] = round(float(number) * MILLION)
        except ValueError:
            equals = ""
        if not (provider and equals):
            raise typer.BadParameter(f"--billed takes PROVIDER=CREDITS, as in hunter=12.5, not {text!r}")
    return bills


def _say(output: Output, books: "Books") -> None:
    """Tell people: the balances, then whatever needs one of them."""
    if not books.balances:
        output.say("nothing was ever charged")
    else:
        columns = [
            "tenant",
            "provider",
            "charged",
            "settled",
            "receipts",
            "on no receipt",
            "reserved",
            "open",
            "unknown",
        ]
        rows = [
            [one.tenant, one.provider, *map(_credits, (one.charged, one.settled, one.receipts, one.without_receipt)),
             _credits(one.reserved), str(one.open), str(one.unknown)]
            for one in books.balances
        ]  # fmt: skip
        output.table(columns, rows)
    if books.held:
        output.say(f"\n{counted(len(books.held), 'call is', 'calls are')} held; end each with `des audit resolve`:")
        output.table(
            ["call", "since", "provider", "erid", "fields", "reserved", "contacts", "reason"],
            [
                [str(one.id), f"{one.since:%Y-%m-%d %H:%M:%S}", one.provider, str(one.erid), ",".join(one.fields),
                 _credits(one.reserved), str(one.contacts), one.reason]
                for one in books.held
            ],
        )  # fmt: skip
    if books.without_receipt:
        output.say("\non no receipt:")
        output.table(
            ["call", "provider", "erid", "charged", "why"],
            [
                [str(one.id), one.provider, str(one.erid), _credits(one.charged), one.why or "nobody knows"]
                for one in books.without_receipt
            ],
        )
    output.say("" if books.differences else "the books agree")
    for one in books.differences:
        output.say(f"DIFFERENT: {one.what}: {_credits(one.found)} instead of {_credits(one.expected)}")


def _document(books: "Books") -> dict[str, Any]:
    import msgspec

    document = msgspec.structs.asdict(books)
    return {"agree": books.agree} | {
        name: [_in_credits(msgspec.structs.asdict(one)) for one in part] for name, part in document.items()
    }


_AMOUNTS = frozenset(
    {
        "reserved",
        "reserved_unknown",
        "charged",
        "settled",
        "receipts",
        "without_receipt",
        "expected",
        "found",
        "released",
    }
)


def _in_credits(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with amounts in credits, as receipts have them."""
    return {name: value / MILLION if name in _AMOUNTS else value for name, value in values.items()}


def _resolution_document(resolution: "Resolution") -> dict[str, Any]:
    import msgspec

    return _in_credits(msgspec.structs.asdict(resolution))


def _credits(amount: int) -> str:
    return f"{amount / MILLION:g}"
