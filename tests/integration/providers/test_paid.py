"""Paid providers on a real Postgres and a real sandbox: asked once, settled with what was found, billed as charged."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import pytest

from des.contact import Contact, FieldState
from des.errors import CommitUnknown
from des.ledger import CallState, Claim, Decision, Ledger
from des.options import Options
from des.providers.contract import Provider, UnknownPolicy
from des.providers.names import person_key
from des.providers.paying import Terms
from des.sandbox.faults import Fault, FaultPlan, Latency
from des.sandbox.server import Sandbox
from des.store.ledger import Cap, Caps
from des.store.postgres import Database
from des.store.serving import EnrichmentStore
from des.testing.sandbox import sandbox_thread
from des.wire import decode_contacts
from tests.faults.money_books import AT_REST, Books, bills_are_charged, receipts_are_charged, violations
from tests.faults.money_buyers import people_of
from tests.faults.money_office import PEOPLE, SEED, Office, apollo, hunter, known_to, pdl, plain_ledger

JOHN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
LOUD = Contact(first_name="JOHN", last_name="DOE", company_domain="SayPrimer.com")
ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
CREDIT = 1_000_000
SLOW = FaultPlan(latency=Latency(mean_s=0.5))
LOST = FaultPlan(rates={Fault.RESET_AFTER: 1.0})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that nobody has called."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


class Offices:
    """Workers of one database, one after the other: each has a later epoch than the one before."""

    def __init__(self, database: Database, sandbox: Sandbox) -> None:
        self._database, self._sandbox = database, sandbox
        self._epoch = 0

    @asynccontextmanager
    async def open(
        self,
        vendor: Callable[[Sandbox], Provider],
        ledger: Callable[[Database, UUID], Ledger] = plain_ledger,
        unknown: UnknownPolicy = UnknownPolicy.HOLD,
    ) -> AsyncIterator[Office]:
        self._epoch += 1
        office = Office(
            self._database,
            self._sandbox,
            vendor(self._sandbox),
            ledger,
            terms=Terms(0.05, unknown=unknown),
            epoch=self._epoch,
        )
        await office.start()
        try:
            yield office
        finally:
            await office.stop()


@pytest.fixture
def offices(database: Database, sandbox: Sandbox) -> Offices:
    """No worker yet."""
    return Offices(database, sandbox)


def bill(books: Books) -> tuple[int, int]:
    """Questions the vendor has answered, and what it keeps for them, in credits."""
    return sum(one.calls for one in books.bills.values()), books.billed // CREDIT


async def test_the_same_question_asked_at_once_is_one_call(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        office.fail(SLOW)
        await office.ask(ERID, [JOHN, LOUD])
        await office.ask(OTHER_ERID, [JOHN])
        await office.finished(3)
        results, books = await office.results(), await office.books()
    assert bill(books) == (1, 1)
    assert office.ledger.claims == 1
    assert sorted((one.source, one.cost, one.saved) for one in results) == [
        ("", 1.0, 0.0), ("coalesced", 0.0, 1.0), ("coalesced", 0.0, 1.0)
    ]  # fmt: skip
    assert {one.value for one in results} == {"john.doe@sayprimer.com"}
    assert violations(books) == {}


async def test_what_was_answered_is_not_asked_again(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
    async with offices.open(hunter) as successor:
        await successor.ask(OTHER_ERID, [JOHN])
        await successor.finished(1)
        results, books = await successor.results(), await successor.books()
        saved = await successor.value("select sum(saved)::int from budget where scope = 'erid'")
    assert [(one.source, one.cost, one.saved) for one in results] == [("", 1.0, 0.0), ("answer_store", 0.0, 1.0)]
    assert (bill(books), saved) == ((1, 1), CREDIT)
    assert violations(books) == {}


class Gated:
    """A ledger that decides on nothing while the gate is shut."""

    def __init__(self, gate: asyncio.Event, database: Database, owner: UUID) -> None:
        self._ledger = plain_ledger(database, owner)
        self._gate = gate

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        await self._gate.wait()
        return await self._ledger.claim(claims)


async def test_an_erid_that_wants_it_new_pays_again_and_the_others_have_it(
    database: Database, offices: Offices
) -> None:
    """Two objects that ask together, of which one takes what is kept: neither decides for the other."""
    third, gate = UUID(int=3), asyncio.Event()
    gate.set()
    await EnrichmentStore(database, decode_contacts).create("default", OTHER_ERID, Options(max_age_s=0.0))
    async with offices.open(pdl, partial(Gated, gate)) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        await office.execute("update answer set answered_at = now() - interval '1 day'")
        gate.clear()
        await office.ask(ERID, known_to("pdl", 2)[1:])
        await office.holds(lambda: office.dispatcher.waiting == 0)
        await office.ask(third, [JOHN])
        await office.ask(OTHER_ERID, [JOHN, LOUD])
        await office.holds(lambda: office.dispatcher.waiting == 3)
        gate.set()
        await office.finished(5)
        results, books = await office.results(), await office.books()
        oldest_s = await office.value("select max(extract(epoch from now() - answered_at))::int from answer")
    assert sorted(one.source for one in results) == ["", "", "", "answer_store", "coalesced"]
    assert [one.source for one in results[2:4]] == ["", "coalesced"], "the two of the demanding one"
    assert sum(one.cost for one in results) == 3.0
    assert oldest_s < 60, "the newer answer has replaced the older one"
    assert bill(books) == (3, 3)
    assert violations(books).keys() == {"nobody_is_paid_for_twice"}, "as it was asked for, and nothing else"


async def test_a_miss_is_kept_too_and_costs_nothing(offices: Offices) -> None:
    nobody = Contact(first_name="Nobody", last_name="Nemo", company_domain="sayprimer.com")
    async with offices.open(hunter) as office:
        for erid in (ERID, OTHER_ERID):
            await office.ask(erid, [nobody])
        await office.finished(2)
        results, books = await office.results(), await office.books()
    assert [one.state for one in results] == [FieldState.NOT_FOUND] * 2
    assert bill(books) == (1, 0)
    assert violations(books) == {}


async def test_where_the_cap_leaves_no_room_it_ends_over_budget(offices: Offices) -> None:
    ledger = partial(plain_ledger, caps=Caps(providers={"hunter": Cap(credits=2 * CREDIT)}))
    async with offices.open(hunter, ledger) as office:
        await office.ask(ERID, known_to("hunter", 6))
        await office.finished(6)
        results, books = await office.results(), await office.books(cap=2.0)
    states = [(one.state, one.reason) for one in results]
    assert states.count((FieldState.FOUND, "")) == 2
    assert states.count((FieldState.OVER_BUDGET, "CAP_OF_PROVIDER")) == 4
    assert bill(books) == (2, 2)
    assert violations(books) == {}


async def test_what_failed_is_released_and_asked_again_and_charged_once(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        office.fail(FaultPlan(rates={Fault.SERVER_ERROR: 1.0}))
        await office.ask(ERID, [JOHN])
        await office.fetched("select count(*) > 0 from call where state = 'released'", expected=True)
        office.fail(FaultPlan())
        await office.finished(1)
        books = await office.books()
    assert bill(books) == (1, 1)
    assert sorted({call.state for call in books.calls}) == [CallState.RELEASED, CallState.SETTLED]
    assert violations(books) == {}


async def test_without_an_answer_it_is_held_and_listed_and_not_asked_again(offices: Offices) -> None:
    async with offices.open(pdl) as office:
        office.fail(LOST)
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        office.fail(FaultPlan())
        await office.ask(OTHER_ERID, [JOHN])
        await office.finished(2)
        results, books = await office.results(), await office.books()
    (held,) = books.unknown
    assert [one.state for one in results] == [FieldState.FAILED] * 2
    assert all(f"CALL_WITHOUT_ANSWER {held.id}" in one.reason for one in results)
    assert bill(books) == (1, 1)
    assert (books.charged, held.reserved) == (0, CREDIT), "what may have been charged stays reserved"
    assert violations(books) == {}


@pytest.mark.parametrize(
    ("vendor", "policy", "state", "asked"),
    [
        (hunter, UnknownPolicy.HOLD, FieldState.FOUND, (2, 1)),
        (pdl, UnknownPolicy.SKIP, FieldState.NOT_FOUND, (1, 1)),
        (pdl, UnknownPolicy.RETRY, FieldState.FOUND, (2, 2)),
    ],
    ids=["replay is free", "skip", "retry"],
)
async def test_an_unknown_call_ends_by_its_policy(
    offices: Offices,
    vendor: Callable[[Sandbox], Provider],
    policy: UnknownPolicy,
    state: FieldState,
    asked: tuple[int, int],
) -> None:
    async with offices.open(vendor) as office:
        office.fail(LOST)
        await office.ask(ERID, [JOHN])
        await office.fetched("select count(*) from call where state = 'unknown'", expected=1)
        office.fail(FaultPlan())
    async with offices.open(vendor, unknown=policy) as successor:
        await successor.ask(OTHER_ERID, [JOHN])
        await successor.fetched("select count(*) from contact where erid = $1", 1, OTHER_ERID)
        results = await successor.results()
        books = await successor.books(price=2.0)
    assert results[-1].state is state
    assert bill(books) == asked
    assert (books.charged == books.billed) is (policy is not UnknownPolicy.SKIP), "what is paid again counts twice"
    assert violations(books, [check for check in AT_REST if check is not receipts_are_charged]) == {}


async def test_a_replay_that_fails_releases_nothing_since_the_first_call_may_have_been_charged(
    offices: Offices,
) -> None:
    async with offices.open(hunter) as office:
        office.fail(LOST)
        await office.ask(ERID, [JOHN])
        await office.fetched("select count(*) from call where state = 'unknown'", expected=1)
    async with offices.open(hunter) as successor:
        successor.fail(FaultPlan(rates={Fault.SERVER_ERROR: 1.0}))
        await successor.ask(OTHER_ERID, [JOHN])
        await successor.fetched("select count(*) from call where outcome = 'transient'", expected=1)
        books = await successor.books()
        assert bill(books)[1] == 1
        (call,) = books.calls
        assert call.state in {CallState.UNKNOWN, CallState.CLAIMED}, "it is open, and at its next try by now at most"
        assert call.reserved == CREDIT
        successor.fail(FaultPlan())
        await successor.finished(2)
        paid, spared = await successor.results()
        books = await successor.books()
    assert (books.charged, books.billed) == (CREDIT, CREDIT)
    assert (paid.cost, spared.cost, spared.saved) == (1.0, 0.0, 1.0), "whose call it was, whoever has sent it again"
    assert violations(books) == {}


async def test_what_was_sent_for_a_dead_aggregator_is_settled(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        office.fail(SLOW)
        await office.ask(ERID, [JOHN])
        await office.fetched("select count(*) from call where state = 'claimed'", expected=1)
        office.lose_leases()
        await office.fetched("select count(*) from call where state = 'settled'", expected=1)
        office.take_leases()
        await office.finished(1)
        (result,), books = await office.results(), await office.books()
    assert (result.state, result.source, result.cost) == (FieldState.FOUND, "", 1.0), (
        "its receipt is the first to show it"
    )
    assert bill(books) == (1, 1)
    assert violations(books) == {}


async def test_an_aggregator_that_is_rebuilt_while_its_call_is_out_has_the_receipt(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        office.fail(SLOW)
        await office.ask(ERID, [JOHN])
        await office.holds(lambda: office.dispatcher.in_flight == 1)
        office.lose_leases()
        office.take_leases()
        await office.finished(1)
        (result,), books = await office.results(), await office.books()
        saved = await office.value("select sum(saved)::int from budget")
    assert (result.state, result.cost, result.saved, saved) == (FieldState.FOUND, 1.0, 0.0, 0)
    assert bill(books) == (1, 1)
    assert violations(books) == {}


async def test_what_a_miss_has_cost_stands_on_the_attempt(offices: Offices) -> None:
    people = list({person_key(one): one for one in people_of(PEOPLE)}.values())[:12]
    pending = "select count(*) > 0 and bool_and(state <> 'claimed') from call"
    async with offices.open(apollo) as office:
        await office.ask(ERID, people, ("phone_number",))
        await office.fetched(pending, expected=True)
    async with offices.open(apollo) as successor:
        await successor.ask(OTHER_ERID, people, ("phone_number",))
        await successor.fetched("select count(*) from contact", 2 * len(people))
        results, books = await successor.results("phone_number"), await successor.books(price=9.0)
    attempts = [one for result in results for one in result.attempts]
    paid = [one for one in attempts if one.cost]
    spared = [one for one in attempts if one.saved]
    assert {(one.outcome, one.cost) for one in paid} == {("miss", 1.0)}, "a profile, and no number in it"
    assert [one.saved for one in spared] == [1.0] * len(paid)
    assert violations(books, [check for check in AT_REST if check is not bills_are_charged]) == {}


async def test_a_handle_outlives_its_worker_and_is_settled_once(offices: Offices) -> None:
    fields = ("professional_email", "phone_number")
    async with offices.open(apollo) as office:
        await office.ask(ERID, [JOHN], fields)
        await office.fetched("select count(*) from call where state = 'pending'", expected=1)
    async with offices.open(apollo) as successor:
        await successor.ask(OTHER_ERID, [JOHN], fields)
        await successor.finished(2)
        emails, phones = await successor.results(), await successor.results("phone_number")
        books = await successor.books(price=9.0)
    assert {one.value for one in phones} == {"+14155550132"}
    assert {one.value for one in emails} == {"john.doe@sayprimer.com"}
    assert books.billed == books.charged == sum(one.cost for one in books.receipts) == 9 * CREDIT
    assert [call.state for call in books.calls] == [CallState.SETTLED]
    assert violations(books) == {}


async def test_what_cannot_be_asked_costs_nothing(offices: Offices) -> None:
    async with offices.open(hunter) as office:
        await office.ask(ERID, [Contact(first_name="John", last_name="Doe")])
        await office.finished(1)
        (result,), books = await office.results(), await office.books()
    assert result.state is FieldState.NOT_FOUND
    assert bill(books) == (0, 0)
    assert [call.state for call in books.calls] == [CallState.RELEASED]
    assert violations(books) == {}


class LosesOneReply:
    """A ledger whose first claims land while their reply is lost."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self._ledger = plain_ledger(database, owner)
        self._lost = False

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        decisions = await self._ledger.claim(claims)
        if not self._lost:
            self._lost = True
            raise CommitUnknown("the reply was lost")
        return decisions


async def test_a_claim_whose_reply_was_lost_is_made_again_and_sent_once(offices: Offices) -> None:
    async with offices.open(hunter, LosesOneReply) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        (result,), books = await office.results(), await office.books()
    assert result.state is FieldState.FOUND
    assert bill(books) == (1, 1)
    assert [call.state for call in books.calls] == [CallState.SETTLED]
    assert violations(books) == {}
