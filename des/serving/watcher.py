"""Watches enrichments: one set-based query for all that are watched, however many watch, and none while nobody does.

What the process itself commits need not wait for the next look: the committer calls `notify`.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from uuid import UUID

from des.errors import DesError, NotFound, TransientError
from des.lifecycle import TaskOwner
from des.limits import WATCH_INTERVAL_S
from des.store.reading import Enrichment, ReadingStore

Key = tuple[str, UUID]
"""Tenant and ERID."""


class Watch:
    """One client's view of one enrichment: the state it knows, and the news since. States in between are skipped."""

    def __init__(self, enrichment: Enrichment) -> None:
        """Take the state that is known."""
        self.enrichment = enrichment
        self._news: Enrichment | None = None
        self._error: DesError | None = None
        self._woken = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Watch {self.enrichment.erid} at {self.enrichment.fingerprint}>"

    async def change(self, within_s: float | None = None) -> Enrichment | None:
        """Wait until the object is unlike `enrichment`, make it that and return it; None when the time is over.

        Raises NotFound when it is gone and TransientError when DES stops.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()
        self._woken.clear()
        if self._error is not None:
            raise self._error
        news, self._news = self._news, None
        if news is not None:
            self.enrichment = news
        return news

    def offer(self, enrichment: Enrichment) -> None:
        """Take a state that was read; only what is unlike the last one is news."""
        if enrichment.fingerprint != (self._news or self.enrichment).fingerprint:
            self._news = enrichment
            self._woken.set()

    def fail(self, error: DesError) -> None:
        """End the watch with an error."""
        self._error = error
        self._woken.set()


class Watcher:
    """The one poll of this process. A Service: `start`, `stop`."""

    name = "watcher"

    def __init__(self, store: ReadingStore, interval_s: float = WATCH_INTERVAL_S) -> None:
        """Take the store and the seconds between two looks."""
        self._store = store
        self._interval_s = interval_s
        self._watches: defaultdict[Key, set[Watch]] = defaultdict(set)
        self._watched = asyncio.Event()
        self._notified: set[Key] = set()
        self._nudge = asyncio.Event()
        self._tasks = TaskOwner(self.name, on_failure=lambda *_: self.release())
        self._open = False

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._watches)} enrichments>"

    def __len__(self) -> int:
        """Enrichments that are watched."""
        return len(self._watches)

    async def start(self) -> None:
        """Begin to look."""
        self._open = True
        self._tasks.spawn(self._poll(), "poll")

    async def stop(self) -> None:
        """End all watches and look no more; harmless when never started and when repeated."""
        self.release()
        await self._tasks.close()

    def release(self) -> None:
        """End all watches with an error that says to come again, and let none begin: a listener is about to close."""
        self._open = False
        for watch in [watch for watches in self._watches.values() for watch in watches]:
            watch.fail(_stopping())

    def notify(self, tenant: str, erid: UUID) -> None:
        """Say that an enrichment has changed, so that its watchers hear of it at once."""
        if (tenant, erid) in self._watches:
            self._notified.add((tenant, erid))
            self._nudge.set()

    @contextlib.asynccontextmanager
    async def watch(self, tenant: str, erid: UUID) -> AsyncIterator[Watch]:
        """Watch one enrichment for the length of the block. Raises NotFound, and TransientError when DES stops."""
        watch = Watch(await self._store.enrichment(tenant, erid))
        key = (tenant, erid)
        self._watches[key].add(watch)
        self._watched.set()
        if not self._open:
            watch.fail(_stopping())
        try:
            yield watch
        finally:
            self._watches[key].discard(watch)
            if not self._watches[key]:
                del self._watches[key]
            if not self._watches:
                self._watched.clear()

    async def _poll(self) -> None:
        while True:
            await self._watched.wait()
            await self._look(list(self._watches))
            next_look = asyncio.get_running_loop().time() + self._interval_s
            while await self._notified_before(next_look):
                notified, self._notified = self._notified, set()
                await self._look(list(notified))

    async def _notified_before(self, deadline: float) -> bool:
        if asyncio.get_running_loop().time() >= deadline:  # however busy this process is, others' changes show
            return False
        try:
            async with asyncio.timeout_at(deadline):
                await self._nudge.wait()
        except TimeoutError:
            return False
        self._nudge.clear()
        return True

    async def _look(self, keys: list[Key]) -> None:
        try:
            found = await self._store.watched(keys)
        except TransientError:
            return  # Postgres is away: watchers hear when it is back
        for key in keys:
            for watch in self._watches.get(key, ()):
                if key in found:
                    watch.offer(found[key])
                else:
                    watch.fail(NotFound(f"ERID {key[1]} is not there any more"))


def _stopping() -> TransientError:
    return TransientError("DES is stopping; ask again, another one will answer")
