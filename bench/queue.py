"""RabbitMQ as the benchmarks see it: raw confirmed publishes by aio-pika, and what lies in the queue."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

import aio_pika
import aio_pika.abc
import aiormq.abc

from des.broker import topology
from des.broker.contract import INGEST_EXCHANGE, INGEST_QUEUE, SMALL_QUEUE
from des.message import BATCH_TYPE, PROTOBUF

IN_FLIGHT = 256
"""Publishes without a confirm (RabbitMQ's own quorum benchmark, 2020-05: 200-1,000 give the throughput)."""
HELD_TIMEOUT_S = 60.0


class Outgoing(NamedTuple):
    """A message to publish: routing key (the ERID) and body (an encoded ContactBatch)."""

    key: str
    body: bytes


class Queue:
    """One channel to the ingest queue, with confirms."""

    def __init__(
        self,
        connection: aio_pika.abc.AbstractConnection,
        channel: aio_pika.abc.AbstractChannel,
        exchange: aio_pika.abc.AbstractExchange,
    ) -> None:
        """Take what `opened` opened."""
        self._connection = connection
        self.channel = channel
        self._exchange = exchange

    @classmethod
    async def opened(cls, connection: aio_pika.abc.AbstractConnection) -> "Queue":
        """Open a channel and declare what DES declares."""
        channel = await connection.channel(publisher_confirms=True)
        await topology.declare(channel)
        return cls(connection, channel, await channel.get_exchange(INGEST_EXCHANGE))

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

    @contextlib.asynccontextmanager
    async def held(self, messages: int) -> AsyncIterator[None]:
        """Keep what lies in the queue, so many messages (up to 65,535), from everybody for the length of the block.

        They are delivered to us and not acknowledged; with the end of the block the broker has them back at once.
        """
        arrived = 0
        complete = asyncio.Event()

        async def keep(_: aiormq.abc.DeliveredMessage) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == messages:
                complete.set()

        channel = await self._connection.channel()
        try:
            await channel.set_qos(prefetch_count=messages)  # without one a quorum queue gives 2,000
            await (await channel.get_underlay_channel()).basic_consume(INGEST_QUEUE, keep)
            async with asyncio.timeout(HELD_TIMEOUT_S):
                await complete.wait()
            yield
        finally:
            await channel.close()

    async def purge(self) -> None:
        """Forget what waits."""
        for name in (INGEST_QUEUE, SMALL_QUEUE):
            queue = await self.channel.declare_queue(name, passive=True)
            await queue.purge()
