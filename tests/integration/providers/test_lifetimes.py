"""How long what a vendor said, or failed to say, is used: found, missed, failed, and what is better than nothing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from des.clock import SystemClock
from des.config_providers import HunterConfig
from des.contact import Contact, FieldResult, FieldState
from des.options import Options
from des.providers.contract import Provider
from des.providers.dialects.hunter import Hunter
from des.providers.paying import Terms
from des.providers.values import Values
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.server import Sandbox
from des.store.postgres import Database
from des.store.serving import EnrichmentStore
from des.testing.sandbox import sandbox_thread
from des.wire import decode_contacts
from tests.faults.money_books import violations
from tests.faults.money_office import PEOPLE, SEED, Office, plain_ledger

JOHN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
NOBODY = Contact(first_name="Nobody", last_name="Nemo", company_domain="sayprimer.com")
DAY_S = 86_400.0
DOWN = FaultPlan(rates={Fault.SERVER_ERROR: 1.0})
ERID, OTHER_ERID, THIRD_ERID = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that nobody has called."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


def once(sandbox: Sandbox) -> Provider:
    """A vendor that is asked once, and has failed for good where that fails."""
    config = {"kind": "hunter", "url": sandbox.url, "api_key": "k", "rate": (), "attempts_max": 1}
    return Hunter("hunter", HunterConfig.model_validate(config), Values(), SystemClock())


class Buyer:
    """Somebody who asks about one person, for one ERID after another."""

    def __init__(self, database: Database, sandbox: Sandbox) -> None:
        self._database, self._sandbox = database, sandbox
        self.office: Office

    @asynccontextmanager
    async def open(self, *, transient_s: float = 60.0, stale_s: float = 0.0) -> AsyncIterator["Buyer"]:
        terms = Terms(0.05, transient_s=transient_s, stale_s=stale_s)
        self.office = Office(self._database, self._sandbox, once(self._sandbox), plain_ledger, terms=terms)
        await self.office.start()
        try:
            yield self
        finally:
            await self.office.stop()

    async def demand(self, erid: UUID, max_age_s: float) -> None:
        """Have an ERID take nothing older than that."""
        await EnrichmentStore(self._database, decode_contacts).create("default", erid, Options(max_age_s=max_age_s))

    async def ask(self, erid: UUID, person: Contact = JOHN) -> FieldResult:
        """Ask, and answer the receipt."""
        await self.office.ask(erid, [person])
        await self.office.finished(self.office.committed + 1)
        return (await self.office.results())[-1]

    async def age(self, days: float, expired_days: float) -> None:
        """Have what was answered be so old, and not be believed any more for so long."""
        await self.office.execute(
            "update answer set answered_at = now() - make_interval(secs => $1),"
            " expires_at = now() - make_interval(secs => $2)",
            days * DAY_S,
            expired_days * DAY_S,
        )


@pytest.fixture
def buyer(database: Database, sandbox: Sandbox) -> Buyer:
    """One who has asked nothing."""
    return Buyer(database, sandbox)


async def test_what_has_failed_for_good_is_not_asked_again_for_a_while(buyer: Buyer) -> None:
    async with buyer.open():
        buyer.office.fail(DOWN)
        first = await buyer.ask(ERID)
        buyer.office.fail(FaultPlan())
        second = await buyer.ask(OTHER_ERID)
        calls = await buyer.office.value("select count(*) from call")
        await buyer.office.execute("update answer set failed_until = now()")
        third = await buyer.ask(THIRD_ERID)
        books = await buyer.office.books()
    assert (first.state, first.reason) == (second.state, second.reason) == (FieldState.FAILED, "TRANSIENT: HTTP_500")
    assert calls == 1, "the second is answered by what the first has met"
    assert (third.state, third.cost) == (FieldState.FOUND, 1.0)
    assert violations(books) == {}


async def test_where_nothing_is_remembered_it_is_asked_at_once(buyer: Buyer) -> None:
    async with buyer.open(transient_s=0.0):
        buyer.office.fail(DOWN)
        await buyer.ask(ERID)
        buyer.office.fail(FaultPlan())
        assert (await buyer.ask(OTHER_ERID)).state is FieldState.FOUND


async def test_an_old_answer_is_better_than_none_where_the_vendor_fails_and_says_so(buyer: Buyer) -> None:
    async with buyer.open(stale_s=5 * DAY_S):
        await buyer.ask(ERID)
        await buyer.age(12, 3)
        buyer.office.fail(DOWN)
        met, remembered = await buyer.ask(OTHER_ERID), await buyer.ask(THIRD_ERID)
        states = await buyer.office.value("select array_agg(state order by claimed_at) from call")
        saved = await buyer.office.value("select sum(saved)::int from budget where scope = 'erid'")
        buyer.office.fail(FaultPlan())
        await buyer.office.execute("update answer set failed_until = now()")
        again = await buyer.ask(UUID(int=4))
        books = await buyer.office.books()
    for stale in (met, remembered):
        assert (stale.state, stale.value, stale.source) == (FieldState.FOUND, "john.doe@sayprimer.com", "answer_store")
        assert stale.evidence == "stale: answered 12 days ago, hunter unavailable"
        assert (stale.cost, stale.saved) == (0.0, 1.0)
    assert states == ["settled", "released"], "asked once more, and not a second time while that is remembered"
    assert saved == 2_000_000
    assert (again.source, again.cost) == ("", 1.0), "it is asked again as soon as it can be"
    assert violations(books).keys() <= {"bills_are_charged"}, "the vendor gives the second away"


@pytest.mark.parametrize(
    ("stale_s", "expired_days", "max_age_s", "person"),
    [
        (0.0, 3, None, JOHN),
        (2 * DAY_S, 3, None, JOHN),
        (5 * DAY_S, 3, 11 * DAY_S, JOHN),
        (5 * DAY_S, 3, None, NOBODY),
    ],
    ids=["not asked for", "too long ago", "older than the ERID wants", "a miss"],
)
async def test_what_may_not_be_used_is_not(
    buyer: Buyer, stale_s: float, expired_days: float, max_age_s: float | None, person: Contact
) -> None:
    async with buyer.open(stale_s=stale_s):
        await buyer.ask(ERID, person)
        await buyer.age(12, expired_days)
        if max_age_s is not None:
            await buyer.demand(OTHER_ERID, max_age_s)
        buyer.office.fail(DOWN)
        failed = await buyer.ask(OTHER_ERID, person)
    assert (failed.state, failed.reason) == (FieldState.FAILED, "TRANSIENT: HTTP_500"), "an error is never a miss"


async def test_a_failure_takes_nothing_from_what_was_answered(buyer: Buyer) -> None:
    async with buyer.open():
        await buyer.ask(ERID)
        await buyer.demand(OTHER_ERID, 0.0)
        buyer.office.fail(DOWN)
        failed, kept = await buyer.ask(OTHER_ERID), await buyer.ask(THIRD_ERID)
    assert (failed.state, kept.state, kept.source) == (FieldState.FAILED, FieldState.FOUND, "answer_store")


async def test_each_kind_of_answer_has_a_lifetime_of_its_own(buyer: Buyer) -> None:
    seconds = "select extract(epoch from expires_at - answered_at)::int from answer where outcome = $1"
    async with buyer.open(transient_s=90.0):
        await buyer.ask(ERID)
        await buyer.ask(ERID, NOBODY)
        buyer.office.fail(DOWN)
        await buyer.ask(ERID, Contact(first_name="Jane", last_name="Roe", company_domain="sayprimer.com"))
        assert await buyer.office.value(seconds, "found") == 90 * DAY_S
        assert await buyer.office.value(seconds, "miss") == 30 * DAY_S
        failing = "select extract(epoch from failed_until - answered_at)::int from answer where outcome = 'transient'"
        assert await buyer.office.value(failing) == 90
