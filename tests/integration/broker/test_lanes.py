"""Both ingest queues as one, on a real broker: in turn, acked where they came from, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from des.broker.contract import INGEST_EXCHANGE, INGEST_QUEUE, SMALL_EXCHANGE, SMALL_QUEUE, Delivery
from des.broker.lanes import Lanes
from des.broker.publisher import AmqpPublisher
from des.testing.service import check_service_contract
from tests.integration.broker.test_consumer import KIND, count
from tests.integration.broker.waiting import until


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def lanes(amqp_url: str) -> AsyncIterator[Lanes]:
    lanes = Lanes(amqp_url)
    await lanes.start()
    yield lanes
    await lanes.stop()


async def publish(publisher: AmqpPublisher, exchange: str, bodies: Sequence[str]) -> None:
    for body in bodies:
        await publisher.publish(exchange, "k", body.encode(), content_type=KIND)


def bodies(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def test_it_keeps_the_service_contract(amqp_url: str) -> None:
    await check_service_contract(lambda: Lanes(amqp_url))


async def test_the_small_queue_is_taken_before_what_came_before_and_in_turn_with_it(
    publisher: AmqpPublisher, lanes: Lanes
) -> None:
    await publish(publisher, INGEST_EXCHANGE, [f"large {number}" for number in range(6)])
    await publish(publisher, SMALL_EXCHANGE, ["small 0", "small 1"])
    await until(lambda: lanes.unacked == 8)
    groups = [bodies(await lanes.take(1)) for _ in range(5)]
    assert groups == [["small 0"], ["large 0"], ["small 1"], ["large 1"], ["large 2"]]
    await publish(publisher, SMALL_EXCHANGE, ["small 2"])
    await until(lambda: lanes.unacked == 9)
    assert bodies(await lanes.take(300)) == ["small 2"]
    assert bodies(await lanes.take(300)) == ["large 3", "large 4", "large 5"]


async def test_each_delivery_is_settled_in_the_queue_it_came_by(
    publisher: AmqpPublisher, lanes: Lanes, amqp_url: str
) -> None:
    await publish(publisher, INGEST_EXCHANGE, ["large 0", "large 1"])
    await publish(publisher, SMALL_EXCHANGE, ["small 0", "small 1"])
    await until(lambda: lanes.unacked == 4)
    small, large = await lanes.take(2), await lanes.take(2)
    lanes.ack([small[0], large[0]])
    lanes.dead_letter(small[1])
    await until(lambda: lanes.unacked == 1)
    await lanes.stop()
    assert await count(amqp_url, INGEST_QUEUE) == 1
    assert await count(amqp_url, SMALL_QUEUE) == 0
    await lanes.start()
    async with asyncio.timeout(20):
        assert bodies(await lanes.take(300)) == ["large 1"]


async def test_it_gathers_by_number_or_by_size_from_both_queues(publisher: AmqpPublisher, lanes: Lanes) -> None:
    await publish(publisher, INGEST_EXCHANGE, ["four"] * 3)
    async with asyncio.timeout(20):
        await lanes.gather(3, 1_000)
    gathered = asyncio.create_task(lanes.gather(1_000, 20))
    await publish(publisher, SMALL_EXCHANGE, ["four"])
    await until(lambda: lanes.unacked == 4)
    assert not gathered.done()
    await publish(publisher, SMALL_EXCHANGE, ["four"])
    async with asyncio.timeout(20):
        await gathered
    assert bodies(await lanes.take(300)) == ["four"] * 2
    assert bodies(await lanes.take(300)) == ["four"] * 3
