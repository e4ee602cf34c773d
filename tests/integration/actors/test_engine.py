"""The engine on a real Postgres: everything accepted ends once, whatever fails on the way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from des.actors.aggregator import Aggregator
from des.actors.committer import LINGER_S
from des.actors.engine import Engine
from des.actors.mail import Mail
from des.clock import SystemClock
from des.contact import ContactBatch, FieldResult, FieldState
from des.limits import PARTITIONS
from des.options import Budget, Options
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Traits, Value
from des.providers.dispatcher import Dispatcher
from des.providers.waterfall import Waterfall
from des.store import steering
from des.store.contract import Commit, CommitUnit, ContactRow, OpenBatches, Want, partition_of
from des.store.postgres import Database
from des.store.reading import EnrichmentState
from des.store.serving import EnrichmentStore
from des.store.work import PostgresWorkStore
from des.wire import decode_contacts
from des.wire.document import decode_json
from tests.integration.broker.waiting import until

FIELDS = frozenset({"email"})


class People:
    """A provider that knows everyone whose name does not begin with `nobody`, and can be held up."""

    def __init__(self) -> None:
        self.traits = Traits("people", FIELDS, batch_max=100, slots=2, trusted=True)
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[str] = []
        self.calls_waiting = asyncio.Semaphore(0)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        self.calls_waiting.release()
        await self.open.wait()
        self.asked += [question.contact.full_name for question in questions]
        return [self._answer(question.contact.full_name) for question in questions]

    def _answer(self, name: str) -> Outcome:
        if name.startswith("nobody"):
            return MISS
        value = "\x00" if name.startswith("poison") else f"{name}@example.com"
        return Outcome(OutcomeKind.FOUND, {"email": Value(value)})


class Rig:
    """An engine on the test's database, and what is there afterwards."""

    def __init__(self, database: Database, owner: UUID | None = None, people: People | None = None) -> None:
        self.database = database
        self.owner = owner or uuid4()
        self.people = people or People()
        self.store = PostgresWorkStore(database, self.owner)
        self.committed = 0
        self._changed = asyncio.Event()
        clock = SystemClock()
        self.engine = Engine(
            self.store,
            clock,
            Waterfall({"email": ("people",)}, {"people": FIELDS}),
            [Dispatcher(self.people, clock)],
            on_committed=self._on_committed,
        )

    def _on_committed(self, _: Commit, contacts: int) -> None:
        self.committed += contacts
        self._changed.set()

    async def start(self, epoch: int = 1) -> None:
        async with self.database.connection() as connection:
            await connection.execute("update lease set owner = $1, epoch = $2", self.owner, epoch)
        await self.engine.start()
        self.engine.router.gained(dict.fromkeys(range(64), epoch))

    async def accept(self, *batches: ContactBatch, heard: bool = True) -> None:
        acceptance = await self.store.accept(batches, [], range(64))
        if heard:
            self.engine.router.accepted(acceptance.new)

    async def commits(self, contacts: int) -> None:
        async with asyncio.timeout(20):
            while self.committed < contacts:
                self._changed.clear()
                await self._changed.wait()

    async def told_of_commit(self) -> None:
        async with asyncio.timeout(20):
            self._changed.clear()
            await self._changed.wait()

    async def row(self, query: str, *arguments: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchrow(query, *arguments)


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Rig]:
    rig = Rig(database)
    await rig.start()
    await until(lambda: rig.engine.recovery.scans == PARTITIONS)
    yield rig
    rig.people.open.set()
    await rig.engine.stop()


def batch(erid: UUID, *names: str) -> ContactBatch:
    contacts = [{"full_name": name, "company_name": "example.com"} for name in names]
    body = {"erid": str(erid), "contact_list": contacts, "fields_to_be_enriched": ["email"]}
    return decode_json(msgspec.json.encode(body), "default", FIELDS)


async def progress(rig: Rig, erid: UUID) -> tuple[int, ...]:
    row = await rig.row(
        "select contacts, contacts_done, batches, batches_done, fields_found, fields_not_found, fields_failed, "
        "fields_cancelled, revision from enrichment where erid = $1",
        erid,
    )
    return tuple(row)


async def test_a_batch_becomes_rows_progress_and_events(rig: Rig) -> None:
    erid = uuid4()
    await rig.accept(batch(erid, "ann", "nobody", "bob"))
    await rig.commits(3)
    assert await progress(rig, erid) == (3, 3, 1, 1, 2, 1, 0, 0, 1)
    types = await rig.row("select array_agg(type order by seq) from outbox")
    assert types[0] == ["des.batch.finished", "des.enrichment.settled"]
    done = await rig.row("select payload, finished_at is not null from batch where erid = $1", erid)
    assert tuple(done) == (None, True)


async def test_a_resend_changes_nothing_and_other_content_is_a_conflict(rig: Rig) -> None:
    erid = uuid4()
    first = batch(erid, "ann")
    await rig.accept(first)
    await rig.commits(1)
    before = await progress(rig, erid)
    acceptance = await rig.store.accept([first, first], [], range(64))
    assert (len(acceptance.new), acceptance.duplicates) == (0, 2)
    other = msgspec.structs.replace(batch(erid, "eve"), batch_id=first.batch_id)
    acceptance = await rig.store.accept([other], [], range(64))
    assert (len(acceptance.new), acceptance.duplicates, sum(acceptance.quarantined.values())) == (0, 0, 1)
    assert await progress(rig, erid) == before
    held = await rig.row("select reason, batch_id from quarantine")
    assert tuple(held) == ("BATCH_CONFLICT", str(first.batch_id))


async def test_a_sealed_enrichment_takes_no_new_batch_and_still_knows_its_own(rig: Rig) -> None:
    erid = uuid4()
    mine = batch(erid, "ann")
    await rig.accept(mine)
    await rig.row("update enrichment set sealed = true where erid = $1 returning 1", erid)
    acceptance = await rig.store.accept([mine, batch(erid, "late")], [], range(64))
    assert (len(acceptance.new), acceptance.duplicates, dict(acceptance.quarantined)) == (
        0,
        1,
        {"ENRICHMENT_SEALED": 1},
    )
    await rig.commits(1)
    assert (await rig.row("select completed from enrichment where erid = $1", erid))[0]


async def test_what_is_only_in_postgres_is_found(rig: Rig) -> None:
    erids = [uuid4() for _ in range(30)]
    for erid in erids:
        await rig.accept(batch(erid, "ann", "bob"), heard=False)
    for partition in {partition_of("default", erid) for erid in erids}:
        rig.engine.recovery.dirty(partition)
    await rig.commits(60)
    assert (await rig.row("select sum(contacts_done) from enrichment"))[0] == 60


async def test_an_interrupted_batch_goes_on_behind_what_is_committed(database: Database) -> None:
    erid = uuid4()
    first = Rig(database)
    await first.start()
    names = [f"n{index}" for index in range(250)]
    first.people.open.clear()
    await first.accept(batch(erid, *names))
    first.people.open.set()
    await first.commits(100)
    await first.engine.stop()
    done = (await progress(first, erid))[1]
    second = Rig(database, first.owner)
    await second.start()
    if done < 250:
        await second.commits(250 - done)
    await second.engine.stop()
    assert await progress(second, erid) == (250, 250, 1, 1, 250, 0, 0, 0, 1)
    assert len(second.people.asked) == 250 - done


async def test_one_poisoned_contact_is_isolated_and_its_neighbours_commit(rig: Rig) -> None:
    erids = [uuid4() for _ in range(5)]
    rig.people.open.clear()
    for erid in erids:
        await rig.accept(batch(erid, "ann", "poison" if erid == erids[2] else "bob", "carl"))
    rig.people.open.set()
    await rig.commits(15)
    for erid in erids:
        found, failed = (2, 1) if erid == erids[2] else (3, 0)
        assert await progress(rig, erid) == (3, 3, 1, 1, found, 0, failed, 0, 1)
    held = await rig.row("select reason, stage, erid from quarantine")
    assert tuple(held) == ("UNSTORABLE", "commit", str(erids[2]))


@pytest.mark.parametrize("stored", [b"\xff", b"", None], ids=["no protobuf", "no contacts", "nothing"])
async def test_a_batch_that_cannot_be_read_back_ends_as_failed_and_its_neighbours_go_on(
    rig: Rig, stored: bytes | None
) -> None:
    erid = uuid4()
    broken = batch(erid, "ann", "bob")
    await rig.accept(broken, batch(erid, "carl"), heard=False)
    await rig.row("update batch set payload = $2 where batch_id = $1 returning 1", broken.batch_id, stored)
    rig.engine.recovery.dirty(partition_of("default", erid))
    await rig.commits(3)
    assert await progress(rig, erid) == (3, 3, 2, 2, 1, 0, 2, 0, 1)
    held = await rig.row("select reason, stage, erid, batch_id, payload, seen from quarantine")
    names = ("STORED_BATCH_UNREADABLE", "work", str(erid), str(broken.batch_id))
    assert tuple(held) == (*names, stored or b"", 1)
    ended = await rig.row(
        "select input, fields -> 'email' ->> 'reason' from contact where batch_id = $1", broken.batch_id
    )
    assert tuple(ended) == ("{}", "STORED_BATCH_UNREADABLE")
    assert rig.engine.loader.quarantined == {"STORED_BATCH_UNREADABLE": 1}


async def test_an_actor_that_fails_is_rebuilt_and_its_neighbours_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = uuid4(), uuid4()
    read: Callable[[Aggregator, Mail, float], int] = Aggregator._read
    failures = [0]

    def fail_twice(self: Aggregator, mail: Mail, now: float) -> int:
        if self.erid == bad and failures[0] < 2:
            failures[0] += 1
            raise RuntimeError("a bug in a turn")
        return read(self, mail, now)

    monkeypatch.setattr(Aggregator, "_read", fail_twice)
    await rig.accept(batch(bad, "ann", "bob"), batch(good, "carl"))
    await rig.commits(3)
    assert await progress(rig, bad) == (2, 2, 1, 1, 2, 0, 0, 0, 1)
    assert await progress(rig, good) == (1, 1, 1, 1, 1, 0, 0, 0, 1)
    assert rig.engine.supervisor.rebuilt == 2
    assert rig.engine.scheduler.in_work == 0


async def test_a_stale_epoch_is_refused_at_commit(rig: Rig) -> None:
    erid = uuid4()
    rig.people.open.clear()
    await rig.accept(batch(erid, "ann"))
    takeover = "update lease set owner = $1, epoch = epoch + 1 where partition = $2 returning 1"
    await rig.row(takeover, uuid4(), partition_of("default", erid))
    rig.people.open.set()
    await rig.told_of_commit()
    assert len(rig.engine.router) == 0
    assert (await progress(rig, erid))[1] == 0
    assert (await rig.row("select count(*) from contact"))[0] == 0


async def test_a_cancelled_one_ends_and_asks_no_more(rig: Rig) -> None:
    erid = uuid4()
    rig.people.open.clear()
    names = [f"n{index}" for index in range(500)]
    await rig.accept(batch(erid, *names))
    for _ in range(rig.people.traits.slots):
        await rig.people.calls_waiting.acquire()
    rig.engine.router.cancel(("default", erid))
    rig.people.open.set()
    await rig.commits(500)
    assert await progress(rig, erid) == (500, 500, 1, 1, 200, 0, 0, 300, 1)
    assert len(rig.people.asked) == 200


class PeopleInTheirTime(People):
    """Answers one at a time, each after a round trip."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.traits = Traits("people", FIELDS, batch_max=1, slots=2, trusted=True)
        self._database = database

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        async with self._database.connection() as connection:
            await connection.execute("select pg_sleep(0.001)")
        return await super().ask(questions)


async def test_contacts_that_trickle_in_share_commits(database: Database) -> None:
    rig = Rig(database, people=PeopleInTheirTime(database))
    await rig.start()
    erid = uuid4()
    began = time.monotonic()
    await rig.accept(batch(erid, *[f"n{index}" for index in range(400)]))
    await rig.commits(400)
    moments = (time.monotonic() - began) / LINGER_S
    groups = rig.engine.committer.groups
    await rig.engine.stop()
    assert await progress(rig, erid) == (400, 400, 1, 1, 400, 0, 0, 0, 1)
    # However slow the machine: one for each moment, and for each halving of what is under way at the end.
    assert groups <= moments + 15


def parts(erid: UUID, *names: str) -> list[ContactBatch]:
    """A batch cut into a part for each contact."""
    whole = batch(erid, *names)
    return [
        msgspec.structs.replace(
            batch(erid, name),
            batch_id=whole.batch_id,
            content_hash=whole.content_hash,
            part=number,
            parts=len(names),
            first_position=number,
        )
        for number, name in enumerate(names)
    ]


async def announced(rig: Rig) -> list[str]:
    """Types of the events so far, in order."""
    (types,) = await rig.row("select array_agg(type order by seq) from outbox")
    return [str(type_).removeprefix("des.") for type_ in types or ()]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_what_is_sealed_is_completed_when_all_parts_have_come(rig: Rig, order: tuple[int, ...]) -> None:
    erid = uuid4()
    cut = parts(erid, "ann", "bob", "nobody")
    store = EnrichmentStore(rig.database, decode_contacts)
    for count, number in enumerate(order, start=1):
        await rig.accept(cut[number])
        await rig.commits(count)
        state = (await store.seal("default", erid)).state
        assert state is (EnrichmentState.COMPLETED if count == len(cut) else EnrichmentState.SETTLED)
    assert await progress(rig, erid) == (3, 3, 1, 1, 2, 1, 0, 0, 3)
    assert await announced(rig) == [
        "enrichment.settled", "enrichment.settled", "batch.finished", "enrichment.settled", "enrichment.completed"
    ]  # fmt: skip


async def test_a_part_that_comes_after_a_cancel_is_not_asked_for(rig: Rig) -> None:
    """Nobody worked the ERID when the cancel was told: all that says so is what was accepted."""
    erid = uuid4()
    cut = parts(erid, "ann", "bob", "nobody")
    await rig.accept(cut[0], heard=False)
    await EnrichmentStore(rig.database, decode_contacts).cancel("default", erid)
    await rig.accept(cut[1])
    await rig.commits(1)
    rig.engine.recovery.dirty(partition_of("default", erid))
    await rig.commits(2)
    assert rig.people.asked == []
    assert await announced(rig) == ["enrichment.settled", "enrichment.completed"]
    # What ended is final: nothing of it is outstanding again, and the event is not told a second time.
    acceptance = await rig.store.accept(cut[2:], [], range(64))
    assert dict(acceptance.quarantined) == {"ENRICHMENT_SEALED": 1}


async def test_a_cancel_of_what_is_settled_completes_it(rig: Rig) -> None:
    erid = uuid4()
    await rig.accept(batch(erid, "ann"))
    await rig.commits(1)
    for _ in range(2):
        cancelled = await EnrichmentStore(rig.database, decode_contacts).cancel("default", erid)
        assert (cancelled.state, cancelled.ended, cancelled.revision) == (EnrichmentState.CANCELLED, True, 2)
    assert await announced(rig) == ["batch.finished", "enrichment.settled", "enrichment.completed"]


async def test_an_object_that_nothing_can_be_committed_to_costs_no_neighbour_its_own(rig: Rig) -> None:
    """Somebody has changed a row by hand; when it is mended, all goes on by itself."""
    broken, sound = uuid4(), uuid4()
    rig.people.open.clear()
    await rig.accept(batch(broken, "ann"))
    await rig.people.calls_waiting.acquire()
    await rig.row("update enrichment set contacts_done = contacts where erid = $1 returning 1", broken)
    rig.people.open.set()
    await until(lambda: rig.engine.supervisor.rebuilt >= 2)
    await rig.accept(batch(sound, "bob"))
    await rig.commits(1)
    assert await progress(rig, sound) == (1, 1, 1, 1, 1, 0, 0, 0, 1)
    await rig.row("update enrichment set contacts_done = 0 where erid = $1 returning 1", broken)
    await rig.commits(2)
    assert await progress(rig, broken) == (1, 1, 1, 1, 1, 0, 0, 0, 1)


async def test_a_cancelled_one_is_not_resumed_by_a_budget_that_was_raised_before(rig: Rig) -> None:
    erid = uuid4()
    capped = msgspec.structs.replace(batch(erid, "ann"), options=Options(budget=Budget(credits=1.0)))
    (accepted,) = (await rig.store.accept([capped], [], range(64))).new
    async with rig.database.transaction() as connection:
        await steering.update(connection, "default", erid, {"budget.credits": 5.0}, resume=False)
    await EnrichmentStore(rig.database, decode_contacts).cancel("default", erid)
    over = msgspec.json.encode({"email": FieldResult(FieldState.OVER_BUDGET)}).decode()
    row = ContactRow(capped.batch_id, 0, 0, "{}", over, (FieldState.OVER_BUDGET,), accepted.seq)
    unit = CommitUnit("default", erid, accepted.partition, 1, [row], options_revision=accepted.options.revision)
    await rig.store.commit([unit])
    assert tuple(await rig.row("select contacts_done, completed from enrichment where erid = $1", erid)) == (1, True)
    assert await announced(rig) == ["batch.finished", "enrichment.settled", "enrichment.completed"]


async def test_what_a_commit_opens_again_is_not_announced_as_done(rig: Rig) -> None:
    """The budget was raised before the worker said that there was none left."""
    erid = uuid4()
    capped = msgspec.structs.replace(batch(erid, "ann"), options=Options(budget=Budget(credits=1.0)))
    plain = batch(erid, "bob")
    first, second = (await rig.store.accept([capped, plain], [], range(64))).new
    store = EnrichmentStore(rig.database, decode_contacts)
    await store.update("default", erid, {"budget.credits": 5.0})
    await store.seal("default", erid)
    over, found = (
        msgspec.json.encode({"email": FieldResult(state)}).decode()
        for state in (FieldState.OVER_BUDGET, FieldState.FOUND)
    )
    rows = [
        ContactRow(capped.batch_id, 0, 0, "{}", over, (FieldState.OVER_BUDGET,), first.seq),
        ContactRow(plain.batch_id, 0, 0, "{}", found, (FieldState.FOUND,), second.seq),
    ]
    unit = CommitUnit("default", erid, first.partition, 1, rows, options_revision=first.options.revision)
    await rig.store.commit([unit])
    enrichment = await store.enrichment("default", erid)
    assert (enrichment.state, enrichment.progress.contacts_done) == (EnrichmentState.OPEN, 1)
    assert await announced(rig) == ["batch.finished"], "of the batch that is"
    (payload,) = await rig.row("select payload->>'batch_id' from outbox")
    assert payload == str(plain.batch_id)


class NotesLoads(PostgresWorkStore):
    """Notes whose batches are wanted to be loaded."""

    def __init__(self, database: Database, owner: UUID) -> None:
        super().__init__(database, owner)
        self.wanted: list[UUID] = []

    async def load(self, wants: Sequence[Want]) -> Sequence[OpenBatches]:
        """See WorkStore."""
        self.wanted += [want.erid for want in wants]
        return await super().load(wants)


async def test_a_sweep_wakes_nobody_who_knows_all_there_is(database: Database) -> None:
    rig = Rig(database)
    store = NotesLoads(database, rig.owner)
    rig.engine = Engine(
        store,
        SystemClock(),
        Waterfall({"email": ("people",)}, {"people": FIELDS}),
        [Dispatcher(rig.people, SystemClock())],
        on_committed=lambda *_: None,
    )
    await rig.start()
    try:
        known, lost = uuid4(), uuid4()
        partition = partition_of("default", known)
        await until(lambda: rig.engine.recovery.scans == PARTITIONS)
        rig.people.open.clear()
        await rig.accept(batch(known, "ann"))
        await rig.people.calls_waiting.acquire()
        await rig.accept(batch(lost, "bob"), heard=False)
        store.wanted.clear()
        for one in {partition, partition_of("default", lost)}:
            rig.engine.router.found(await store.outstanding([one], None, 10), swept=True)
        await rig.people.calls_waiting.acquire()
        assert set(store.wanted) == {lost}, "the one that nobody knew of"
        await rig.accept(batch(known, "eve"), heard=False)
        rig.engine.router.found(await store.outstanding([partition], None, 10), swept=True)
        await until(lambda: known in store.wanted)
    finally:
        rig.people.open.set()
        await rig.engine.stop()
