"""The publisher on a real broker: what a return from `publish` promises, and every way it can fail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des.broker.consumer import AmqpConsumer
from des.broker.contract import EVENTS_EXCHANGE, INGEST_EXCHANGE
from des.broker.publisher import AmqpPublisher
from des.errors import BrokerUnavailable, ConfigError, Overloaded
from des.stack import PrivateRabbitMQ
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


async def alarm(server: PrivateRabbitMQ, *, on: bool) -> None:
    """Raise or clear the memory alarm, which blocks every connection that publishes."""
    change = (
        "set_alarm({{resource_limit, memory, node()}, []})" if on else "clear_alarm({resource_limit, memory, node()})"
    )
    await server._evaluate(f"rabbit_alarm:{change}.")


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
    await alarm(rabbitmq, on=True)
    try:
        with pytest.raises(Overloaded) as refused:
            await publish_until_refused(publisher)
        assert refused.value.retry_after_s > 0
        assert not publisher.ready
        with pytest.raises(Overloaded, match="memory"):
            await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
    finally:
        await alarm(rabbitmq, on=False)
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


async def test_no_confirm_in_time_is_an_error(amqp_url: str) -> None:
    publisher = AmqpPublisher(amqp_url, deadline_s=0.2)
    await publisher.start()
    assert publisher._wire is not None
    publisher._wire._writer.transport.pause_reading()  # type: ignore[attr-defined] # the confirm lies in the socket
    with pytest.raises(BrokerUnavailable, match="no confirm"):
        await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
    await publisher.stop()


async def test_a_lost_connection_fails_what_is_in_flight_and_is_built_anew(
    publisher: AmqpPublisher, consumer: AmqpConsumer
) -> None:
    assert publisher._wire is not None
    publishing = asyncio.gather(
        *(publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND) for _ in range(50)), return_exceptions=True
    )
    await asyncio.sleep(0)  # all 50 are written in one turn of the loop
    assert publisher.in_flight == 50
    publisher._wire._writer.transport.abort()
    outcomes = await publishing
    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}
    assert not publisher.ready
    await until(lambda: publisher.ready)
    await publisher.publish(INGEST_EXCHANGE, "k", b"last", content_type=KIND)


async def test_a_cancelled_publish_leaves_the_others_alone(publisher: AmqpPublisher) -> None:
    first = asyncio.ensure_future(publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND))
    await asyncio.sleep(0)
    assert publisher.in_flight == 1
    first.cancel()
    await publisher.publish(INGEST_EXCHANGE, "k", b"y", content_type=KIND)
    assert publisher.in_flight == 0


async def test_wrong_credentials_refuse_the_start_with_the_remedy(amqp_url: str) -> None:
    publisher = AmqpPublisher(amqp_url.replace("guest:guest", "guest:wrong"))
    with pytest.raises(ConfigError, match="check user, password"):
        await publisher.start()
    await publisher.stop()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(INGEST_EXCHANGE, "k", b"x", content_type=KIND)
