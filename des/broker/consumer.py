"""Takes deliveries from the ingest queue: what has arrived, in order, and acknowledges them in groups.

The callback appends a delivery and no more; the broker's prefetch bounds how many wait. How many bytes those are it
does not know: the larger the bodies, the smaller the prefetch of the consumer that takes the place of the one before.
The callback is given to the channel beneath aio-pika's: the message object that aio-pika makes of each delivery would
cost as much as all the rest, and nothing here asks it for anything. Everything known of a channel lives in one `_Inbox`
and goes with it: deliveries not taken are redelivered by the broker, acknowledgements of an older channel are dropped,
so that no tag is ever acked twice or on another channel.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import aiormq.abc
from aio_pika.abc import AbstractQueue
from aiormq.abc import DeliveredMessage

from des.broker.connection import AWAY, CLOSE_TIMEOUT_S, Wire
from des.broker.contract import INGEST_QUEUE, Delivery
from des.broker.supervisor import Supervisor
from des.errors import BrokerUnavailable
from des.lifecycle import TaskOwner
from des.limits import (
    ACCEPT_GROUP_BYTES_MAX,
    DELIVERED_BYTES_MAX,
    MEDIUM_DELIVERY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    MIB,
    PREFETCH_DELIVERIES,
    PREFETCH_LARGE_DELIVERIES,
    PREFETCH_SMALL_DELIVERIES,
    SMALL_DELIVERY_BYTES_MAX,
)

WATCH_S: Final = 10.0
"""How often the queue is looked at. Two looks without a delivery while messages are ready: the consumer is dead."""
SMALLER_IN_ROW: Final = 64
"""So many bodies in a row that would fit a larger prefetch, and it is taken."""
LOOK_TIMEOUT_S: Final = 5.0
"""Longest wait for an answer about the queue; without a leader, RabbitMQ 3.10 does not give one."""


class Prefetch(NamedTuple):
    """How many deliveries may be unacknowledged while none of them is larger than so many bytes."""

    deliveries: int
    bytes_max: int


PREFETCHES: Final = (
    Prefetch(PREFETCH_LARGE_DELIVERIES, MESSAGE_BYTES_MAX),
    Prefetch(PREFETCH_DELIVERIES, MEDIUM_DELIVERY_BYTES_MAX),
    Prefetch(PREFETCH_SMALL_DELIVERIES, SMALL_DELIVERY_BYTES_MAX),
)
"""From the one that is right whatever comes, with which a consumer begins, to the largest."""


class _Inbox:
    """Deliveries of one channel: those not taken yet, and which are done with."""

    def __init__(
        self,
        queue: str,
        generation: int,
        arrived: asyncio.Event,
        prefetches: Sequence[Prefetch],
        on_overflow: Callable[[], None],
    ) -> None:
        self._prefetches = prefetches
        self._fitting = 0
        self.misfit = asyncio.Event()
        """Set when `prefetch` is not what it was."""
        self._smaller_in_row = 0
        self.bytes_waiting = 0
        self._on_overflow = on_overflow
        self._overflowed = False
        self.queue = queue
        self.generation = generation
        self.waiting: deque[Delivery] = deque()
        self.last_tag = 0
        self._arrived = arrived
        self._acked_through = 0
        self._done: set[int] = set()
        self._rejected: set[int] = set()
        self._to_reject: deque[int] = deque()

    async def append(self, message: DeliveredMessage) -> None:
        """Append a delivery: the consumer's callback, called in the order of the tags."""
        if self._overflowed:
            return
        properties = message.header.properties
        self.last_tag = tag = message.delivery_tag or 0
        self.waiting.append(
            Delivery(
                message.body,
                properties.content_type or "",
                properties.message_type or "",
                properties.user_id or "",
                message.routing_key or "",
                tag,
                self.generation,
                bool(message.redelivered),
                self.queue,
                properties.content_encoding or "",
            )
        )
        self._arrived.set()
        self._fit(len(message.body))
        self.bytes_waiting += len(message.body)
        if self.bytes_waiting > DELIVERED_BYTES_MAX and len(self.waiting) > self._prefetches[0].deliveries:
            self._overflowed = True
            self.waiting.clear()
            self._on_overflow()

    def take(self, deliveries_max: int, bytes_max: int) -> Sequence[Delivery]:
        """Take what waits, up to either bound; one delivery is taken whatever its size."""
        taken: list[Delivery] = []
        while self.waiting and len(taken) < deliveries_max and bytes_max > 0:
            delivery = self.waiting.popleft()
            taken.append(delivery)
            bytes_max -= len(delivery.body)
            self.bytes_waiting -= len(delivery.body)
        return taken

    @property
    def prefetch(self) -> int:
        """The most deliveries that may be unacknowledged, by the bodies that came last."""
        return self._prefetches[self._fitting].deliveries

    def _fit(self, size: int) -> None:
        """Take a smaller prefetch with the first body that is too large, a larger one after many that would fit it."""
        fitting = self._fitting
        while fitting > 0 and size > self._prefetches[fitting].bytes_max:
            fitting -= 1
        above = self._prefetches[fitting + 1 : fitting + 2]
        self._smaller_in_row = self._smaller_in_row + 1 if above and size <= above[0].bytes_max else 0
        if self._smaller_in_row >= SMALLER_IN_ROW:
            fitting += 1
        if fitting != self._fitting:
            self._fitting, self._smaller_in_row = fitting, 0
            self.misfit.set()

    def done(self, tags: Iterable[int]) -> None:
        """Note tags to acknowledge."""
        self._done.update(tags)

    def reject(self, tag: int) -> None:
        """Note a tag to refuse: done with, and soon no longer the broker's to be acked."""
        self._done.add(tag)
        self._rejected.add(tag)
        self._to_reject.append(tag)

    async def settle(self, channel: aiormq.abc.AbstractChannel) -> None:
        """Send what is noted, refusals before the acks that reach over them, until nothing is left."""
        while True:
            while self._to_reject:
                await channel.basic_reject(self._to_reject.popleft(), requeue=False, wait=False)
            if (tag := self._ackable()) == 0:
                return
            await channel.basic_ack(tag, multiple=True)

    def _ackable(self) -> int:
        """Highest tag up to which all are done with and were not acked before; 0 for none.

        Tags of a channel count up by one, so what is done with in one piece from the last ack on is acked at once.
        """
        tag, through = 0, self._acked_through
        while through + 1 in self._done:
            through += 1
            self._done.discard(through)
            if through in self._rejected:
                self._rejected.discard(through)  # an ack has to name a tag that is still unacked
            else:
                tag = through
        self._acked_through = through
        return tag

    @property
    def unacked(self) -> int:
        """Deliveries the broker still waits for."""
        return self.last_tag - self._acked_through


class AmqpConsumer:
    """contract.Consumer on RabbitMQ, over a connection of its own. A Service."""

    name = "consumer"

    def __init__(
        self,
        url: str,
        *,
        prefetches: Sequence[Prefetch] = PREFETCHES,
        watch_s: float = WATCH_S,
        queue: str = INGEST_QUEUE,
        arrived: asyncio.Event | None = None,
    ) -> None:
        """Take `amqp://…`, how many deliveries may be unacknowledged, how often to look at the queue, and its name.

        `arrived`: set when a delivery comes, for whoever waits for those of several consumers.
        """
        self._prefetches = prefetches
        self._watch_s = watch_s
        self._queue = queue
        self._arrived = arrived or asyncio.Event()
        self._generation = 0
        self._inbox = self._new_inbox()
        self._refitting: asyncio.Task[None] | None = None
        self._channel: aiormq.abc.AbstractChannel | None = None
        self._looked_at: AbstractQueue | None = None
        self._settling: asyncio.Task[None] | None = None
        self._supervisor = Supervisor(f"{self.name} of {queue}", url, self)
        self._tasks = TaskOwner(self.name)
        self._acks = TaskOwner(self.name)
        self.messages_ready = 0
        """Messages that lay in the queue at the last look."""

    @property
    def ready(self) -> bool:
        """Connected and consuming."""
        return self._supervisor.ready

    @property
    def waiting(self) -> int:
        """Deliveries received and not taken."""
        return len(self._inbox.waiting)

    @property
    def bytes_waiting(self) -> int:
        """Bytes of their bodies."""
        return self._inbox.bytes_waiting

    @property
    def unacked(self) -> int:
        """Deliveries received and not acknowledged, taken or not."""
        return self._inbox.unacked

    async def start(self) -> None:
        """Connect and consume. Raises BrokerUnavailable and ConfigError."""
        await self._supervisor.start()
        self._tasks.spawn(self._watch(), "watchdog")

    async def stop(self) -> None:
        """Send the last acknowledgements and close; what is not acknowledged goes back to the queue."""
        await self._acks.close(CLOSE_TIMEOUT_S)  # first: a look that is broken off costs the channel
        await self._tasks.close()
        await self._supervisor.stop()

    async def take(self, deliveries_max: int, bytes_max: int = ACCEPT_GROUP_BYTES_MAX) -> Sequence[Delivery]:
        """See contract.Consumer."""
        while not self._inbox.waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.take(deliveries_max, bytes_max)

    async def gather(self, deliveries: int, body_bytes: int) -> None:
        """See contract.Consumer."""
        while self.waiting < deliveries and self.bytes_waiting < body_bytes:
            self._arrived.clear()
            await self._arrived.wait()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See contract.Consumer."""
        generation = self._inbox.generation
        self._inbox.done(delivery.tag for delivery in deliveries if delivery.generation == generation)
        self._settle_soon()

    def dead_letter(self, delivery: Delivery) -> None:
        """See contract.Consumer."""
        if delivery.generation == self._inbox.generation:
            self._inbox.reject(delivery.tag)
            self._settle_soon()

    def _settle_soon(self) -> None:
        """One task sends for all who ack until it has caught up."""
        if self._channel is not None and (self._settling is None or self._settling.done()):
            self._settling = self._acks.spawn(self._settle(self._inbox, self._channel), "acks")

    async def _settle(self, inbox: _Inbox, channel: aiormq.abc.AbstractChannel) -> None:
        try:
            await inbox.settle(channel)
        except AWAY as error:  # the broker redelivers what it was not told of
            self._supervisor.drop(f"an acknowledgement could not be sent: {error}")

    # ---- for the supervisor ---------------------------------------------------------------------------------------

    async def opened(self, wire: Wire) -> None:
        """See WireUser."""
        self._generation += 1
        self._inbox = inbox = self._new_inbox()
        try:
            self._channel = await wire.channel.get_underlay_channel()
            self._channel.on_consumer_cancel_callbacks.add(self._cancelled)
            await wire.channel.set_qos(prefetch_count=inbox.prefetch)
            self._looked_at = await wire.channel.get_queue(self._queue, ensure=False)
            consuming = await self._channel.basic_consume(self._queue, inbox.append)
            self._refitting = self._tasks.spawn(
                self._refit(inbox, self._channel, consuming.consumer_tag or ""), "refit"
            )
        except AWAY as error:
            raise BrokerUnavailable(f"RabbitMQ: cannot consume {self._queue}: {error}") from error

    def lost(self, reason: str) -> None:
        """See WireUser."""
        self._channel = self._looked_at = None
        if self._refitting is not None:
            self._refitting.cancel()
            self._refitting = None
        if self._settling is not None:
            self._settling.cancel()  # aiormq may let it wait for a connection that is gone
            self._settling = None
        # What is still on its way ends in the inbox that it was for.
        self._inbox = self._new_inbox()

    def _new_inbox(self) -> _Inbox:
        return _Inbox(self._queue, self._generation, self._arrived, self._prefetches, self._overflowed)

    def _overflowed(self) -> None:
        self._supervisor.drop(f"more than {DELIVERED_BYTES_MAX // MIB} MiB wait: large messages followed small ones")

    async def _refit(self, inbox: _Inbox, channel: aiormq.abc.AbstractChannel, tag: str) -> None:
        """Consume with the prefetch that fits: it is that of a consumer from its beginning on.

        What was sent to the one that is cancelled arrives before the answer to that, and is acknowledged as ever.
        """
        try:
            while True:
                await inbox.misfit.wait()
                inbox.misfit.clear()
                await channel.basic_cancel(tag)
                await channel.basic_qos(prefetch_count=inbox.prefetch)
                tag = (await channel.basic_consume(self._queue, inbox.append)).consumer_tag or ""
        except AWAY as error:
            self._supervisor.drop(f"{self._queue} cannot be consumed in another measure: {error}")

    def _cancelled(self, _frame: Any) -> None:
        self._supervisor.drop(f"the broker cancelled the consumer of {self._queue}")

    # ---- watchdog -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Drop the wire when messages are ready, there is room for them, and none comes."""
        silent_looks = 0
        seen = (0, 0)
        while True:
            await asyncio.sleep(self._watch_s)
            queue, inbox = self._looked_at, self._inbox
            if queue is None or not await self._look(queue):
                silent_looks = 0
                continue
            now = (inbox.generation, inbox.last_tag)
            starved = self.messages_ready > 0 and inbox.unacked < inbox.prefetch and now == seen
            silent_looks = silent_looks + 1 if starved else 0
            seen = now
            if silent_looks >= 2:
                silent_looks = 0
                self._supervisor.drop(f"{self.messages_ready} messages are ready and none is delivered")

    async def _look(self, queue: AbstractQueue) -> bool:
        """Count the ready messages. Where the queue is gone or does not answer, all is built anew."""
        try:
            # Not by aiormq's own timeout: it is made of wait_for, which in Python 3.11 may swallow a cancellation.
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                found = await queue.declare()
        except AWAY as error:
            if queue is self._looked_at:
                self._supervisor.drop(f"{self._queue} cannot be looked at: {str(error) or type(error).__name__}")
            return False
        self.messages_ready = found.message_count or 0
        return True
