"""Tells why contacts wait: once a second it looks at the providers that are paused, and writes what has changed.

    dispatchers ──who waits, why, until when──▶ what was told before? ──what is new or over──▶ table `stall`

Serving reads it from there. While nothing is paused there is nothing to look at and nothing to write. The scheduler
hears how many contacts wait so: they keep their place in memory and take no room from those that need not wait.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from des.clock import Clock
from des.errors import TransientError
from des.lifecycle import TaskOwner
from des.limits import STALLS_TOLD_MAX
from des.stall import StallRow
from des.store.contract import StallStore
from des.telemetry import Event, logger

log = logger(__name__)

LOOK_S = 1.0
MOVED_S = 1.0
"""A time that has moved by less is the same."""

Key = tuple[object, ...]


class Stalls(Protocol):
    """A dispatcher."""

    def stalls(self) -> Sequence[StallRow]:
        """Contacts that wait while nothing goes out, by ERID and reason."""


class StallTeller:
    """What was told, and the task that keeps it true. A Service: `start`, `stop`."""

    name = "stalls"

    def __init__(
        self, store: StallStore, clock: Clock, dispatchers: Collection[Stalls], park: Callable[[int], None]
    ) -> None:
        """Take where it is told, the dispatchers to look at, and who hears how many contacts wait."""
        self._store = store
        self._clock = clock
        self._dispatchers = dispatchers
        self._park = park
        self._told: dict[Key, StallRow] = {}
        self._tasks = TaskOwner(self.name, vital=True)

    async def start(self) -> None:
        """Start looking."""
        self._tasks.spawn(self._run(), "look")

    async def stop(self) -> None:
        """Stop looking; what was told goes with the worker."""
        await self._tasks.close()
        self._told.clear()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look once, and tell what has changed; where Postgres is away, the next look tells it."""
        rows = [row for dispatcher in self._dispatchers for row in dispatcher.stalls()]
        self._park(sum(row.contacts for row in rows))
        now: dict[Key, StallRow] = {row.key: row for row in rows[:STALLS_TOLD_MAX]}
        told = [row for key, row in now.items() if _has_changed(self._told.get(key), row)]
        ended = [row for key, row in self._told.items() if key not in now]
        if not told and not ended:
            return
        try:
            await self._store.tell(told, ended)
        except TransientError as error:
            log.warning(Event.STALLS_UNTOLD, error=str(error), stalls=len(told), ended=len(ended))
            return
        for row in ended:
            del self._told[row.key]
        # Only what was told: a time that creeps on is held against the one that Postgres has.
        self._told.update({row.key: row for row in told})


def _has_changed(before: StallRow | None, row: StallRow) -> bool:
    if before is None or before.contacts != row.contacts or (before.until is None) != (row.until is None):
        return True
    return before.until is not None and row.until is not None and abs(before.until - row.until) >= MOVED_S
