"""Clients under load: push, send again until told OK, now and then send once more what was acknowledged long ago."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

from des.clock import Backoff, SystemClock
from des.events import BATCH_FINISHED
from des.lifecycle import TaskOwner
from tests.faults.announced import Announced, Announcement
from tests.faults.doors import Door, NotAcknowledged
from tests.faults.population import Batch, Population

WINDOW = 48
"""Batches sent and not announced as finished: the load waits for the service and never runs away from it."""
STREAM_BATCHES_MAX = 4
RESENT = 0.1


class Load:
    """One client for each door. A Service: `start`, `stop`; `stop` makes sure that everything sent was acknowledged."""

    name = "load"

    def __init__(self, doors: Sequence[Door], population: Population, announced: Announced, seed: int) -> None:
        """Take the ways in, what to send, and where its end is announced."""
        self.doors = doors
        self._population = population
        self._announced = announced
        self._random = random.Random(seed)
        self._clock = SystemClock()
        self._tasks = TaskOwner(self.name, on_failure=self._failed)
        self._window = asyncio.Semaphore(WINDOW)
        self._in_window: set[tuple[UUID, UUID]] = set()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self.sent: dict[tuple[UUID, UUID], Batch] = {}
        self.acknowledged: set[tuple[UUID, UUID]] = set()
        self.finished: set[tuple[UUID, UUID]] = set()
        self.resends = 0
        self.failures = 0
        announced.on_new = self._announce

    @property
    def direct_door(self) -> Door:
        """The broker itself, which takes batches while the service is away."""
        return self.doors[-1]

    async def start(self) -> None:
        """Begin to push."""
        self._stopping.clear()
        for door in self.doors:
            self._tasks.spawn(self._run(door), type(door).__name__)

    async def stop(self) -> None:
        """Send nothing new; return when everything sent is acknowledged."""
        self._stopping.set()
        await self._tasks.close(grace_s=60)
        self.check()
        missing = self.sent.keys() - self.acknowledged
        assert not missing, f"{len(missing)} batches were never acknowledged"

    async def abandon(self) -> None:
        """Stop at once."""
        await self._tasks.close()

    async def send(self, batch: Batch, door: Door | None = None) -> None:
        """Send one batch, beside the window, until it is acknowledged; through any door where none is given."""
        await self._push(door or self._random.choice(self.doors), [batch])

    async def until_finished(self, batches: int, within_s: float = 60.0) -> None:
        """Wait until so many further batches are announced as finished."""
        target = len(self.finished) + batches
        await self._announced.until(
            lambda: len(self.finished) >= target or self._failure is not None,
            within_s,
            lambda: f"{target - len(self.finished)} of {batches} further batches are not finished",
        )
        self.check()

    async def until_all_finished(self, within_s: float = 60.0) -> None:
        """Wait until everything sent is announced as finished."""
        await self._announced.until(
            lambda: self.sent.keys() <= self.finished,
            within_s,
            lambda: f"{len(self.sent.keys() - self.finished)} of {len(self.sent)} batches are not finished",
        )

    def check(self) -> None:
        """Raise what ended a client."""
        if self._failure is not None:
            raise self._failure

    async def _run(self, door: Door) -> None:
        while not self._stopping.is_set():
            batches = [await self._next() for _ in range(self._random.randint(1, STREAM_BATCHES_MAX))]
            await self._push(door, batches)
            if self._random.random() < RESENT:
                self.resends += 1
                await self._push(self._random.choice(self.doors), [self._any()])

    async def _next(self) -> Batch:
        await self._window.acquire()
        batch = self._population.batch()
        self._in_window.add(batch.key)
        return batch

    def _any(self) -> Batch:
        return self.sent[self._random.choice(list(self.sent))]

    async def _push(self, door: Door, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.sent.setdefault(batch.key, batch)
        backoff = Backoff(0.02, 0.3)
        while True:
            try:
                await door.push(batches)
            except NotAcknowledged:
                self.failures += 1
                await self._clock.sleep(backoff.next_s())
            else:
                self.acknowledged.update(batch.key for batch in batches)
                return

    def _announce(self, announcement: Announcement) -> None:
        if announcement.type == BATCH_FINISHED:
            key = announcement.erid, UUID(announcement.data["batch_id"])
            self.finished.add(key)
            if key in self._in_window:
                self._in_window.discard(key)
                self._window.release()

    def _failed(self, _: str, error: BaseException) -> None:
        self._failure = error
