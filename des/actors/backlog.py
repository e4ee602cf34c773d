"""How many contacts are accepted and not finished, over all workers: above a mark nothing more is accepted.

Each worker sees what it accepts and what it finishes itself, which need not be the same contacts: partitions change
hands, and what one worker accepts another may work. So the number is counted in Postgres again and again, and kept up
to date by this worker's own part in between.
"""

import asyncio

from des.clock import Clock
from des.errors import TransientError
from des.lifecycle import TaskOwner
from des.limits import ACCEPTED_CONTACTS_HIGH_WATER
from des.store.contract import WorkStore
from des.telemetry import Event, logger

log = logger(__name__)

RECOUNT_S = 10.0
RECOUNT_RESTING_S = 1.0
"""Above the mark, where others may have finished what keeps this worker from accepting."""
RECOUNT_SHARE = 0.02
RECOUNT_MAX_S = 60.0
"""Counting reads a row of each object that is not finished: at most this part of the time is spent on it, but once a
minute it is done."""


class Backlog:
    """Contacts accepted and not finished. A Service: `start`, `stop`."""

    name = "backlog"

    def __init__(self, store: WorkStore, clock: Clock, high_water: int = ACCEPTED_CONTACTS_HIGH_WATER) -> None:
        """Take where it is counted, and the number from which on nothing more is accepted."""
        self._store = store
        self._clock = clock
        self._high_water = high_water
        self._low = asyncio.Event()
        self._low.set()
        self._added = 0
        self._tasks = TaskOwner(self.name, vital=True)
        self.contacts = 0

    async def start(self) -> None:
        """Count. Raises StoreUnavailable."""
        await self._count()
        self._tasks.spawn(self._recount(), "recount")

    async def stop(self) -> None:
        """Count no more."""
        await self._tasks.close()

    def add(self, contacts: int) -> None:
        """Count contacts in (positive) or off (negative)."""
        self._added += contacts
        self._set(self.contacts + contacts)

    async def below(self) -> None:
        """Wait until the backlog is below its high-water mark."""
        await self._low.wait()

    async def _recount(self) -> None:
        while True:
            took_s = 0.0
            try:
                took_s = await self._count()
            except TransientError as error:
                log.warning(Event.BACKLOG_RETRIED, error=str(error))
            rest_s = RECOUNT_S if self._low.is_set() else RECOUNT_RESTING_S
            await self._clock.sleep(max(rest_s, min(RECOUNT_MAX_S, took_s / RECOUNT_SHARE)))

    async def _count(self) -> float:
        """Count, and answer the seconds that it took; what came and went meanwhile may be counted or not until then."""
        began, added = self._clock.monotonic(), self._added
        counted = await self._store.backlog()
        self._set(counted + self._added - added)
        return self._clock.monotonic() - began

    def _set(self, contacts: int) -> None:
        self.contacts = contacts
        if contacts >= self._high_water:
            self._low.clear()
        else:
            self._low.set()
