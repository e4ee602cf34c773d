"""The loader: reads open batches back from Postgres for aggregators that have room, many ERIDs in one query."""

import asyncio
from collections import Counter, deque
from collections.abc import Container

from des.actors.aggregator import Aggregator
from des.clock import Clock
from des.contact import BatchKey
from des.errors import TransientError, Unreadable
from des.lifecycle import TaskOwner
from des.store.contract import Want, WorkStore
from des.telemetry import Event, logger

log = logger(__name__)

ERIDS_PER_LOAD = 64
RETRY_S = 0.5


class Loader:
    """Queue of wants and the task that serves them. A Service: `start`, `stop`."""

    name = "loader"

    def __init__(self, store: WorkStore, clock: Clock, accepting: Container[BatchKey]) -> None:
        """Take the store to read, and the batches whose accept is under way: their acceptor announces them."""
        self._store = store
        self._accepting = accepting
        self._clock = clock
        self.quarantined: Counter[str] = Counter()
        self._wants: deque[tuple[Want, Aggregator]] = deque()
        self._wake = asyncio.Event()
        self._tasks = TaskOwner(self.name, vital=True)

    async def start(self) -> None:
        """Start loading."""
        self._tasks.spawn(self._run(), "load")

    async def stop(self) -> None:
        """Stop loading; what was wanted stays in Postgres."""
        await self._tasks.close()
        self._wants.clear()

    def request(self, want: Want, aggregator: Aggregator) -> None:
        """Queue a load; the aggregator hears `loaded`."""
        self._wants.append((want, aggregator))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wants:
                group = [self._wants.popleft() for _ in range(min(len(self._wants), ERIDS_PER_LOAD))]
                await self._load([one for one in group if not one[1].dead])

    async def _load(self, group: list[tuple[Want, Aggregator]]) -> None:
        """Load for the group, as often as it takes."""
        while group:
            try:
                found = await self._store.load([want for want, _ in group])
            except TransientError as error:
                log.warning(Event.LOAD_RETRIED, error=str(error), erids=len(group))
                await self._clock.sleep(RETRY_S)
                continue
            for (_, aggregator), opened in zip(group, found, strict=True):
                heard = [accepted for accepted in opened.batches if accepted.batch.key not in self._accepting]
                for accepted in heard:
                    if accepted.unreadable:
                        log.error(Event.BATCH_UNREADABLE, erid=accepted.batch.erid, batch_id=accepted.batch.batch_id)
                        self.quarantined[Unreadable.reason] += 1
                aggregator.loaded(heard, complete=opened.complete)
            return
