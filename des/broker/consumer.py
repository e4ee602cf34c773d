"""Takes deliveries from the ingest queue: what has arrived, in order, and acknowledges them in groups.

A delivery is appended as its bytes arrive (see tap) and nothing runs until somebody takes it; the broker's prefetch
bounds how many wait. Everything known of a channel lives in one `_Inbox` and goes with it: deliveries not taken are
redelivered by the broker, acknowledgements of an older channel are dropped, so that no tag is ever acked twice.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import aiormq.exceptions

from des.broker import frames
from des.broker.connection import Wire
from des.broker.contract import INGEST_QUEUE, Delivery
from des.broker.frames import Properties
from des.broker.supervisor import Supervisor
from des.broker.tap import FrameSink
from des.errors import BrokerUnavailable
from des.lifecycle import TaskOwner
from des.limits import PREFETCH_DELIVERIES

WATCH_S: Final = 10.0
"""How often the queue is looked at. Two looks without a delivery while messages are ready: the consumer is dead."""


class _Inbox(FrameSink):
    """Deliveries of one channel: those not taken yet, and which are done with."""

    def __init__(self, generation: int, arrived: asyncio.Event) -> None:
        self.generation = generation
        self.waiting: deque[Delivery] = deque()
        self.last_tag = 0
        self._arrived = arrived
        self._acked_through = 0
        self._done: set[int] = set()
        self._rejected: set[int] = set()

    def delivered(self, tag: int, redelivered: bool, routing_key: str, properties: Properties, body: bytes) -> None:
        """Append a delivery."""
        self.last_tag = tag
        self.waiting.append(
            Delivery(
                body,
                properties.content_type,
                properties.type,
                properties.user_id,
                routing_key,
                tag,
                self.generation,
                redelivered,
            )
        )
        self._arrived.set()

    def done(self, tags: Iterable[int]) -> None:
        """Note tags to acknowledge."""
        self._done.update(tags)

    def rejected(self, tag: int) -> None:
        """Note a tag that was refused: done with, and no longer the broker's to be acked."""
        self._done.add(tag)
        self._rejected.add(tag)

    def ackable(self) -> int:
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
        self, url: str, *, prefetch: int = PREFETCH_DELIVERIES, watch_s: float = WATCH_S, queue: str = INGEST_QUEUE
    ) -> None:
        """Take `amqp://…`, the most unacknowledged deliveries, how often to look at the queue, and its name."""
        self._prefetch = prefetch
        self._watch_s = watch_s
        self._queue = queue
        self._arrived = asyncio.Event()
        self._generation = 0
        self._inbox = _Inbox(0, self._arrived)
        self._wire: Wire | None = None
        self._ack_scheduled = False
        self._supervisor = Supervisor(self.name, url, self, confirms=False)
        self._tasks = TaskOwner(self.name, vital=True)
        self.messages_ready = 0
        """Messages that lay in the queue at the last look."""

    @property
    def ready(self) -> bool:
        """Connected and consuming."""
        return self._supervisor.ready

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
        await self._tasks.close()
        self._send_acks()
        await self._supervisor.stop()

    async def take(self, deliveries_max: int) -> Sequence[Delivery]:
        """See contract.Consumer."""
        while not self._inbox.waiting:
            self._arrived.clear()
            await self._arrived.wait()
        waiting = self._inbox.waiting
        return [waiting.popleft() for _ in range(min(deliveries_max, len(waiting)))]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See contract.Consumer."""
        generation = self._inbox.generation
        self._inbox.done(delivery.tag for delivery in deliveries if delivery.generation == generation)
        if not self._ack_scheduled:
            self._ack_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_acks)

    def dead_letter(self, delivery: Delivery) -> None:
        """See contract.Consumer."""
        if self._wire is not None and delivery.generation == self._inbox.generation:
            self._wire.write(frames.reject(self._wire.number, delivery.tag))
            self._inbox.rejected(delivery.tag)
            self.ack(())

    def _send_acks(self) -> None:
        self._ack_scheduled = False
        if self._wire is not None and (tag := self._inbox.ackable()):
            self._wire.write(frames.ack(self._wire.number, tag, multiple=True))

    # ---- for the supervisor ---------------------------------------------------------------------------------------

    def sink(self) -> FrameSink:
        """See WireUser."""
        self._generation += 1
        self._inbox = _Inbox(self._generation, self._arrived)
        return self._inbox

    async def opened(self, wire: Wire) -> None:
        """See WireUser."""
        try:
            wire.channel.on_consumer_cancel_callbacks.add(self._cancelled)
            await wire.channel.basic_qos(prefetch_count=self._prefetch)
            self._wire = wire
            await wire.channel.basic_consume(self._queue, _never_called)
        except (aiormq.exceptions.AMQPError, OSError, RuntimeError) as error:
            raise BrokerUnavailable(f"RabbitMQ: cannot consume {self._queue}: {error}") from error

    def lost(self, reason: str) -> None:
        """See WireUser."""
        self._wire = None
        self._inbox.waiting.clear()

    def _cancelled(self, frame: Any) -> None:
        self._supervisor.drop(f"the broker cancelled the consumer of {self._queue}")

    # ---- watchdog -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Drop the wire when messages are ready, there is room for them, and none comes."""
        silent_looks = 0
        seen = (0, 0)
        while True:
            await asyncio.sleep(self._watch_s)
            wire, inbox = self._wire, self._inbox
            if wire is None or not await self._look(wire):
                silent_looks = 0
                continue
            now = (inbox.generation, inbox.last_tag)
            starved = self.messages_ready > 0 and inbox.unacked < self._prefetch and now == seen
            silent_looks = silent_looks + 1 if starved else 0
            seen = now
            if silent_looks >= 2:
                silent_looks = 0
                self._supervisor.drop(f"{self.messages_ready} messages are ready and none is delivered")

    async def _look(self, wire: Wire) -> bool:
        """Count the ready messages. A queue that is gone closes the channel, and the supervisor builds all anew."""
        try:
            found = await wire.channel.queue_declare(self._queue, passive=True, timeout=self._watch_s)
        except (aiormq.exceptions.AMQPError, OSError, RuntimeError, TimeoutError):
            return False
        self.messages_ready = found.message_count or 0
        return True


async def _never_called(message: Any) -> None:
    """Stand in for aiormq's consumer callback: the tap has taken every delivery before."""
