"""Caps of ERIDs on a real Postgres and a real sandbox: met and never passed; raised, only what was over goes on."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import pytest

from des.clock import SystemClock
from des.contact import Contact, FieldResult, FieldState
from des.ledger import Amount, Ledger
from des.limits import PARTITIONS
from des.options import Budget, Options
from des.providers.names import person_key
from des.providers.paying import Terms
from des.sandbox.faults import Fault, FaultPlan, Latency
from des.sandbox.server import Sandbox
from des.store.contract import CommitUnit
from des.store.ledger import Cap, Caps
from des.store.notices import Notices
from des.store.postgres import Database
from des.store.reading import EnrichmentState
from des.store.serving import EnrichmentStore
from des.testing.sandbox import sandbox_thread
from des.wire import decode_contacts
from tests.faults.money_books import ALWAYS, Books, violations
from tests.faults.money_office import PEOPLE, SEED, Office, _batch, known_to, pdl, plain_ledger

ERID = UUID(int=1)
CREDIT = 1_000_000
EMAIL = "professional_email"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor that nobody has called."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


class Desk:
    """A caller of one ERID with a cap, and the workers that come and go."""

    def __init__(self, database: Database, sandbox: Sandbox) -> None:
        self.database, self.sandbox = database, sandbox
        self.store = EnrichmentStore(database, decode_contacts)
        self.epoch = 0

    async def open(self, cap: float) -> None:
        await self.store.create("default", ERID, Options(budget=Budget(cap)))

    @asynccontextmanager
    async def office(self, ledger: Callable[[Database, UUID], Ledger] = plain_ledger) -> AsyncIterator[Office]:
        self.epoch += 1
        office = Office(self.database, self.sandbox, pdl(self.sandbox), ledger, terms=Terms(0.05), epoch=self.epoch)
        notices = Notices(
            self.database,
            SystemClock(),
            on_partition=office.engine.recovery.dirty,
            on_cancelled=lambda tenant, erid: office.engine.router.cancel((tenant, erid)),
            on_delivered=lambda _: None,
            on_directory=lambda _: None,
            on_resumed=lambda: None,
        )
        office._people += known_to(office.traits.name, PEOPLE)  # an earlier worker may have asked for any of them
        await office.start()
        await notices.start()
        try:
            yield office
        finally:
            await notices.stop()
            await office.stop()

    async def raise_to(self, cap: float | None) -> int:
        return (await self.store.update("default", ERID, {"budget.credits": cap}))[1]

    async def settled(self, office: Office) -> None:
        await office.fetched("select contacts > 0 and contacts_done = contacts from enrichment", expected=True)

    async def states(self) -> Counter[FieldState]:
        return Counter(result.state for result in await self.results())

    async def results(self) -> list[FieldResult]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("select fields from contact order by erid, batch_id, position")
        return [msgspec.json.decode(row["fields"], type=dict[str, FieldResult])[EMAIL] for row in rows]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query)]


@pytest.fixture
def desk(database: Database, sandbox: Sandbox) -> Desk:
    """A caller who has not opened the ERID yet."""
    return Desk(database, sandbox)


def people_known(people: int) -> list[Contact]:
    """So many people whom the vendor knows, none of them twice."""
    return list({person_key(one): one for one in known_to("pdl", 4 * people)}.values())[:people]


def calls(books: Books) -> int:
    return sum(bill.calls for bill in books.bills.values())


async def test_what_meets_the_cap_ends_over_budget_and_a_raised_cap_resumes_that_alone(desk: Desk) -> None:
    await desk.open(2)
    async with desk.office() as office:
        await office.ask(ERID, people_known(6))
        await desk.settled(office)
        first = await desk.results()
        assert await desk.states() == {FieldState.FOUND: 2, FieldState.OVER_BUDGET: 4}
        assert {one.reason for one in first if one.state is FieldState.OVER_BUDGET} == {"CAP_OF_ERID"}
        assert await desk.raise_to(5) == 4
        await desk.settled(office)
        assert await desk.states() == {FieldState.FOUND: 5, FieldState.OVER_BUDGET: 1}
        assert await desk.raise_to(None) == 1
        await desk.settled(office)
        last, books = await desk.results(), await office.books()
    assert {one.state for one in last} == {FieldState.FOUND}
    assert [after for before, after in zip(first, last, strict=True) if before.state is FieldState.FOUND] == [
        before for before in first if before.state is FieldState.FOUND
    ], "what was found stays, receipt and all"
    assert calls(books) == 6, "nobody is asked about twice"
    assert violations(books) == {}
    revisions = await desk.rows("select revision, count(*) from contact group by 1 order by 1")
    assert revisions == [(1, 2), (2, 3), (3, 1)]


async def test_progress_stays_exact_while_it_is_resumed(desk: Desk) -> None:
    await desk.open(2)
    async with desk.office() as office:
        await office.ask(ERID, people_known(6))
        await desk.settled(office)
    settled = await desk.store.enrichment("default", ERID)
    assert (settled.progress.contacts_done, settled.progress.batches_done, settled.revision) == (6, 1, 1)
    assert settled.spend.spent == Amount(2 * CREDIT, CREDIT // 10)
    await desk.store.seal("default", ERID)
    assert await desk.raise_to(10) == 4
    reopened = await desk.store.enrichment("default", ERID)
    assert (reopened.state, reopened.progress.contacts_done, reopened.progress.batches_done) == (
        EnrichmentState.OPEN, 2, 0,
    )  # fmt: skip
    assert (reopened.progress.fields["found"], reopened.progress.fields["over_budget"]) == (2, 0)
    page = await desk.store.page("default", ERID, None, 10)
    assert Counter(one.enriched[EMAIL].state for one in page.contacts) == {FieldState.FOUND: 2, FieldState.PENDING: 4}
    parts = await desk.store.parts("default", ERID, 0, 10)
    assert [part.contacts_done for part in parts] == [2]
    async with desk.office() as office:  # nobody was there to hear of it
        await desk.settled(office)
        assert violations(await office.books()) == {}
    again = await desk.store.enrichment("default", ERID)
    assert (again.state, again.progress.contacts_done, again.progress.batches_done) == (EnrichmentState.COMPLETED, 6, 1)
    assert (again.progress.fields["found"], again.revision) == (6, settled.revision + 2)
    types = [row[0] for row in await desk.rows("select type from outbox order by seq")]
    assert types.count("des.enrichment.settled") == 2
    assert types.count("des.enrichment.completed") == 2
    ids = await desk.rows("select id from outbox where type like 'des.enrichment.%'")
    assert len(set(ids)) == 4, "each revision is an event of its own"


async def test_a_cap_is_met_by_what_is_charged_and_not_by_calls_under_way(desk: Desk) -> None:
    """Misses are free: what was set aside for them is there for the next, and nobody ends over budget meanwhile."""
    nobody = [
        Contact(first_name="Nobody", last_name=name, company_domain="sayprimer.com") for name in ("Abe", "Bea", "Cid")
    ]
    await desk.open(1)
    async with desk.office() as office:
        office._people += nobody
        office.fail(FaultPlan(latency=Latency(mean_s=0.05)))
        await office.ask(ERID, [*nobody, *people_known(1)])
        await desk.settled(office)
        assert await desk.states() == {FieldState.NOT_FOUND: 3, FieldState.FOUND: 1}
        assert violations(await office.books()) == {}


async def test_the_budget_of_one_is_nothing_to_another_who_asks_the_same(desk: Desk) -> None:
    """Two ERIDs ask about the same people at once; the one that is first may spend nothing, and the other anything."""
    await desk.open(0)
    async with desk.office() as office:
        batches = [_batch(erid, people_known(3), [EMAIL]) for erid in (ERID, UUID(int=2))]
        office.engine.router.accepted((await office.store.accept(batches, [], range(PARTITIONS))).new)
        await office.fetched("select count(*) from enrichment where contacts_done = contacts", expected=2)
        states = [one.state for one in await desk.results()]
        assert states == [FieldState.OVER_BUDGET] * 3 + [FieldState.FOUND] * 3
        assert violations(await office.books()) == {}


async def test_an_update_that_leaves_no_more_room_resumes_nothing(desk: Desk) -> None:
    await desk.open(2)
    async with desk.office() as office:
        await office.ask(ERID, people_known(4))
        await desk.settled(office)
        for change in ({"budget.credits": 2.0}, {"budget.credits": 1.0}, {"priority": 9.0}):
            assert (await desk.store.update("default", ERID, change))[1] == 0
        assert await desk.raise_to(3) == 2
        assert await desk.raise_to(3) == 0, "an update whose reply was lost is repeated for nothing"
        await desk.settled(office)
        assert await desk.states() == {FieldState.FOUND: 3, FieldState.OVER_BUDGET: 1}
        assert violations(await office.books()) == {}


async def test_after_another_cap_was_raised_it_is_resumed_by_word(desk: Desk) -> None:
    """The cap of the tenant is a setting: that it was raised is for the caller to say."""
    capped = partial(plain_ledger, caps=Caps(tenants={"default": Cap(credits=CREDIT)}))
    async with desk.office(capped) as office:
        await office.ask(ERID, people_known(3))
        await desk.settled(office)
    assert await desk.states() == {FieldState.FOUND: 1, FieldState.OVER_BUDGET: 2}
    async with desk.office() as office:
        assert await desk.raise_to(100) == 0, "that cap was not this one"
        assert (await desk.store.update("default", ERID, {}, resume=True))[1] == 2
        assert (await desk.store.update("default", ERID, {}, resume=True))[1] == 0
        await desk.settled(office)
        assert await desk.states() == {FieldState.FOUND: 3}
        assert violations(await office.books()) == {}


async def test_what_was_decided_before_the_cap_was_raised_is_resumed_when_it_lands(desk: Desk) -> None:
    """The worker has heard `over budget`, and commits that after the update is committed."""
    await desk.open(0)
    async with desk.office() as office:
        held: list[CommitUnit] = []
        commit, let_go = office.store.commit, asyncio.Event()

        async def late(units: Any, *arguments: Any, **named: Any) -> Any:
            held.extend(units)
            await let_go.wait()
            return await commit(units, *arguments, **named)

        office.store.commit = late  # type: ignore[method-assign]  # the committer waits in the middle
        await office.ask(ERID, people_known(2))
        await office.fetched("select 1", expected=1)
        async with asyncio.timeout(10):
            while not held:
                await SystemClock().sleep(0.01)
        assert await desk.raise_to(5) == 0, "nothing has landed that could be resumed"
        let_go.set()
        await desk.settled(office)
        await office.fetched("select fields_found from enrichment", expected=2)
        assert await desk.states() == {FieldState.FOUND: 2}
        assert violations(await office.books()) == {}


async def test_a_cancelled_one_ends_what_was_resumed_as_cancelled(desk: Desk) -> None:
    await desk.open(1)
    async with desk.office() as office:
        await office.ask(ERID, people_known(3))
        await desk.settled(office)
    await desk.raise_to(9)
    await desk.store.cancel("default", ERID)
    async with desk.office() as office:
        await desk.settled(office)
        assert await desk.states() == {FieldState.FOUND: 1, FieldState.CANCELLED: 2}
        assert calls(await office.books()) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_ends_whenever_the_cap_holds_and_only_what_was_over_is_resumed(desk: Desk, seed: int) -> None:
    """Workers lose their leases at any moment, vendors fail, caps are raised in between; the books are always right."""
    chance = random.Random(seed)
    cap = 4.0
    await desk.open(cap)
    people = people_known(24)
    asked = 0
    for _ in range(6):
        async with desk.office() as office:
            rates = {Fault.SERVER_ERROR: 0.2} if chance.random() < 0.5 else {}
            office.fail(FaultPlan(rates=rates, latency=Latency(mean_s=0.02)))
            if asked < len(people):
                await office.ask(ERID, people[asked : asked + 8])
                asked += 8
            await SystemClock().sleep(chance.random() * 0.1)
            if chance.random() < 0.7:
                cap += chance.choice((1.0, 2.5, 5.0))
                await desk.raise_to(cap)
            office.lose_leases()
            await SystemClock().sleep(chance.random() * 0.05)
            office.take_leases()
            assert await _used(desk) <= cap * CREDIT
    async with desk.office() as office:
        office.fail(FaultPlan())
        await desk.settled(office)
        books = await office.books()
        states = await desk.states()
    assert books.billed <= cap * CREDIT
    assert violations(books, ALWAYS) == {}
    enrichment = await desk.store.enrichment("default", ERID)
    assert {state: count for state, count in enrichment.progress.fields.items() if count} == {
        state.value: count for state, count in states.items()
    }
    assert enrichment.progress.contacts_done == len(people)


async def _used(desk: Desk) -> int:
    [(used,)] = await desk.rows("select coalesce(sum(reserved + spent), 0)::bigint from budget where scope = 'erid'")
    return int(used)
