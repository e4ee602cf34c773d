"""RabbitMQ as the benchmarks see it: raw confirmed publishes by aio-pika, and how many messages wait."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import aio_pika
import aio_pika.abc

from des.broker import topology
from des.broker.contract import INGEST_EXCHANGE, INGEST_QUEUE, SMALL_QUEUE
from des.message import BATCH_TYPE, PROTOBUF

IN_FLIGHT = 256
"""Publishes without a confirm (RabbitMQ's own quorum benchmark, 2020-05: 200-1,000 give the throughput)."""
TAKEN_TIMEOUT_S = 60.0


class Outgoing(NamedTuple):
    """A message to publish: routing key (the ERID) and body (an encoded ContactBatch)."""

    key: str
    body: bytes


class Queue:
    """One channel to the ingest queue, with confirms."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel, exchange: aio_pika.abc.AbstractExchange) -> None:
        """Take what `opened` opened."""
        self.channel = channel
        self._exchange = exchange

    @classmethod
    async def opened(cls, connection: aio_pika.abc.AbstractConnection) -> "Queue":
        """Open a channel and declare what DES declares."""
        channel = await connection.channel(publisher_confirms=True)
        await topology.declare(channel)
        return cls(channel, await channel.get_exchange(INGEST_EXCHANGE))

    async def publish_one(self, message: Outgoing) -> None:
        """Return when it is confirmed."""
        await self._exchange.publish(
            aio_pika.Message(
                message.body,
                content_type=PROTOBUF,
                type=BATCH_TYPE,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            ),
            routing_key=message.key,
        )

    async def publish(self, messages: Iterable[Outgoing], in_flight: int = IN_FLIGHT) -> float:
        """Publish all of them and return the seconds until the last was confirmed."""
        rest = iter(messages)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._publish_rest(rest))
        return time.monotonic() - started

    async def _publish_rest(self, rest: Iterator[Outgoing]) -> None:
        for message in rest:
            await self.publish_one(message)

    async def ready(self) -> int:
        """Messages that nobody has been given yet."""
        queue = await self.channel.declare_queue(INGEST_QUEUE, passive=True)
        return queue.declaration_result.message_count or 0

    async def first_taken(self, published: int) -> float:
        """Wait for somebody to consume and return when, by the monotonic clock, within 5 ms."""
        async with asyncio.timeout(TAKEN_TIMEOUT_S):
            while await self.ready() >= published:  # noqa: ASYNC110 - it is another process that takes
                await asyncio.sleep(0.005)
        return time.monotonic()

    async def purge(self) -> None:
        """Forget what waits."""
        for name in (INGEST_QUEUE, SMALL_QUEUE):
            queue = await self.channel.declare_queue(name, passive=True)
            await queue.purge()
