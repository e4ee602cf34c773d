"""Contacts of several ERIDs in one request: when it goes out, who is refused, and what becomes of what was not sent."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import msgspec
import pytest

from des.clock import SystemClock
from des.config_providers import PdlConfig
from des.contact import Contact, FieldState
from des.ledger import CallState
from des.providers.contract import Provider
from des.providers.dialects.pdl import Pdl
from des.providers.names import person_key
from des.providers.values import Values
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.server import Sandbox
from des.store.postgres import Database
from des.testing.sandbox import sandbox_thread
from tests.faults.money_books import violations
from tests.faults.money_office import PEOPLE, SEED, Office, known_to, plain_ledger

POISON = "Venenum"
ERIDS = [UUID(int=number) for number in range(1, 5)]
LOAD = 10
NEVER_S = 60.0

Open = Callable[..., Awaitable[Office]]


def pdl(sandbox: Sandbox, linger_s: float) -> Provider:
    """A vendor that is asked about ten people at once, by one request at a time."""
    config = {"kind": "pdl", "url": sandbox.url, "api_key": "k", "rate": (), "batch_max": LOAD, "concurrency": 1}
    return Pdl("pdl", PdlConfig.model_validate(config | {"linger_s": linger_s}), Values(), SystemClock())


def distinct(people: int) -> list[Contact]:
    """So many people whom the vendor knows, each of them once."""
    return list({person_key(one): one for one in known_to("pdl", 2 * people)}.values())[:people]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that nobody has called."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


@pytest.fixture
async def open_office(database: Database, sandbox: Sandbox) -> AsyncIterator[Open]:
    """Opens workers; all are closed at the end."""
    async with AsyncExitStack() as offices:

        async def open_(linger_s: float, **settings: Any) -> Office:
            office = Office(database, sandbox, pdl(sandbox, linger_s), plain_ledger, **settings)
            await office.start()
            offices.push_async_callback(office.stop)
            return office

        yield open_


async def test_a_full_request_of_several_erids_does_not_wait(open_office: Open, sandbox: Sandbox) -> None:
    office = await open_office(linger_s=NEVER_S)
    people = distinct(LOAD)
    for erid, (first, *others) in zip(ERIDS, (people[:1], people[1:4], people[4:8], people[8:]), strict=True):
        await office.ask(erid, [first, *others])
    await office.finished(LOAD)
    assert sandbox.desk.books["pdl"].requests == 1
    assert {one.state for one in await office.results()} == {FieldState.FOUND}
    assert violations(await office.books()) == {}


async def test_what_does_not_fill_a_request_goes_out_after_a_moment(open_office: Open, sandbox: Sandbox) -> None:
    office = await open_office(linger_s=0.3)
    for erid, person in zip(ERIDS, distinct(3), strict=False):
        await office.ask(erid, [person])
    await office.finished(3)
    assert sandbox.desk.books["pdl"].requests == 1
    assert violations(await office.books()) == {}


async def test_the_poison_alone_is_refused_and_its_neighbours_are_paid_for_once(open_office: Open) -> None:
    office = await open_office(linger_s=NEVER_S)
    office.fail(FaultPlan(poison=frozenset({POISON})))
    people = distinct(LOAD - 1)
    poison = msgspec.structs.replace(people[4], last_name=POISON)
    await office.ask(ERIDS[0], [*people[:4], poison])
    await office.ask(ERIDS[1], people[4:])
    await office.finished(LOAD)
    results, books = await office.results(), await office.books()
    assert [one.state for one in results].count(FieldState.FOUND) == LOAD - 1
    (refused,) = [one for one in results if one.state is not FieldState.FOUND]
    assert [(one.outcome, one.reason) for one in refused.attempts] == [("invalid_input", "HTTP_400")]
    assert {bill.calls for bill in books.bills.values()} == {1}
    assert sorted(call.state for call in books.calls) == [CallState.RELEASED] + [CallState.SETTLED] * (LOAD - 1)
    assert violations(books) == {}


async def test_what_is_claimed_and_not_sent_is_given_back_with_the_lease(open_office: Open) -> None:
    office = await open_office(linger_s=NEVER_S)
    await office.ask(ERIDS[0], distinct(1))
    await office.fetched("select count(*) from call where state = 'claimed'", expected=1)
    office.lose_leases()
    await office.fetched("select count(*) from call where state = 'released'", expected=1)
    books = await office.books()
    assert (dict(books.bills), books.charged) == ({}, 0)
    assert violations(books) == {}


async def test_what_another_worker_has_taken_over_is_not_given_back(open_office: Open) -> None:
    office = await open_office(linger_s=NEVER_S)
    await office.ask(ERIDS[0], distinct(1))
    await office.fetched("select count(*) from call where state = 'claimed'", expected=1)
    await office.execute("update call set epoch = epoch + 1")
    office.lose_leases()
    office.take_leases()
    await office.ask(ERIDS[1], [Contact(first_name="Nemo", last_name="Outis")])
    await office.finished(1)
    state = await office.value("select state from call where person like 'n:%|_%'")
    assert state == CallState.UNKNOWN, "it may have been sent"


async def test_what_is_claimed_is_given_back_while_the_provider_may_not_be_asked(open_office: Open) -> None:
    office = await open_office(linger_s=0.3)
    office.fail(FaultPlan(rates={Fault.RATE_LIMIT: 1.0}, retry_after_s=3.0))
    people = distinct(LOAD + 3)
    await office.ask(ERIDS[0], people)
    await office.fetched("select count(*) = 0 from call where state <> 'released'", expected=True)
    office.fail(FaultPlan())
    await office.finished(len(people))
    assert {bill.calls for bill in (await office.books()).bills.values()} == {1}
