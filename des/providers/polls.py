"""Calls whose answer comes later: their handles, by when they are to be asked for."""

import asyncio
import heapq
import math
from collections.abc import Collection
from uuid import UUID

from des.clock import Clock
from des.providers.paying import Paying

COLLECT_MAX = 100
"""Handles asked for together."""
POLL_MIN_S = 0.05
LOOK_S = 1.0
"""Those that wait are looked at this often: one put in later may be due earlier."""


class Polls:
    """Handles and the questions they are of. They are in Postgres too: what is lost here is found again there."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._waiting: list[tuple[float, int, Paying, str]] = []
        self._open: dict[UUID, Paying] = {}
        self._some = asyncio.Event()
        self._count = 0

    def __len__(self) -> int:
        """Handles waiting."""
        return len(self._open)

    @property
    def calls(self) -> Collection[UUID]:
        """Whose handles wait."""
        return self._open.keys()

    def put(self, one: Paying, handle: str, after_s: float) -> None:
        """Have a handle asked for after so many seconds."""
        self._count += 1
        due = self._clock.monotonic() + max(POLL_MIN_S, after_s)
        heapq.heappush(self._waiting, (due, self._count, one, handle))
        self._open[one.call_id] = one
        self._some.set()

    def waiting(self) -> tuple[float, Collection[Paying]]:
        """When the next is asked for, in monotonic seconds, and everybody who waits."""
        return self._waiting[0][0] if self._waiting else math.inf, self._open.values()

    def take_out(self, call_id: UUID) -> Paying | None:
        """Ask for it no more: its answer has come by another way. None where it does not wait here."""
        return self._open.pop(call_id, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()
        self._open.clear()

    async def due(self) -> list[tuple[Paying, str]]:
        """Wait until the time of one has come; take out those whose time it is, COLLECT_MAX at most."""
        while True:
            if not self._waiting:
                self._some.clear()
                await self._some.wait()
            wait_s = self._waiting[0][0] - self._clock.monotonic()
            if wait_s <= 0:
                if due := self._take():
                    return due
                continue
            await self._clock.sleep(min(wait_s, LOOK_S))

    def _take(self) -> list[tuple[Paying, str]]:
        due: list[tuple[Paying, str]] = []
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0][0] <= now and len(due) < COLLECT_MAX:
            one, handle = heapq.heappop(self._waiting)[2:]
            if self._open.get(one.call_id) is one:
                del self._open[one.call_id]
                due.append((one, handle))
        return due
