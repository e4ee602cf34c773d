"""Decides whose contacts are taken into work next: tenants in turn, and within a tenant its ERIDs (see providers/rota).

The contacts in work of a whole process are bounded; who wants some stands in line, gets at most a chunk, and goes to
the end of its tenant's line. What a commit finishes, or an aggregator gives back, is granted to the next. Some of the
room is for small ones only, so that one contact behind a million finds a place at once. Contacts that wait for a paused
provider take no room from those that need not wait, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from des.clock import Clock
from des.limits import CONTACTS_IN_WORK_MAX, CONTACTS_PARKED_MAX
from des.providers.rota import SMALL_CONTACTS_MAX, Rota

CHUNK_CONTACTS = 1_000
"""Most contacts of one grant: large enough for the bulk statements, small enough that others have their turn soon."""

CHUNK_LEAST = 256
"""Room that has to be free before anybody is granted some: crumbs would make each ERID load a batch for a few of its
contacts, keep the rest in memory and commit in crumbs too (bench backlog: half the speed, four times the memory)."""


SMALL_ROOM = 1_024
"""Room that only small ones are granted; an eighth of it all where that is less."""


class Wanting(Protocol):
    """An aggregator that stands in line."""

    in_line: bool

    @property
    def tenant(self) -> str:
        """Whose it is."""

    @property
    def priority(self) -> int:
        """The higher, the sooner, among those of its tenant."""

    @property
    def wants(self) -> int:
        """Contacts it could take now."""

    @property
    def waiting(self) -> int:
        """Contacts it has waiting: all of them, or a whole window where that is not known."""

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
        self._small_room = min(SMALL_ROOM, contacts_max // 8)
        self._least = min(CHUNK_LEAST, contacts_max - self._small_room)
        self._parked = 0
        self._lines: dict[str, Rota[Wanting]] = {}
        self._tenants: deque[str] = deque()
        self._smalls = 0
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
            line = self._lines[wanting.tenant] = Rota()
            self._tenants.append(wanting.tenant)
        self._smalls += line.add(wanting, wanting.waiting, wanting.priority)
        self._grant()

    def give_back(self, contacts: int) -> None:
        """Return room: contacts that are finished, or were granted and not needed."""
        self._free += contacts
        self._age(contacts)
        if self._tenants:
            self._grant()
        self._look_finished()

    def park(self, contacts: int) -> None:
        """Hear how many contacts in work wait for a paused provider: as many others may be taken into work."""
        self._parked = min(contacts, CONTACTS_PARKED_MAX)
        if self._tenants:
            self._grant()
        self._look_finished()

    async def finished(self) -> None:
        """Wait until nothing is in work but what waits for a paused provider."""
        await self._nothing.wait()

    def _look_finished(self) -> None:
        if self._free + self._parked >= self._contacts_max:
            self._nothing.set()
        else:
            self._nothing.clear()

    def close(self) -> None:
        """Grant nothing more: what is in work may finish."""
        self._open = False

    def open(self) -> None:
        """Grant again."""
        self._open = True
        self._grant()

    def _grant(self) -> None:
        while self._open and self._tenants:
            room = self._free + self._parked
            large_room = room - self._small_room
            if large_room >= self._least:
                self._grant_to(self._next(small_only=False), large_room)
            elif room > 0 and self._smalls:
                self._grant_to(self._next(small_only=True), min(room, SMALL_CONTACTS_MAX))
            else:
                return

    def _grant_to(self, wanting: Wanting | None, room: int) -> None:
        if wanting is None:
            return
        contacts = min(wanting.wants, wanting.waiting, CHUNK_CONTACTS, room)
        if contacts > 0:
            self._free -= contacts
            self._look_finished()
            self._grants.append([self._clock.monotonic(), contacts])
            wanting.granted(contacts)

    def _next(self, *, small_only: bool) -> Wanting | None:
        """Take the next of the next tenant out of its line, and put the tenant behind the others."""
        tenant = self._tenants.popleft()
        line = self._lines[tenant]
        smalls = line.smalls
        wanting = line.next(small_only=small_only)
        self._smalls += line.smalls - smalls
        if line:
            self._tenants.append(tenant)
        else:
            del self._lines[tenant]
        if wanting is not None:
            wanting.in_line = False
        return wanting

    def _age(self, contacts: int) -> None:
        while contacts > 0 and self._grants:
            oldest = self._grants[0]
            finished = min(contacts, int(oldest[1]))
            contacts -= finished
            oldest[1] -= finished
            if oldest[1] == 0:
                self._grants.popleft()
                self._observe(self._clock.monotonic() - oldest[0])
