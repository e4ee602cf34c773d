"""The relay on real servers: CloudEvents that others can read, at least once, always under the same id."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aiormq
import aiormq.abc
import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from des.broker.contract import EVENTS_EXCHANGE
from des.broker.publisher import AmqpPublisher
from des.clock import SystemClock
from des.events import batch_finished
from des.outbox import Relay
from des.store.contract import OutboxEvent
from des.store.outbox import Outbox
from des.store.postgres import Database
from des.testing.service import check_service_contract
from tests.integration.broker.cable import Cable
from tests.integration.broker.waiting import until

ERID = UUID("3c3f4b80-f728-4d7c-8567-1bc01df5f0a1")


class Listener:
    """A queue bound to the events, on a connection of its own, as anybody's consumer would have it."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[aiormq.abc.DeliveredMessage] = asyncio.Queue()

    async def listen(self, url: str, binding_key: str) -> aiormq.abc.AbstractConnection:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        await channel.queue_declare("listener", durable=True)
        await channel.queue_bind("listener", EVENTS_EXCHANGE, binding_key)
        await channel.basic_consume("listener", self._take, no_ack=True)
        return connection

    async def _take(self, message: aiormq.abc.DeliveredMessage) -> None:
        self.messages.put_nowait(message)

    async def ids(self, count: int) -> list[str]:
        """Ids of the next `count` events."""
        async with asyncio.timeout(20):
            messages = [await self.messages.get() for _ in range(count)]
        return [str((message.header.properties.headers or {})["ce-id"]) for message in messages]


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def listener(amqp_url: str, publisher: AmqpPublisher) -> AsyncIterator[Listener]:
    listener = Listener()
    connection = await listener.listen(amqp_url, "des.batch.finished.#")
    yield listener
    await connection.close()


async def insert(database: Database, count: int, tenant: str = "default") -> list[str]:
    """Write events as a commit does; answers their ids."""
    events = [batch_finished(tenant, ERID, uuid4(), contacts) for contacts in range(count)]
    async with database.transaction() as connection:
        for event in events:
            await connection.execute(
                "insert into outbox (id, type, tenant, erid, payload) values ($1, $2, $3, $4, $5::jsonb)",
                event.id,
                event.type,
                event.tenant,
                event.erid,
                event.payload.decode(),
            )
    return [str(event.id) for event in events]


async def test_an_event_reads_as_a_cloud_event(
    database: Database, publisher: AmqpPublisher, listener: Listener
) -> None:
    relay = Relay(Outbox(database), publisher, SystemClock())
    (event_id,) = await insert(database, 1, "acme")
    await relay.start()
    message = await listener.messages.get()
    await relay.stop()
    headers = {name: str(value) for name, value in (message.header.properties.headers or {}).items()}
    event = from_binary(
        RabbitMQMessage(headers, message.header.properties.content_type, bytes(message.body)), JSONFormat()
    )
    assert (event.get_id(), event.get_type(), event.get_subject()) == (event_id, "des.batch.finished", str(ERID))
    assert (event.get_source(), event.get_specversion()) == ("urn:des", "1.0")
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data()["tenant"] == "acme"  # type: ignore[index, call-overload] # any JSON
    at = event.get_time()
    assert at is not None
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert message.routing_key == "des.batch.finished.acme"
    assert await Outbox(database).waiting() == (0, 0.0)


async def test_rows_of_others_are_found_by_the_poll_and_own_ones_at_once(
    database: Database, publisher: AmqpPublisher, listener: Listener
) -> None:
    relay = Relay(Outbox(database), publisher, SystemClock(), poll_s=0.05)
    await relay.start()
    ids = await insert(database, 3)
    assert sorted(await listener.ids(3)) == sorted(ids)
    await relay.stop()
    woken = Relay(Outbox(database), publisher, SystemClock(), poll_s=3600)
    await woken.start()
    await until(lambda: not woken._woken.is_set())
    ids = await insert(database, 1200)  # more than a group
    woken.wake()
    assert sorted(await listener.ids(1200)) == sorted(ids)
    await woken.stop()
    assert woken.published == 1200


async def test_an_event_nobody_wants_is_removed(database: Database, publisher: AmqpPublisher) -> None:
    await insert(database, 2)
    relay = Relay(Outbox(database), publisher, SystemClock())
    await relay.start()
    await relay.stop()
    assert (await Outbox(database).waiting())[0] == 0


async def test_a_connection_lost_again_and_again_loses_no_event_and_makes_no_new_ids(
    database: Database, amqp_url: str, listener: Listener
) -> None:
    ids = await insert(database, 3000)
    cable = Cable(amqp_url)
    await cable.start()
    publisher = AmqpPublisher(cable.url)
    await publisher.start()
    relay = Relay(Outbox(database), publisher, SystemClock())
    await relay.start()
    for _ in range(4):
        await until(lambda: publisher.in_flight > 0 or relay.published == 3000)
        cable.cut()
        await until(lambda: publisher.ready)
    await until(lambda: relay.published == 3000, 60)
    await relay.stop()
    await publisher.stop()
    await cable.stop()
    got: list[str] = []
    while set(got) != set(ids):
        got += await listener.ids(1)
    assert (await Outbox(database).waiting())[0] == 0


async def test_the_relay_is_a_service(database: Database, publisher: AmqpPublisher) -> None:
    await check_service_contract(lambda: Relay(Outbox(database), publisher, SystemClock()))


async def test_two_relays_never_hold_the_same_event(database: Database) -> None:
    await insert(database, 10)
    outbox = Outbox(database)
    first: list[int] = []
    second: list[int] = []

    async def publish_second(events: Sequence[OutboxEvent]) -> Collection[int]:
        second.extend(event.seq for event in events)
        return second

    async def publish_first(events: Sequence[OutboxEvent]) -> Collection[int]:
        first.extend(event.seq for event in events)
        assert await outbox.relay(100, publish_second) == (6, 6)
        return first[:3]  # one of four was not confirmed

    assert await outbox.relay(4, publish_first) == (4, 3)
    assert set(first).isdisjoint(second)
    assert (await outbox.waiting())[0] == 1
