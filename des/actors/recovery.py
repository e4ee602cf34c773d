"""Recovery: finds open batches in Postgres that no aggregator knows of, and has aggregators made for them.

A partition is scanned when its lease is gained, when another worker says that it accepted something for it, when an
aggregator was dropped, when there was no place for one, and otherwise once a minute; several that are due are scanned
together. The scan steps down an index from ERID to ERID and waits for a place, so that ten thousand ERIDs, or ten
million, pass through the same memory.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from des.clock import Clock
from des.errors import TransientError
from des.lifecycle import TaskOwner
from des.limits import PARTITIONS
from des.store.contract import Erid, Outstanding, WorkStore, partition_of
from des.telemetry import Event, logger

log = logger(__name__)

ERIDS_PER_PAGE = 500
RETRY_S = 0.5
SWEEP_S = 60.0
"""Every partition is scanned this often, told of or not: a worker that was frozen may have accepted what it then had
lost, and told nobody."""
REST_S = 0.05
"""Between two looks: what the other workers accept meanwhile is found by one, and loaded together."""


class Finds(Protocol):
    """The router."""

    @property
    def owned(self) -> Mapping[int, int]:
        """Partitions this worker holds."""

    async def place(self) -> None:
        """Wait until there is a place for another aggregator."""

    def found(self, outstanding: Sequence[Outstanding], *, swept: bool) -> None:
        """Make aggregators for these ERIDs; `swept`: nobody has said that there is anything new."""


class Recovery:
    """Partitions to scan and the task that scans them. A Service: `start`, `stop`."""

    name = "recovery"

    def __init__(self, store: WorkStore, clock: Clock) -> None:
        """Take the store to scan."""
        self._store = store
        self._gained: dict[int, int] = {}
        self._clock = clock
        self._dirty: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks = TaskOwner(self.name, vital=True)
        self._router: Finds | None = None
        self.scans = 0
        """Partitions scanned to their end."""

    def connect(self, router: Finds) -> None:
        """Take the router, which marks partitions dirty here: the circle of the two closes with this."""
        self._router = router

    async def start(self) -> None:
        """Start scanning what is dirty."""
        self._tasks.spawn(self._run(), "scan")
        self._tasks.spawn(self._sweep(), "sweep")

    async def stop(self) -> None:
        """Stop scanning."""
        await self._tasks.close()
        self._dirty.clear()

    def gained(self, partition: int, epoch: int) -> None:
        """Have a partition scanned that is held from now on: what an earlier epoch left unsettled first."""
        self._gained[partition] = epoch
        self.dirty(partition)

    def dirty(self, partition: int) -> None:
        """Have a partition scanned soon."""
        self._dirty.add(partition)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._router is None:
                continue
            dirty, self._dirty = self._dirty, set()
            await self._scan(sorted(dirty), self._router, swept=False)
            await self._clock.sleep(REST_S)

    async def _sweep(self) -> None:
        """Scan one partition after the other."""
        while True:
            for partition in range(PARTITIONS):
                await self._clock.sleep(SWEEP_S / PARTITIONS)
                if self._router is not None and partition in self._router.owned:
                    await self._scan([partition], self._router, swept=True)

    async def _scan(self, partitions: Sequence[int], router: Finds, *, swept: bool) -> None:
        """Have every ERID of these partitions that has open batches made known to the router, page by page."""
        after: Erid | None = None
        while owned := [partition for partition in partitions if partition in router.owned]:
            if owned[0] != partitions[0]:
                after = None  # it was of a partition that has gone
            partitions = owned
            await router.place()
            try:
                for partition in partitions:
                    await self._orphan(partition)
                page = await self._store.outstanding(partitions, after, ERIDS_PER_PAGE)
            except TransientError as error:
                log.warning(Event.SCAN_RETRIED, partitions=partitions, error=str(error))
                await self._clock.sleep(RETRY_S)
                continue
            router.found(page, swept=swept)
            after = (page[-1].tenant, page[-1].erid) if len(page) == ERIDS_PER_PAGE else None
            rest = partitions[partitions.index(partition_of(*after)) :] if after else []
            self.scans += len(partitions) - len(rest)
            partitions = rest

    async def _orphan(self, partition: int) -> None:
        """Mark the calls that an earlier epoch left without an answer, before anything of the partition is asked."""
        epoch = self._gained.get(partition)
        if epoch is None:
            return
        orphans = await self._store.orphan(partition, epoch)
        if self._gained.get(partition) == epoch:
            del self._gained[partition]
        if orphans:
            log.warning(Event.CALLS_ORPHANED, partition=partition, epoch=epoch, calls=orphans)
