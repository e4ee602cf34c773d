"""All doors on a real broker: one batch whatever door it came by, and nothing accepted that is not on the queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from des.broker.contract import INGEST_EXCHANGE
from des.broker.lanes import Lanes
from des.broker.publisher import AmqpPublisher
from des.contact import ContactBatch
from des.stack import PrivateRabbitMQ
from des.v1 import ingest_pb2, ingest_pb2_grpc
from des.wire import InvalidUnit, TenantResolver, decode_delivery
from tests.integration.broker.waiting import until
from tests.integration.ingest.conftest import Doors
from tests.wire_samples import JOHN, KNOWN, body, message, request

TENANTS = TenantResolver({}, own_user="guest")


@pytest.fixture
async def consumer(amqp_url: str) -> AsyncIterator[Lanes]:
    consumer = Lanes(amqp_url)
    await consumer.start()
    yield consumer
    await consumer.stop()


async def received(consumer: Lanes, contacts: int) -> tuple[list[ContactBatch], int]:
    """Take what is on the queue until so many contacts have come; return the batches and the number of messages."""
    batches: list[ContactBatch] = []
    messages = 0
    while sum(len(batch.contacts) for batch in batches) < contacts:
        deliveries = await consumer.take(300)
        consumer.ack(deliveries)
        messages += len(deliveries)
        for unit in (unit for delivery in deliveries for unit in decode_delivery(delivery, TENANTS, KNOWN)):
            assert not isinstance(unit, InvalidUnit), unit
            batches.append(unit)
    return batches, messages


def requests(batches: int, contacts: int) -> Iterator[ingest_pb2.PushContactsRequest]:
    for number in range(batches):
        yield request(message([{**JOHN, "external_id": f"{number}-{n}"} for n in range(contacts)]))


async def push(doors: Doors, batches: int, contacts: int) -> ingest_pb2.PushContactsResponse:
    return await ingest_pb2_grpc.IngestServiceStub(doors.channel).PushContacts(requests(batches, contacts))


async def test_one_batch_by_every_door_is_one_batch(
    real_doors: Doors, publisher: AmqpPublisher, consumer: Lanes
) -> None:
    await ingest_pb2_grpc.IngestServiceStub(real_doors.channel).PushContacts(iter([request(message())]))
    async with real_doors.http.post(
        "/v1/enrichments", data=body(), headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 202
    await publisher.publish(INGEST_EXCHANGE, "any", body(), content_type="application/json")
    await publisher.publish(INGEST_EXCHANGE, "any", message().SerializeToString(), content_type="")
    batches, messages = await received(consumer, 4)
    assert messages == 4
    assert len(set(batches)) == 1


async def test_a_stream_of_single_contacts_is_not_one_of_single_messages(real_doors: Doors, consumer: Lanes) -> None:
    answer = await push(real_doors, batches=2_000, contacts=1)
    assert (answer.accepted, answer.contacts) == (2_000, 2_000)
    batches, messages = await received(consumer, 2_000)
    assert len({batch.batch_id for batch in batches}) == 2_000
    assert messages < 1_000


async def test_large_batches_arrive_whole(real_doors: Doors, consumer: Lanes) -> None:
    answer = await push(real_doors, batches=2, contacts=25_000)
    assert (answer.accepted, answer.contacts) == (2, 50_000)
    batches, _ = await received(consumer, 50_000)
    assert sorted((batch.part, len(batch.contacts)) for batch in batches) == [
        (0, 10_000), (0, 10_000), (1, 10_000), (1, 10_000), (2, 5_000), (2, 5_000),
    ]  # fmt: skip


async def test_a_broker_that_dies_under_a_stream_is_told_and_nothing_acknowledged_is_lost(
    real_doors: Doors, publisher: AmqpPublisher, rabbitmq: PrivateRabbitMQ, consumer: Lanes
) -> None:
    enough = asyncio.Event()

    async def until_enough() -> AsyncIterator[ingest_pb2.StreamContactsRequest]:
        # grpc.aio calls it INTERNAL when a write meets the end of the stream, so the writing ends before the broker.
        for each in requests(200_000, 1):
            if enough.is_set():
                return
            yield ingest_pb2.StreamContactsRequest(batch=each.batch)

    # RabbitMQ 3.10 writes down half a second late that a queue exists; killed before that, it has lost a new queue.
    await rabbitmq._evaluate("[dets:sync(Table) || Table <- dets:all()].")
    stream = ingest_pb2_grpc.IngestServiceStub(real_doors.channel).StreamContacts(until_enough())
    acknowledged: set[str] = set()
    async with asyncio.TaskGroup() as tasks:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for answer in stream:
                acknowledged.add(answer.batch_id)
                if len(acknowledged) == 500:
                    enough.set()
                    tasks.create_task(rabbitmq.kill())
    await rabbitmq.start()
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    await until(lambda: publisher.ready and consumer.ready, 60)
    found: set[str] = set()
    async with asyncio.timeout(30):
        while not acknowledged <= found:
            batches, _ = await received(consumer, 1)
            found |= {str(batch.batch_id) for batch in batches}
    assert (await push(real_doors, batches=1, contacts=1)).accepted == 1
