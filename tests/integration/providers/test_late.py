"""Answers that come when nobody waits any more: a new revision of the contact and of its object, at no new charge."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from des.clock import SystemClock
from des.contact import Contact, FieldState
from des.providers.contract import Outcome, OutcomeKind, Provider, Question, Traits
from des.providers.late import LateAnswers
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.sandbox.server import Sandbox
from des.store.audit import audit
from des.store.jobs import PostgresJobs
from des.store.notices import Notices
from des.store.postgres import Database
from des.store.serving import EnrichmentStore
from des.testing.sandbox import sandbox_thread
from des.wire import decode_contacts
from tests.faults.money_books import violations
from tests.faults.money_office import PEOPLE, SEED, Office, fullenrich, plain_ledger

JOHN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
NEMO = Contact(first_name="Nemo", last_name="Outis", company_domain="sayprimer.com")
ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
CREDIT = 1_000_000
LOOK_S = 0.05
SOON_S = 0.4
NEVER_S = 60.0


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that takes longer than a contact waits."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        thread.sandbox.desk.books["fullenrich"].ready_after_s = SOON_S
        yield thread.sandbox


class Waiting:
    """Workers of one database whose contacts wait a moment only, one after the other."""

    def __init__(self, database: Database, sandbox: Sandbox) -> None:
        self.database, self.sandbox = database, sandbox
        self.epoch = 0

    @asynccontextmanager
    async def office(
        self, provider: Provider | None = None, *, wait_s: float = 0.1, look_s: float = LOOK_S
    ) -> AsyncIterator[Office]:
        self.epoch += 1
        office = Office(
            self.database,
            self.sandbox,
            provider or fullenrich(self.sandbox),
            plain_ledger,
            terms=Terms(0.05, wait_s=wait_s),
            epoch=self.epoch,
        )
        assert isinstance(office.dispatcher, PaidDispatcher)
        jobs = PostgresJobs(self.database, office.owner)
        late = LateAnswers([office.dispatcher], jobs, SystemClock(), look_s)
        notices = Notices(
            self.database,
            SystemClock(),
            on_partition=office.engine.recovery.dirty,
            on_cancelled=lambda tenant, erid: office.engine.router.cancel((tenant, erid)),
            on_delivered=late.delivered,
            on_directory=lambda _: None,
            on_resumed=lambda: None,
        )
        await office.start()
        await notices.start()
        await late.start()
        try:
            yield office
        finally:
            await late.stop()
            await notices.stop()
            await office.stop()


@pytest.fixture
def waiting(database: Database, sandbox: Sandbox) -> Waiting:
    return Waiting(database, sandbox)


async def again(office: Office, contacts: int) -> None:
    """Wait until so many contacts have ended once more."""
    await office.fetched("select count(*) from contact where revision = 2 and not reopened", contacts)


async def agrees(office: Office) -> None:
    """Fail where the bill, the ledger and the receipts differ."""
    books = await office.books(price=1.0)
    assert violations(books) == {}
    report = await audit(office.database, billed={"fullenrich": books.billed})
    assert (report.differences, report.without_receipt) == ([], [])


async def test_what_comes_after_its_contact_has_ended_is_a_new_revision_at_no_new_charge(waiting: Waiting) -> None:
    async with waiting.office() as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        (ended,) = await office.results()
        pending = await office.value("select id from call where state = 'pending'")
        assert (ended.state, ended.call_id) == (FieldState.FAILED, pending)
        assert ended.reason == f"PENDING: STILL_WAITING {pending}"
        await EnrichmentStore(office.database, decode_contacts).seal("default", ERID)
        assert await office.value("select completed from enrichment")
        await again(office, 1)
        (found,) = await office.results()
        assert (found.state, found.value, found.cost) == (FieldState.FOUND, "john.doe@sayprimer.com", 1.0)
        assert await office.value("select revision from contact") == 2
        assert await office.value(
            "select (completed, revision, fields_failed, fields_found)::text from enrichment"
        ) == ("(t,3,0,1)")
        kinds = "select array_agg(type order by seq) from outbox where type like '%completed' or type like '%settled'"
        settled, completed = "des.enrichment.settled", "des.enrichment.completed"
        assert await office.value(kinds) == [settled, completed, settled, completed]
        assert await office.value("select count(*) from awaiting") == 0
        assert sum(bill.calls for bill in (await office.books()).bills.values()) == 1
        await agrees(office)


async def test_a_late_miss_moves_the_waterfall_on(waiting: Waiting) -> None:
    async with waiting.office() as office:
        await office.ask(ERID, [NEMO])
        await again(office, 1)
        (result,) = await office.results()
        assert result.state is FieldState.NOT_FOUND
        assert [(one.provider, one.outcome) for one in result.attempts] == [("fullenrich", "miss")]
        await agrees(office)


async def test_every_enrichment_that_had_waited_has_it_and_one_of_them_has_paid(waiting: Waiting) -> None:
    async with waiting.office() as office:
        await office.ask(ERID, [JOHN])
        await office.ask(OTHER_ERID, [JOHN])
        await again(office, 2)
        first, second = await office.results()
        assert sorted((one.cost, one.saved) for one in (first, second)) == [(0.0, 1.0), (1.0, 0.0)]
        await agrees(office)


async def test_another_worker_finds_what_nobody_waits_for(waiting: Waiting) -> None:
    async with waiting.office(look_s=NEVER_S) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
    async with waiting.office() as successor:
        await again(successor, 1)
        successor._people.append(JOHN)
        (result,) = await successor.results()
        assert result.state is FieldState.FOUND
        await agrees(successor)


async def test_who_failed_for_a_call_has_its_answer_when_another_enrichment_gets_it(waiting: Waiting) -> None:
    async with waiting.office(look_s=NEVER_S) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        await office.holds(lambda: office.sandbox.desk.books["fullenrich"].charged == 1.0)
        # What a vendor says may be lost for good: then the question is asked again by whoever comes next.
        await office.execute("update call set state = 'unknown', claimed_at = now() - interval '2 hours', handle = ''")
    async with waiting.office(wait_s=NEVER_S) as successor:
        successor._people.append(JOHN)
        await successor.ask(OTHER_ERID, [JOHN])
        await again(successor, 1)
        first, second = await successor.results()
        assert (first.state, first.cost, first.saved) == (FieldState.FOUND, 1.0, 0.0), "whose call it was"
        assert (second.state, second.cost, second.saved) == (FieldState.FOUND, 0.0, 1.0)
        await agrees(successor)


async def test_a_cancelled_enrichment_is_left_as_it_ended_and_its_call_is_settled(waiting: Waiting) -> None:
    async with waiting.office() as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        await EnrichmentStore(office.database, decode_contacts).cancel("default", ERID)
        await office.fetched("select state from call", "settled")
        assert await office.value("select count(*) from awaiting") == 0
        (result,) = await office.results()
        assert result.state is FieldState.FAILED
        report = await audit(office.database)
        assert report.agree
        assert [(one.charged, "cancelled" in one.why) for one in report.without_receipt] == [(CREDIT, True)]


async def test_who_waits_long_enough_has_it_at_once(waiting: Waiting) -> None:
    async with waiting.office(wait_s=NEVER_S) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        (result,) = await office.results()
        assert result.state is FieldState.FOUND
        assert await office.value("select revision from contact") == 1
        await agrees(office)


class Takes:
    """A vendor that takes a question, and says when it is looked for that the credits are gone."""

    def __init__(self, *, charged_when_sent: bool) -> None:
        self.traits = Traits(
            "takes",
            frozenset({"professional_email"}),
            paid=True,
            prices={"professional_email": 1.0},
            charged_when_sent=charged_when_sent,
        )

    async def start(self) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Take them."""
        return [Outcome(OutcomeKind.PENDING, handle="job", poll_at=0.0)] * len(questions)

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """Nothing is found of them."""
        return [Outcome(OutcomeKind.QUOTA_EXHAUSTED)] * len(handles)


@pytest.mark.parametrize(("charged_when_sent", "state"), [(True, "unknown"), (False, "released")])
async def test_a_job_that_ends_without_an_answer_is_released_unless_it_was_charged_when_it_was_sent(
    waiting: Waiting, *, charged_when_sent: bool, state: str
) -> None:
    async with waiting.office(Takes(charged_when_sent=charged_when_sent), wait_s=NEVER_S, look_s=NEVER_S) as office:
        await office.ask(ERID, [JOHN])
        await office.fetched("select state from call where outcome = 'quota_exhausted'", state)
        assert await office.value("select reserved from budget where scope = 'tenant'") == (
            CREDIT if charged_when_sent else 0
        )


async def test_a_cancel_ends_what_is_answered_later_and_others_wait_on(waiting: Waiting, sandbox: Sandbox) -> None:
    """Of two enrichments that wait for one job the one is cancelled, and the job answers the other."""
    sandbox.desk.books["fullenrich"].ready_after_s = 3_600.0
    async with waiting.office(wait_s=NEVER_S) as office:
        await office.ask(ERID, [JOHN])
        await office.fetched("select count(*)::int from call where state = 'pending'", 1)
        await office.ask(OTHER_ERID, [JOHN])
        await office.holds(lambda: office.dispatcher.waiting == 0)
        await EnrichmentStore(office.database, decode_contacts).cancel("default", ERID)
        await office.finished(1)
        (cancelled,) = await office.results()
        assert (cancelled.state, cancelled.reason) == (FieldState.CANCELLED, "CANCELLED")
        await office.execute(
            "insert into delivery (provider, handle, outcome) select provider, handle, $1::jsonb from call",
            '{"kind": "found", "values": {"professional_email": {"value": "john.doe@sayprimer.com"}}, "cost": 1}',
        )
        await office.execute("select pg_notify('des_delivered', 'fullenrich')")
        await office.finished(2)
        _, found = await office.results()
        assert (found.state, found.value) == (FieldState.FOUND, "john.doe@sayprimer.com")
        assert await office.value("select charged::int from call") == CREDIT
