"""Follows the progress of one enrichment until it is settled, and shows it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from des.cli.output import Output
from des.cli.received import enrichment_of
from des.client import Client, RemoteError
from des.ledger import MILLION, NOTHING, Amount
from des.serving.document import enrichment_document
from des.stall import Stall
from des.store.reading import Enrichment, EnrichmentState, Spend

NOT_FOUND_POLL_S = 0.1


async def follow(client: Client, erid: UUID, output: Output, *, contacts_min: int = 0) -> Enrichment:
    """Show every change until nothing is outstanding, and return the last state.

    `contacts_min`: contacts that were sent and confirmed a moment ago. Until as many have been accepted the enrichment
    is not taken for settled, nor for missing. Raises RemoteError.
    """
    with _shown(output) as show:
        async with aclosing(_changes(client, erid, wait=contacts_min > 0)) as changes:
            async for enrichment in changes:
                show(enrichment)
                if _is_settled(enrichment, contacts_min):
                    output.say(summary(enrichment))
                    return enrichment
    raise RuntimeError("a watch ended before its enrichment did")


def summary(enrichment: Enrichment) -> str:
    """Say in one line where an enrichment stands."""
    progress = enrichment.progress
    fields = ", ".join(f"{count:,} {state}" for state, count in progress.fields.items() if count)
    return (
        f"{enrichment.erid} {enrichment.state}: {progress.contacts_done:,} of {progress.contacts:,} contacts done"
        f"{f'; fields: {fields}' if fields else ''}{_costs(enrichment.spend)}"
        f"{''.join(f'; {stall_text(stall)}' for stall in enrichment.stalls)}"
    )


def _costs(spend: Spend) -> str:
    """Say what was spent, what is set aside and what was saved; nothing where all of it is nothing."""
    amounts = {"spent": spend.spent, "reserved": spend.reserved, "saved": spend.saved}
    said = [f"{name} {amount_text(amount)}" for name, amount in amounts.items() if amount != NOTHING]
    return f"; {', '.join(said)}" if said else ""


def stall_text(stall: Stall) -> str:
    """Say how many contacts wait for whom, why, and until when."""
    until = f" until {stall.until.astimezone():%H:%M:%S}" if stall.until else ""
    return f"{stall.contacts:,} wait for {stall.provider}: {stall.stalled_reason}{until}"


def amount_text(amount: Amount) -> str:
    """Say credits, and their money where they have a price."""
    credits_ = f"{amount.credits / MILLION:g} credits"
    return f"{credits_} ({amount.money / MILLION:g})" if amount.money else credits_


async def _changes(client: Client, erid: UUID, *, wait: bool) -> AsyncGenerator[Enrichment, None]:
    """Yield the state now and after every change; `wait` for an enrichment that is not there yet."""
    while True:
        try:
            async with aclosing(client.watch(erid)) as watch:
                async for message in watch:
                    yield enrichment_of(message)
        except RemoteError as error:
            if not (wait and error.reason == "NOT_FOUND"):
                raise
        else:
            return
        await asyncio.sleep(NOT_FOUND_POLL_S)


def _is_settled(enrichment: Enrichment, contacts_min: int) -> bool:
    match enrichment.state:
        case EnrichmentState.OPEN:
            return False
        case EnrichmentState.SETTLED:
            return enrichment.progress.contacts >= contacts_min
        case EnrichmentState.COMPLETED | EnrichmentState.CANCELLED:
            return enrichment.ended


@contextlib.contextmanager
def _shown(output: Output) -> Iterator[Callable[[Enrichment], None]]:
    """Lend what shows one state: a document each under --json, a bar on a terminal, else nothing."""
    if not output.on_terminal:
        yield lambda enrichment: output.document(enrichment_document(enrichment))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console(), transient=True) as bar:
        task = bar.add_task("contacts done")

        def show(enrichment: Enrichment) -> None:
            said = ["contacts done", *map(stall_text, enrichment.stalls)]
            progress = enrichment.progress
            bar.update(task, description="; ".join(said), completed=progress.contacts_done, total=progress.contacts)

        yield show
