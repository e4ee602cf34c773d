"""The consumer on a real broker: order, groups of acks, refusal, redelivery, and coming back by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiormq
import pytest

from des.broker.consumer import SMALLER_IN_ROW, AmqpConsumer, Prefetch
from des.broker.contract import DEAD_QUEUE, INGEST_EXCHANGE, INGEST_QUEUE, Delivery
from des.broker.publisher import AmqpPublisher
from des.errors import ConfigError
from des.limits import (
    DELIVERED_BYTES_MAX,
    MEDIUM_DELIVERY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    MIB,
    PREFETCH_DELIVERIES,
    PREFETCH_LARGE_DELIVERIES,
    PREFETCH_SMALL_DELIVERIES,
    SMALL_DELIVERY_BYTES_MAX,
)
from des.stack import PrivateRabbitMQ
from des.testing.service import check_service_contract
from tests.integration.broker.cable import Cable
from tests.integration.broker.waiting import one_turn, until

KIND = "application/json"


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def consumer(amqp_url: str) -> AsyncIterator[AmqpConsumer]:
    consumer = AmqpConsumer(amqp_url, prefetches=[Prefetch(20, MESSAGE_BYTES_MAX)], watch_s=0.2)
    await consumer.start()
    yield consumer
    await consumer.stop()


async def publish(publisher: AmqpPublisher, first: int, end: int) -> None:
    for number in range(first, end):
        await publisher.publish(INGEST_EXCHANGE, "k", str(number).encode(), content_type=KIND)


async def take(consumer: AmqpConsumer, count: int) -> Sequence[Delivery]:
    taken: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            taken += await consumer.take(count - len(taken))
    return taken


async def work_through(consumer: AmqpConsumer, count: int) -> Sequence[Delivery]:
    """Take and acknowledge one by one."""
    worked: list[Delivery] = []
    for _ in range(count):
        worked += await take(consumer, 1)
        consumer.ack(worked[-1:])
    return worked


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    return [int(delivery.body) for delivery in deliveries]


async def count(amqp_url: str, queue: str) -> int:
    """Messages ready in a queue, seen over a connection of its own."""
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        return (await channel.queue_declare(queue, passive=True)).message_count or 0


async def test_deliveries_come_in_order_and_acks_make_room_for_more(
    publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    await publish(publisher, 0, 50)
    got = list(await take(consumer, 20))
    assert consumer.unacked == 20  # the prefetch: no more come before an ack
    consumer.ack(got)
    got += await take(consumer, 20)
    consumer.ack(got[20:])
    got += await take(consumer, 10)
    consumer.ack(got[40:])
    assert numbers(got) == list(range(50))
    await until(lambda: consumer.unacked == 0)


async def test_acks_in_any_order_are_sent_once_and_only_up_to_the_first_gap(
    amqp_url: str, publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    await publish(publisher, 0, 10)
    got = await take(consumer, 10)
    generation = got[0].generation
    consumer.ack(got[5:])
    consumer.ack(got[1:5])
    await one_turn()
    assert consumer.unacked == 10
    consumer.ack(got[:1])
    consumer.ack(got[:3])  # again: nothing is sent twice, or the broker would close the channel
    await until(lambda: consumer.unacked == 0)
    await publish(publisher, 10, 11)
    (last,) = await take(consumer, 1)
    assert (int(last.body), last.generation) == (10, generation)


async def test_a_refused_delivery_lies_in_the_dead_letter_queue(
    amqp_url: str, publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    await publish(publisher, 0, 4)
    got = await take(consumer, 4)
    consumer.ack(got[:1])
    consumer.dead_letter(got[3])
    consumer.ack(got[1:3])
    await until(lambda: consumer.unacked == 0)
    dead = AmqpConsumer(amqp_url, queue=DEAD_QUEUE)
    await dead.start()
    assert numbers(await take(dead, 1)) == [3]
    await dead.stop()
    await consumer.stop()
    assert await count(amqp_url, INGEST_QUEUE) == 0
    assert got[0].generation == 1


async def test_what_was_not_acked_comes_again_after_a_stop(amqp_url: str, publisher: AmqpPublisher) -> None:
    await publish(publisher, 0, 5)
    first = AmqpConsumer(amqp_url)
    await first.start()
    got = await take(first, 5)
    first.ack(got[:2])
    await first.stop()
    second = AmqpConsumer(amqp_url)
    await second.start()
    again = await take(second, 3)
    assert numbers(again) == [2, 3, 4]
    assert all(delivery.redelivered for delivery in again)
    await second.stop()


async def test_after_a_lost_connection_it_consumes_again_and_old_acks_are_dropped(
    amqp_url: str, publisher: AmqpPublisher
) -> None:
    cable = Cable(amqp_url)
    await cable.start()
    consumer = AmqpConsumer(cable.url)
    await consumer.start()
    await publish(publisher, 0, 3)
    old = await take(consumer, 3)
    cable.cut()
    again = await take(consumer, 3)
    assert numbers(again) == [0, 1, 2]
    assert again[0].generation > old[0].generation
    consumer.ack(old)
    consumer.dead_letter(old[0])
    await one_turn()
    assert consumer.unacked == 3
    consumer.ack(again)
    await until(lambda: consumer.unacked == 0)
    await consumer.stop()
    await cable.stop()
    assert await count(amqp_url, INGEST_QUEUE) == 0


async def test_a_queue_deleted_under_it_is_declared_and_consumed_again(
    amqp_url: str, publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    generation = consumer._generation
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(INGEST_QUEUE)
    await until(lambda: consumer._generation > generation and consumer.ready)
    await publish(publisher, 0, 1)
    assert numbers(await take(consumer, 1)) == [0]


async def test_the_watchdog_replaces_a_consumer_that_gets_nothing_while_messages_are_ready(
    publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    assert consumer._channel is not None
    (tag,) = consumer._channel.consumers  # type: ignore[attr-defined] # the abstract channel does not show it
    await consumer._channel.basic_cancel(tag)
    await publish(publisher, 0, 2)
    assert numbers(await take(consumer, 2)) == [0, 1]
    assert consumer._generation == 2


async def test_the_watchdog_leaves_a_consumer_alone_that_is_full(
    publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    await publish(publisher, 0, 30)
    await take(consumer, 20)
    consumer.messages_ready = -1
    for _ in range(3):  # three looks
        await until(lambda: consumer.messages_ready == 10)
        consumer.messages_ready = -1
    assert consumer._generation == 1


async def test_a_queue_with_other_properties_refuses_the_start_with_the_remedy(amqp_url: str) -> None:
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(INGEST_QUEUE, durable=True)
    consumer = AmqpConsumer(amqp_url)
    with pytest.raises(ConfigError, match=r"other properties.*des\.ingest"):
        await consumer.start()


async def test_both_ends_are_services(amqp_url: str) -> None:
    await check_service_contract(lambda: AmqpConsumer(amqp_url))
    await check_service_contract(lambda: AmqpPublisher(amqp_url))


@pytest.mark.slow
async def test_a_broker_that_restarts_loses_nothing_confirmed(
    rabbitmq: PrivateRabbitMQ, amqp_url: str, publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    await publish(publisher, 0, 10)
    # RabbitMQ 3.10 writes down half a second late that a queue exists; killed before that, it has lost a new queue.
    await rabbitmq._evaluate("[dets:sync(Table) || Table <- dets:all()].")
    await rabbitmq.kill()
    await until(lambda: not publisher.ready and not consumer.ready)
    await rabbitmq.start()
    await until(lambda: publisher.ready and consumer.ready, 60)
    await publish(publisher, 10, 12)
    got: set[int] = set()
    while got != set(range(12)):
        deliveries = await consumer.take(20)
        consumer.ack(deliveries)
        got.update(numbers(deliveries))


async def test_the_larger_messages_are_the_fewer_are_held(amqp_url: str, publisher: AmqpPublisher) -> None:
    """Large ones, then enough smaller ones to be sure of them, small ones, large ones again: in order, each once."""
    large = [b"%03d" % number + b"l" * MEDIUM_DELIVERY_BYTES_MAX for number in range(40)]
    medium = [
        b"%03d" % number + b"m" * SMALL_DELIVERY_BYTES_MAX for number in range(SMALLER_IN_ROW + PREFETCH_DELIVERIES)
    ]
    small = [b"%04d" % number for number in range(PREFETCH_SMALL_DELIVERIES * 2)]
    sent = [*large, *medium, *small, *large]
    async with asyncio.TaskGroup() as group:
        for body in sent:
            group.create_task(publisher.publish(INGEST_EXCHANGE, "k", body, content_type=KIND))
    consumer = AmqpConsumer(amqp_url, watch_s=0.2)
    await consumer.start()
    try:
        await until(lambda: consumer.unacked == PREFETCH_LARGE_DELIVERIES)
        got: list[Delivery] = []

        got += await work_through(consumer, len(large))
        await until(lambda: consumer.unacked == PREFETCH_LARGE_DELIVERIES)
        got += await work_through(consumer, SMALLER_IN_ROW)
        await until(lambda: consumer.unacked >= PREFETCH_DELIVERIES)
        assert consumer.unacked <= PREFETCH_DELIVERIES + PREFETCH_LARGE_DELIVERIES, "with those of the consumer before"
        got += await work_through(consumer, PREFETCH_DELIVERIES)
        await until(lambda: consumer.unacked >= PREFETCH_SMALL_DELIVERIES)
        got += await work_through(consumer, len(small) - 1)
        await until(lambda: consumer.unacked == 1 + len(large))  # they were on their way
        got += await work_through(consumer, 1 + len(large))
        assert [delivery.body for delivery in got] == sent
        assert {delivery.generation for delivery in got} == {1}, "over one connection"
        await until(lambda: consumer.unacked == 0)
    finally:
        await consumer.stop()
    assert await count(amqp_url, INGEST_QUEUE) == 0


async def test_large_messages_on_their_way_are_given_back_where_they_are_too_much(
    amqp_url: str, publisher: AmqpPublisher
) -> None:
    """Many are let come while all are small; then come large ones, more than may wait. Each is worked once."""
    small = [b"%04d" % number for number in range(SMALLER_IN_ROW + 1)]
    large = [b"l%03d" % number + b"l" * MIB for number in range(DELIVERED_BYTES_MAX // MIB * 2)]
    for body in (*small, *large):
        await publisher.publish(INGEST_EXCHANGE, "k", body, content_type=KIND)
    prefetches = [Prefetch(1, MESSAGE_BYTES_MAX), Prefetch(len(large) * 2, SMALL_DELIVERY_BYTES_MAX)]
    consumer = AmqpConsumer(amqp_url, prefetches=prefetches)
    await consumer.start()
    try:
        got = [*await work_through(consumer, len(small))]
        await until(lambda: not consumer.ready)
        await until(lambda: consumer.ready and consumer.waiting == 1)
        got += await work_through(consumer, len(large))
        assert [delivery.body for delivery in got] == [*small, *large]
        assert {delivery.generation for delivery in got[len(small) :]} == {2}
    finally:
        await consumer.stop()


async def test_as_many_as_are_held_of_any_size_are_never_given_back(amqp_url: str, publisher: AmqpPublisher) -> None:
    """Whoever publishes to RabbitMQ itself may send messages that are larger than any of ours."""
    large = [b"l%03d" % number + b"l" * 7 * MIB for number in range(PREFETCH_LARGE_DELIVERIES)]
    for body in large:
        await publisher.publish(INGEST_EXCHANGE, "k", body, content_type=KIND)
    consumer = AmqpConsumer(amqp_url)
    await consumer.start()
    try:
        await until(lambda: consumer.waiting == PREFETCH_LARGE_DELIVERIES)
        assert consumer.bytes_waiting > DELIVERED_BYTES_MAX
        got = await work_through(consumer, len(large))
        assert [delivery.body for delivery in got] == large
        assert {delivery.generation for delivery in got} == {1}
    finally:
        await consumer.stop()
