"""Both ingest queues as one: a few contacts do not wait behind the million that came before them.

    des.ingest        everything, in order ──┐
    des.ingest.small  a few contacts each  ──┴──▶ take, in turn

A queue is worked in its order, and quorum queues know no priorities before RabbitMQ 4.0. So the doors publish what has
few contacts to a queue of its own, and the acceptor gets groups of one queue and of the other in turn while both have
some: a group of the small queue is written in milliseconds, so neither keeps the other waiting.
"""

import asyncio
from collections.abc import Sequence

from des.broker.consumer import AmqpConsumer
from des.broker.contract import INGEST_QUEUE, SMALL_QUEUE, Delivery
from des.lifecycle import Services
from des.limits import ACCEPT_GROUP_BYTES_MAX


class Lanes:
    """contract.Consumer over both queues, each by a connection of its own. A Service."""

    name = "consumer"

    def __init__(self, url: str) -> None:
        """Take `amqp://…`."""
        self._arrived = asyncio.Event()
        self._large = AmqpConsumer(url, queue=INGEST_QUEUE, arrived=self._arrived)
        self._small = AmqpConsumer(url, queue=SMALL_QUEUE, arrived=self._arrived)
        self._services = Services([self._large, self._small])
        self._small_was_last = False

    @property
    def ready(self) -> bool:
        """Connected and consuming, both."""
        return self._large.ready and self._small.ready

    @property
    def messages_ready(self) -> int:
        """Messages that lay in the queues at the last look."""
        return self._large.messages_ready + self._small.messages_ready

    @property
    def unacked(self) -> int:
        """Deliveries received and not acknowledged, taken or not."""
        return self._large.unacked + self._small.unacked

    async def start(self) -> None:
        """Connect and consume. Raises BrokerUnavailable and ConfigError."""
        await self._services.start()

    async def stop(self) -> None:
        """Send the last acknowledgements and close."""
        await self._services.stop()

    async def take(self, deliveries_max: int, bytes_max: int = ACCEPT_GROUP_BYTES_MAX) -> Sequence[Delivery]:
        """See contract.Consumer; a group is of one queue."""
        while not (self._large.waiting or self._small.waiting):
            self._arrived.clear()
            await self._arrived.wait()
        self._small_was_last = self._small.waiting > 0 and not (self._small_was_last and self._large.waiting)
        lane = self._small if self._small_was_last else self._large
        return await lane.take(deliveries_max, bytes_max)

    async def gather(self, deliveries: int, body_bytes: int) -> None:
        """See contract.Consumer; of both queues together."""
        while (
            self._large.waiting + self._small.waiting < deliveries
            and self._large.bytes_waiting + self._small.bytes_waiting < body_bytes
        ):
            self._arrived.clear()
            await self._arrived.wait()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See contract.Consumer."""
        small = [delivery for delivery in deliveries if delivery.queue == SMALL_QUEUE]
        if len(small) < len(deliveries):
            self._large.ack([delivery for delivery in deliveries if delivery.queue != SMALL_QUEUE])
        if small:
            self._small.ack(small)

    def dead_letter(self, delivery: Delivery) -> None:
        """See contract.Consumer."""
        (self._small if delivery.queue == SMALL_QUEUE else self._large).dead_letter(delivery)
