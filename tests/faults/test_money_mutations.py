"""Each protection of the money is taken away in turn, and a named check says so: the checks see what they are for.

Every scenario runs twice: as DES is, and nothing is wrong; without one protection, and what it protects from happens.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from des.clock import SystemClock
from des.contact import Contact
from des.ledger import Claim, Decision, Key, Ledger, Verdict
from des.providers.contract import Provider
from des.providers.dispatcher import Dispatcher
from des.providers.paid import PaidDispatcher
from des.providers.paying import Paying, Terms
from des.sandbox.faults import Fault, FaultPlan, Latency
from des.sandbox.server import Sandbox
from des.store import ledger as store_ledger
from des.store import receipts as store_receipts
from des.store.contract import partition_of
from des.store.ledger import Cap, Caps
from des.store.postgres import Database
from des.testing.sandbox import sandbox_thread
from tests.faults.money_books import violations
from tests.faults.money_office import PEOPLE, SEED, Office, known_to, pays, pdl, plain_ledger

JOHN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
LOST = FaultPlan(rates={Fault.RESET_AFTER: 1.0})
SLOW = FaultPlan(latency=Latency(mean_s=1.0))
CAP = 2

Open = Callable[..., Awaitable[Office]]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that nobody has called."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


@pytest.fixture
async def open_office(database: Database, sandbox: Sandbox) -> AsyncIterator[Open]:
    """Opens workers; all are closed at the end."""
    async with AsyncExitStack() as offices:

        async def open_(ledger: Callable[[Database, UUID], Ledger] = plain_ledger, **settings: Any) -> Office:
            office = Office(database, sandbox, pdl(sandbox), ledger, **settings)
            await office.start()
            offices.push_async_callback(office.stop)
            return office

        yield open_


# ---- the claim is committed before the call is sent ------------------------------------------------------------------


class ClaimsNothing:
    """A ledger that lets calls be sent and writes nothing before."""

    def __init__(self, _: Database, __: UUID) -> None:
        pass

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        return [Decision(Verdict.CLAIMED, claim.id) for claim in claims]


@pytest.mark.parametrize(
    ("ledger", "wrong"),
    [
        (plain_ledger, set()),
        (ClaimsNothing, {"nobody_is_paid_for_twice", "nothing_is_sent_unclaimed"}),
    ],
    ids=["claim before send", "without"],
)
async def test_a_call_without_an_answer_is_not_paid_for_again(
    open_office: Open, ledger: Callable[[Database, UUID], Ledger], wrong: set[str]
) -> None:
    office = await open_office(ledger)
    office.fail(LOST)
    await office.ask(ERID, [JOHN])
    await office.finished(1)
    office.fail(FaultPlan())
    await office.ask(OTHER_ERID, [JOHN])
    await office.finished(2)
    found = violations(await office.books()).keys()
    assert wrong <= found
    assert bool(found) is bool(wrong)


# ---- a key is open once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_unique", "wrong"),
    [(True, set()), (False, {"nobody_is_paid_for_twice"})],
    ids=["unique key of open calls", "without"],
)
async def test_two_workers_with_one_question_make_one_call(
    open_office: Open, database: Database, monkeypatch: pytest.MonkeyPatch, *, is_unique: bool, wrong: set[str]
) -> None:
    if not is_unique:
        async with database.connection() as connection:
            await connection.execute("drop index call_open")
        insert, _, returning = store_ledger._SQL["open_calls"].partition("on conflict")
        monkeypatch.setitem(store_ledger._SQL, "open_calls", f"{insert} {returning[returning.index('returning') :]}")
    workers = [await open_office(partitions=[partition_of("default", erid)]) for erid in (ERID, OTHER_ERID)]
    workers[0].fail(SLOW)
    for worker, erid in zip(workers, (ERID, OTHER_ERID), strict=True):
        await worker.ask(erid, [JOHN])
    for worker in workers:
        await worker.finished(1)
    assert violations(await workers[0].books()).keys() == wrong


# ---- the price is reserved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reserves", "wrong"), [(True, set()), (False, {"the_cap_holds"})], ids=["reserved at the claim", "without"]
)
async def test_calls_in_flight_count_against_the_cap(
    open_office: Open, monkeypatch: pytest.MonkeyPatch, *, reserves: bool, wrong: set[str]
) -> None:
    if not reserves:
        for name in ("reserve_budgets", "lock_budgets"):
            looked_at = store_ledger._SQL[name].replace("b.reserved + b.spent", "b.spent")
            monkeypatch.setitem(store_ledger._SQL, name, looked_at)
    ledger = partial(plain_ledger, caps=Caps(providers={"pdl": Cap(credits=CAP * 1_000_000)}))
    office = await open_office(ledger)
    people = known_to("pdl", 6)
    office.fail(SLOW)
    await office.ask(ERID, people[:3])
    await office.fetched("select count(*) from call where state = 'claimed'", CAP)
    await office.ask(OTHER_ERID, people[3:])
    await office.finished(len(people))
    assert violations(await office.books(cap=CAP)).keys() == wrong


# ---- twins are one question ------------------------------------------------------------------------------------------


class NoTwins(dict[Key, list[Paying]]):
    """Questions under way of which none is ever found."""

    def __contains__(self, _: object) -> bool:
        return False


def asks_for_each(provider: Provider, ledger: Ledger, terms: Terms) -> Dispatcher:
    """Make a dispatcher that does not see that a question is under way in its own process."""
    dispatcher = PaidDispatcher(provider, SystemClock(), ledger=ledger, terms=terms)
    dispatcher._twins = NoTwins()
    return dispatcher


def twins_are_one_claim(office: Office, people: int) -> list[str]:
    """What was asked at once about one person went to the ledger once."""
    claims = office.ledger.claims
    return [] if claims <= people else [f"{claims} claims for {people} people"]


@pytest.mark.parametrize(("ways", "together"), [(pays, True), (asks_for_each, False)], ids=["coalesced", "without"])
async def test_twins_in_one_process_share_a_claim_and_its_answer(
    open_office: Open, ways: Callable[[Provider, Ledger, Terms], Dispatcher], *, together: bool
) -> None:
    office = await open_office(ways=ways)
    office.fail(SLOW)
    await office.ask(ERID, [JOHN] * 3)
    await office.finished(3)
    assert (twins_are_one_claim(office, 1) == []) is together
    assert {one.source for one in await office.results()} == {"", "coalesced" if together else "answer_store"}
    assert violations(await office.books()) == {}, "the unique key stands behind it"


# ---- a charge stands on one receipt ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decides", "wrong"),
    [(True, set()), (False, {"receipts_are_charged"})],
    ids=["decided by its row", "without"],
)
async def test_a_charge_stands_on_one_receipt_whoever_believes_it_is_theirs(
    open_office: Open, monkeypatch: pytest.MonkeyPatch, *, decides: bool, wrong: set[str]
) -> None:
    office = await open_office()
    await office.ask(ERID, [JOHN])
    await office.finished(1)
    # As after a death between the two: the charge is on no receipt yet, and two contacts are told that it is theirs.
    await office.execute("delete from contact")
    await office.execute("update call set receipted = false")
    if not decides:
        take = store_receipts._SQL["take_charges"].replace("and not c.receipted", "")
        monkeypatch.setitem(store_receipts._SQL, "take_charges", take)
        answers = store_ledger._SQL["fresh_answers"].replace("and not c.receipted", "")
        monkeypatch.setitem(store_ledger._SQL, "fresh_answers", answers)
    for finished in (2, 3):
        await office.ask(ERID, [JOHN])
        await office.finished(finished)
    assert violations(await office.books()).keys() == wrong
