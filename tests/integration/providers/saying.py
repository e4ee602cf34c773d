"""A worker that buys from a vendor which says what a test has it say."""

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

from des.clock import SystemClock
from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Provider, Question, Traits, Value
from des.providers.dispatcher import Dispatcher
from des.providers.paying import Terms
from des.sandbox.server import Sandbox
from des.store.contract import partition_of
from des.store.postgres import Database
from tests.faults.money_office import Office, pays, plain_ledger

FIELD = "professional_email"
ERID = UUID(int=1)
PARTITION = partition_of("default", ERID)
CREDIT = 1_000_000
GOOD = {FIELD: Value("a@example.com")}
TRAITS = Traits("says", frozenset({FIELD}), paid=True, prices={FIELD: 2.0}, attempts_max=1)
JOHN, JANE, JACK = (
    Contact(first_name=name, last_name="Doe", company_domain="acme.com") for name in ("J", "Ja", "Jack")
)


class Says:
    """A vendor of which each person's answer is given by first name; everybody else is found."""

    def __init__(self, said: Mapping[str, Any], *, collects: Sequence[Outcome] = (), paid: bool = True) -> None:
        self.traits = TRAITS if paid else dataclasses.replace(TRAITS, paid=False)
        self._said = said
        self._collects = list(collects)

    async def start(self) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Say it."""
        found = Outcome(OutcomeKind.FOUND, GOOD, cost=2.0)
        return [self._said.get(question.contact.first_name, found) for question in questions]

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """Say what is said later."""
        return [self._collects.pop(0) if self._collects else Outcome(OutcomeKind.PENDING) for _ in handles]


@asynccontextmanager
async def at_work(
    database: Database, sandbox: Sandbox, vendor: Provider, epoch: int = 1, **terms: Any
) -> AsyncIterator[Office]:
    """A worker that buys from this vendor."""
    ways = pays if vendor.traits.paid else partial(_is_free, vendor)
    office = Office(database, sandbox, vendor, plain_ledger, terms=Terms(**terms), ways=ways, epoch=epoch)
    await office.start()
    try:
        yield office
    finally:
        await office.stop()


def _is_free(vendor: Provider, *_: object) -> Dispatcher:
    """The way to a vendor that charges nothing, whatever it says."""
    return Dispatcher(vendor, SystemClock())


async def states(office: Office) -> Mapping[str, int]:
    """Calls of the ledger by state."""
    async with office.database.connection() as connection:
        rows = await connection.fetch("select state, count(*)::int as n from call group by state")
    return {row["state"]: row["n"] for row in rows}
