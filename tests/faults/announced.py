"""A consumer of `des.events`: what was announced, how often, and who waits for it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiormq
import aiormq.exceptions
import msgspec

from des.broker.contract import EVENTS_EXCHANGE
from des.clock import Backoff, SystemClock
from des.lifecycle import TaskOwner
from tests.faults.doors import close

QUEUE = "faults.events"
SETTLE_S = 5.0


@dataclass(frozen=True)
class Announcement:
    """One event, however often it came."""

    type: str
    erid: UUID
    data: dict[str, Any]


class Announced:
    """Keeps a durable queue bound to the events and reads it. A Service: `start`, `stop`."""

    name = "announced"

    def __init__(self, url: str) -> None:
        """Take the broker's URL."""
        self._url = url
        self._clock = SystemClock()
        self._tasks = TaskOwner(self.name)
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._listening = asyncio.Event()
        self.events: dict[UUID, Announcement] = {}
        self.times: Counter[UUID] = Counter()
        self.changed: list[UUID] = []
        """Ids of events that came again with other words: there must be none."""
        self.on_new: Callable[[Announcement], None] = lambda _: None

    async def start(self) -> None:
        """Return when the queue is bound."""
        self._tasks.spawn(self._run(), "listen")
        await self._listening.wait()

    async def stop(self) -> None:
        """Stop reading."""
        await self._tasks.close()

    async def until(self, holds: Callable[[], bool], within_s: float, what: Callable[[], str]) -> None:
        """Wait until something holds, looking whenever an event has come; `what` says what is missing."""
        if holds():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (holds, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(within_s):
                await future
        except TimeoutError:
            raise AssertionError(f"not within {within_s:g} s: {what()}") from None
        finally:
            self._waiting.remove(entry)

    async def _run(self) -> None:
        backoff = Backoff(0.05, 0.5)
        while True:
            try:
                await self._listen()
            except (aiormq.exceptions.AMQPError, OSError, RuntimeError, TimeoutError):
                pass
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            await self._clock.sleep(backoff.next_s())

    async def _listen(self) -> None:
        connection = aiormq.Connection(self._url)
        try:
            async with asyncio.timeout(SETTLE_S):  # a broker that is just back may never answer
                await connection.connect()
                channel = await connection.channel()
                await channel.basic_qos(prefetch_count=500)
                await channel.exchange_declare(EVENTS_EXCHANGE, exchange_type="topic", durable=True)
                await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
                await channel.queue_bind(QUEUE, EVENTS_EXCHANGE, "#")
                await channel.basic_consume(QUEUE, self._received)
            self._listening.set()
            await asyncio.wait([connection.closing, channel.closing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await close(connection)

    async def _received(self, message: aiormq.abc.DeliveredMessage) -> None:
        headers = message.header.properties.headers or {}
        event_id = UUID(str(headers["ce-id"]))
        announcement = Announcement(
            str(headers["ce-type"]), UUID(str(headers["ce-subject"])), msgspec.json.decode(message.body)
        )
        self.times[event_id] += 1
        earlier = self.events.setdefault(event_id, announcement)
        if earlier is announcement:
            self.on_new(announcement)
        elif earlier != announcement:
            self.changed.append(event_id)
        for holds, future in self._waiting:
            if not future.done() and holds():
                future.set_result(None)
        if message.delivery_tag is not None:
            await message.channel.basic_ack(message.delivery_tag, wait=False)
