"""Decides whose contacts are taken into work next: tenants in turn, and within a tenant its ERIDs in turn.

The contacts in work of a whole process are bounded; who wants some stands in line, gets at most a chunk, and goes to
the end of its tenant's line. What a commit finishes, or an aggregator gives back, is granted to the next.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from des.clock import Clock
from des.limits import CONTACTS_IN_WORK_MAX

CHUNK_CONTACTS = 1_000
"""Most contacts of one grant: large enough for the bulk statements, small enough that others have their turn soon."""

CHUNK_LEAST = 256
"""Room that has to be free before anybody is granted some: crumbs would make each ERID load a batch for a few of its
contacts, keep the rest in memory and commit in crumbs too (bench backlog: half the speed, four times the memory)."""


class Wanting(Protocol):
    """An aggregator that stands in line."""

    in_line: bool

    @property
    def tenant(self) -> str:
        """Whose it is."""

    @property
    def wants(self) -> int:
        """Contacts it could take now."""

    def granted(self, contacts: int) -> None:
        """Take up to so many into work."""


class Scheduler:
    """The room for contacts in work, and the lines of those who want some."""

    def __init__(self, clock: Clock, contacts_max: int = CONTACTS_IN_WORK_MAX) -> None:
        """Take the clock, by which ages are told, and the bound on contacts in work."""
        self._clock = clock
        self._grants: deque[list[float]] = deque()
        self._observe: Callable[[float], None] = lambda _: None
        self._free = self._contacts_max = contacts_max
        self._least = min(CHUNK_LEAST, contacts_max)
        self._lines: dict[str, deque[Wanting]] = {}
        self._tenants: deque[str] = deque()
        self._open = True
        self._nothing = asyncio.Event()
        self._nothing.set()

    @property
    def in_work(self) -> int:
        """Contacts granted and not finished."""
        return self._contacts_max - self._free

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds told that each grant's contacts were in work."""
        self._observe = observe

    def oldest_s(self) -> float:
        """Seconds since the oldest contacts in work were taken; those that finish are taken for the oldest."""
        return self._clock.monotonic() - self._grants[0][0] if self._grants else 0.0

    def want(self, wanting: Wanting) -> None:
        """Stand in line, once."""
        if wanting.in_line:
            return
        wanting.in_line = True
        line = self._lines.get(wanting.tenant)
        if line is None:
            line = self._lines[wanting.tenant] = deque()
            self._tenants.append(wanting.tenant)
        line.append(wanting)
        self._grant()

    def give_back(self, contacts: int) -> None:
        """Return room: contacts that are finished, or were granted and not needed."""
        self._free += contacts
        self._age(contacts)
        if self._tenants:
            self._grant()
        if self._free == self._contacts_max:
            self._nothing.set()

    async def finished(self) -> None:
        """Wait until nothing is in work."""
        await self._nothing.wait()

    def close(self) -> None:
        """Grant nothing more: what is in work may finish."""
        self._open = False

    def open(self) -> None:
        """Grant again."""
        self._open = True
        self._grant()

    def _grant(self) -> None:
        while self._free >= self._least and self._tenants and self._open:
            tenant = self._tenants[0]
            line = self._lines[tenant]
            wanting = line.popleft()
            wanting.in_line = False
            if line:
                self._tenants.rotate(-1)
            else:
                self._tenants.popleft()
                del self._lines[tenant]
            contacts = min(wanting.wants, CHUNK_CONTACTS, self._free)
            if contacts > 0:
                self._free -= contacts
                self._nothing.clear()
                self._grants.append([self._clock.monotonic(), contacts])
                wanting.granted(contacts)

    def _age(self, contacts: int) -> None:
        while contacts > 0 and self._grants:
            oldest = self._grants[0]
            finished = min(contacts, int(oldest[1]))
            contacts -= finished
            oldest[1] -= finished
            if oldest[1] == 0:
                self._grants.popleft()
                self._observe(self._clock.monotonic() - oldest[0])
