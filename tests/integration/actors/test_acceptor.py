"""The acceptor between a real broker and a real Postgres: whoever holds the partition in the end is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from des.actors.acceptor import GATHER_CONTACTS, Acceptor
from des.actors.backlog import Backlog
from des.actors.recovery import Recovery
from des.broker.contract import INGEST_EXCHANGE
from des.broker.lanes import Lanes
from des.broker.publisher import AmqpPublisher
from des.clock import SystemClock
from des.contact import ContactBatch
from des.errors import CommitUnknown
from des.limits import PARTITIONS, PREFETCH_LARGE_DELIVERIES
from des.message import JSON
from des.store.contract import Acceptance, AcceptedBatch, Outstanding, Refused, partition_of
from des.store.postgres import Database
from des.store.work import PostgresWorkStore
from des.wire import TenantResolver
from des.wire.document import decode_json
from tests.integration.broker.waiting import one_turn, until

FIELDS = frozenset({"email"})


def document(erid: UUID) -> bytes:
    return f'{{"erid": "{erid}", "contact_list": [{{"full_name": "A"}}], "fields_to_be_enriched": ["email"]}}'.encode()


class HandsOver(PostgresWorkStore):
    """Accepts, while another worker takes every partition; and where told so, the reply to COMMIT is lost first."""

    def __init__(self, database: Database, owned: dict[int, int], *, loses_reply: bool) -> None:
        super().__init__(database, uuid4())
        self._owned_by_worker = owned
        self._loses_reply = loses_reply

    async def accept(
        self, batches: Sequence[ContactBatch], refused: Sequence[Refused], owned: Container[int]
    ) -> Acceptance:
        """See WorkStore."""
        acceptance = await super().accept(batches, refused, owned)
        if self._loses_reply:
            self._loses_reply = False
            raise CommitUnknown("the reply was lost")
        self._owned_by_worker.clear()
        return acceptance


class Idle:
    """Actors that hold partitions, and contacts, and do nothing."""

    def __init__(self, owned: Mapping[int, int], contacts_held: int = 0) -> None:
        self.owned = owned
        self.contacts_held = contacts_held

    async def memory(self) -> None:
        """There is some."""
        await one_turn()

    def accepted(self, _: Sequence[AcceptedBatch]) -> None:
        """Let them be."""


def acceptor_of(lanes: Lanes, store: PostgresWorkStore, actors: Idle) -> Acceptor:
    clock = SystemClock()
    return Acceptor(
        lanes,
        store,
        clock,
        Backlog(store, clock),
        tenants=TenantResolver({}, "guest"),
        fields=FIELDS,
        accepting=set(),
        actors=actors,
        on_dirty=lambda _: None,
    )


@asynccontextmanager
async def accepting(store: PostgresWorkStore, owned: Mapping[int, int], amqp_url: str) -> AsyncIterator[Acceptor]:
    """An acceptor at work, and nothing behind it."""
    lanes = Lanes(amqp_url)
    acceptor = acceptor_of(lanes, store, Idle(owned))
    await lanes.start()
    await acceptor.start()
    try:
        yield acceptor
    finally:
        await acceptor.stop()
        await lanes.stop()


@asynccontextmanager
async def hearing(database_url: str, channel: str) -> AsyncIterator[Callable[[], list[str]]]:
    """Whatever is said on a channel of Postgres."""
    heard: list[str] = []
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(channel, lambda *message: heard.append(str(message[-1])))
    try:
        yield lambda: heard
    finally:
        await listener.close()


@pytest.mark.parametrize("loses_reply", [False, True])
async def test_a_partition_that_goes_while_a_batch_is_committed_has_its_new_owner_told(
    database: Database, database_url: str, amqp_url: str, *, loses_reply: bool
) -> None:
    erid = uuid4()
    owned = dict.fromkeys(range(PARTITIONS), 1)
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    try:
        async with (
            hearing(database_url, "des_batch") as heard,
            accepting(HandsOver(database, owned, loses_reply=loses_reply), owned, amqp_url),
        ):
            await publisher.publish(INGEST_EXCHANGE, str(erid), document(erid), content_type=JSON)
            await until(lambda: len(heard()) == 1)
            assert heard() == [str(partition_of("default", erid))]
    finally:
        await publisher.stop()


class NotesGathering(Lanes):
    """Notes how often deliveries were let gather."""

    gathered = 0

    async def gather(self, deliveries: int, body_bytes: int) -> None:
        """See contract.Consumer."""
        self.gathered += 1
        await super().gather(deliveries, body_bytes)


async def test_deliveries_gather_where_many_come_and_never_where_one_does(database: Database, amqp_url: str) -> None:
    """As many of them as are let come to a consumer that knows nothing of their size yet, and one more."""
    publisher, lanes = AmqpPublisher(amqp_url), NotesGathering(amqp_url)
    acceptor = acceptor_of(lanes, PostgresWorkStore(database, uuid4()), Idle({}, GATHER_CONTACTS))
    await publisher.start()
    await lanes.start()
    try:
        for erid in [uuid4() for _ in range(PREFETCH_LARGE_DELIVERIES)]:
            await publisher.publish(INGEST_EXCHANGE, str(erid), document(erid), content_type=JSON)
        await until(lambda: lanes.unacked == PREFETCH_LARGE_DELIVERIES)
        await acceptor.start()
        await until(lambda: acceptor.batches == PREFETCH_LARGE_DELIVERIES and lanes.gathered == 1)
        for number in range(1, 4):
            erid = uuid4()
            await publisher.publish(INGEST_EXCHANGE, str(erid), document(erid), content_type=JSON)
            await until(lambda: acceptor.batches == PREFETCH_LARGE_DELIVERIES + number)  # noqa: B023 - awaited here
        assert lanes.gathered == 1
    finally:
        await acceptor.stop()
        await lanes.stop()
        await publisher.stop()


class Hurried(SystemClock):
    """Whose seconds are turns of the loop."""

    async def sleep(self, _: float) -> None:
        """Take a turn."""
        await one_turn()


class Finding:
    """Holds every partition, and keeps what is found."""

    def __init__(self) -> None:
        self.owned = dict.fromkeys(range(PARTITIONS), 1)
        self.erids: set[UUID] = set()
        self.heard = asyncio.Event()

    async def place(self) -> None:
        """There always is one."""

    def found(self, outstanding: Sequence[Outstanding], *, swept: bool) -> None:
        """Keep them."""
        assert swept
        self.erids.update(one.erid for one in outstanding)
        if outstanding:
            self.heard.set()


async def test_what_nobody_was_told_of_is_found_by_the_sweep(database: Database) -> None:
    store, finding, erid = PostgresWorkStore(database, uuid4()), Finding(), uuid4()
    recovery = Recovery(store, Hurried())
    recovery.connect(finding)
    await recovery.start()
    try:
        await store.accept([decode_json(document(erid), "default", FIELDS)], [], range(PARTITIONS))
        async with asyncio.timeout(20):
            await finding.heard.wait()
    finally:
        await recovery.stop()
    assert finding.erids == {erid}
