"""The publisher on a real broker: what a return from `publish` promises, and every way it can fail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des.broker.consumer import AmqpConsumer
from des.broker.contract import EVENTS_EXCHANGE, INGEST_EXCHANGE
from des.broker.publisher import AmqpPublisher
from des.errors import BrokerUnavailable, ConfigError, Overloaded
from des.stack import PrivateRabbitMQ
from tests.integration.broker.cable import Cable
from tests.integration.broker.waiting import until

KIND = "application/x-protobuf"


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def consumer(amqp_url: str) -> AsyncIterator[AmqpConsumer]:
    consumer = AmqpConsumer(amqp_url)
    await consumer.start()
    yield consumer
    await consumer.stop()


@pytest.fixture
async def cable(amqp_url: str) -> AsyncIterator[Cable]:
    cable = Cable(amqp_url)
    await cable.start()
    yield cable
    await cable.stop()


@pytest.fixture
async def publisher_on_cable(cable: Cable) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(cable.url)
    await publisher.start()
    yield publisher
    await publisher.stop()


async def set_memory_limit(server: PrivateRabbitMQ, share: float) -> None:
    """Like `rabbitmqctl set_vm_memory_high_watermark`: above that share is an alarm, and blocks publishers."""
    await server._evaluate(f"vm_memory_monitor:set_vm_memory_high_watermark({share:f}).")


async def publish_until_refused(publisher: AmqpPublisher) -> None:
    """Publish on: an alarm is told of at the next publish, which may still be taken; a full queue notices late too."""
    async with asyncio.timeout(20):
        while True:
            await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)


async def test_what_is_published_arrives_as_it_was_sent(publisher: AmqpPublisher, consumer: AmqpConsumer) -> None:
    bodies = [b"", b"x", b"y" * 300_000]
    for body in bodies:
        await publisher.publish(INGEST_EXCHANGE, "erid-1", body, content_type=KIND, type="t", headers={"a": "b"})
    got = [delivery for _ in bodies for delivery in await consumer.take(1)]
    assert [delivery.body for delivery in got] == bodies
    assert {(delivery.routing_key, delivery.content_type, delivery.type, delivery.user_id) for delivery in got} == {
        ("erid-1", KIND, "t", "guest")
    }


async def test_more_at_once_than_may_be_in_flight_all_arrive(amqp_url: str, consumer: AmqpConsumer) -> None:
    publisher = AmqpPublisher(amqp_url, in_flight_max=10)
    await publisher.start()
    most = 0

    async def publish(number: int) -> None:
        nonlocal most
        await publisher.publish(INGEST_EXCHANGE, "k", str(number).encode(), content_type=KIND)
        most = max(most, publisher.in_flight)

    await asyncio.gather(*(publish(number) for number in range(200)))
    got: list[bytes] = []
    while len(got) < 200:
        deliveries = await consumer.take(50)
        consumer.ack(deliveries)
        got += [delivery.body for delivery in deliveries]
    assert sorted(got, key=int) == [str(number).encode() for number in range(200)]
    assert most <= 10
    await publisher.stop()


async def test_a_message_no_queue_takes_is_an_error_unless_that_is_normal(publisher: AmqpPublisher) -> None:
    with pytest.raises(BrokerUnavailable, match="NO_ROUTE"):
        await publisher.publish(EVENTS_EXCHANGE, "k", b"x", content_type=KIND)
    await publisher.publish(EVENTS_EXCHANGE, "k", b"x", content_type=KIND, mandatory=False)
    assert publisher.in_flight == 0


async def test_an_exchange_that_is_not_there_costs_the_channel_and_the_next_publish_works(
    publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    with pytest.raises(BrokerUnavailable, match="no exchange 'nowhere'"):
        await publisher.publish("nowhere", "k", b"x", content_type=KIND)
    await until(lambda: publisher.ready)
    await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
    assert [delivery.body for delivery in await consumer.take(1)] == [b"x"]


async def test_an_alarm_is_overload_at_once_and_over_when_it_is_over(
    rabbitmq: PrivateRabbitMQ, publisher: AmqpPublisher
) -> None:
    await set_memory_limit(rabbitmq, 0.00001)
    try:
        outcomes = await asyncio.gather(*(publish_until_refused(publisher) for _ in range(50)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Overloaded}
        assert all(isinstance(outcome, Overloaded) and outcome.retry_after_s > 0 for outcome in outcomes)
        assert not publisher.ready
        assert publisher.in_flight == 0
        with pytest.raises(Overloaded, match="memory"):
            await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
    finally:
        await set_memory_limit(rabbitmq, 0.4)
    await until(lambda: publisher.ready)
    await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)


async def test_a_full_queue_nacks_and_that_is_overload(rabbitmq: PrivateRabbitMQ, publisher: AmqpPublisher) -> None:
    vhost = publisher._supervisor._url.rsplit("/", 1)[1]
    await rabbitmq._evaluate(
        f'rabbit_policy:set(<<"{vhost}">>, <<"short">>, <<"^des.ingest$">>, [{{<<"max-length">>, 3}}], 1,'
        f' <<"queues">>, <<"guest">>).'
    )
    with pytest.raises(Overloaded, match="nack"):
        await publish_until_refused(publisher)


async def test_no_confirm_in_time_is_an_error(cable: Cable) -> None:
    publisher = AmqpPublisher(cable.url, deadline_s=0.2)
    await publisher.start()
    cable.hold()
    with pytest.raises(BrokerUnavailable, match="no confirm"):
        await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
    await publisher.stop()


@pytest.mark.parametrize("size", [1, 300_000])  # more than the socket takes: most of them wait to be written
async def test_a_lost_connection_fails_what_is_in_flight_and_is_built_anew(
    cable: Cable, publisher_on_cable: AmqpPublisher, size: int
) -> None:
    publisher, body = publisher_on_cable, b"x" * size
    cable.hold()
    publishing = asyncio.gather(
        *(publisher.publish(INGEST_EXCHANGE, "k", body, content_type=KIND) for _ in range(50)), return_exceptions=True
    )
    await until(lambda: publisher.in_flight == 50)
    cable.cut()
    outcomes = await publishing
    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}
    assert not publisher.ready
    cable.release()
    await until(lambda: publisher.ready)
    await publisher.publish(INGEST_EXCHANGE, "k", b"last", content_type=KIND)


async def test_a_broker_that_reads_no_more_does_not_hold_up_the_stop(amqp_url: str) -> None:
    before = asyncio.all_tasks()
    cable = Cable(amqp_url)
    await cable.start()
    publisher = AmqpPublisher(cable.url)
    await publisher.start()
    cable.hold()
    body = b"x" * 15_000_000  # more than the sockets between the two take
    publishing = asyncio.gather(
        *(publisher.publish(INGEST_EXCHANGE, "k", body, content_type=KIND) for _ in range(3)), return_exceptions=True
    )
    await until(lambda: cable.held > 0)
    async with asyncio.timeout(15):
        await publisher.stop()
    assert {type(outcome) for outcome in await publishing} == {BrokerUnavailable}
    await cable.stop()
    await until(lambda: asyncio.all_tasks() == before)  # what aiormq left behind ends with the socket


async def test_a_cancelled_publish_leaves_the_others_alone(cable: Cable, publisher_on_cable: AmqpPublisher) -> None:
    publisher = publisher_on_cable
    cable.hold()
    first = asyncio.ensure_future(publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND))
    await until(lambda: publisher.in_flight == 1)
    first.cancel()
    cable.release()
    await publisher.publish(INGEST_EXCHANGE, "k", b"y", content_type=KIND)
    assert publisher.in_flight == 0
    assert first.cancelled()


async def test_wrong_credentials_refuse_the_start_with_the_remedy(amqp_url: str) -> None:
    publisher = AmqpPublisher(amqp_url.replace("guest:guest", "guest:wrong"))
    with pytest.raises(ConfigError, match="check user, password"):
        await publisher.start()
    await publisher.stop()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
