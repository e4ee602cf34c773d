"""A queue in which tenants take turns, and within a tenant its ERIDs: nobody waits for a bigger one's backlog.

Work comes in bundles (the contacts of one ERID that stand at the same step) and leaves in slices of them, so that a
thousand contacts for a bulk provider cost one entry and not a thousand.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Bundle(Protocol):
    """Something with a tenant, an ERID and a number of questions."""

    @property
    def tenant(self) -> Hashable:
        """Whose it is."""

    @property
    def erid(self) -> Hashable:
        """What it is of."""

    @property
    def size(self) -> int:
        """Questions in it."""


B = TypeVar("B", bound=Bundle)


class _Line(Generic[B]):
    """Bundles of one ERID, in order; the first may be partly taken."""

    __slots__ = ("bundles", "offset")

    def __init__(self) -> None:
        self.bundles: deque[B] = deque()
        self.offset = 0


class FairQueue(Generic[B]):
    """Bundles by tenant and ERID. `put` at the end of the ERID's line, `take` slices in turn."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lines: dict[Hashable, dict[Hashable, _Line[B]]] = {}
        self._tenants: deque[Hashable] = deque()
        self._erids: dict[Hashable, deque[Hashable]] = {}
        self._size = 0

    def __len__(self) -> int:
        """Questions waiting."""
        return self._size

    def put(self, bundle: B) -> None:
        """Add a bundle at the end of its ERID's line."""
        tenant, erid = bundle.tenant, bundle.erid
        lines = self._lines.get(tenant)
        if lines is None:
            lines = self._lines[tenant] = {}
            self._erids[tenant] = deque()
            self._tenants.append(tenant)
        line = lines.get(erid)
        if line is None:
            line = lines[erid] = _Line()
            self._erids[tenant].append(erid)
        line.bundles.append(bundle)
        self._size += bundle.size

    def take(self, questions_max: int) -> list[tuple[B, int, int]]:
        """Slices (bundle, from, to) of at most so many questions together, from as many ERIDs in turn as that takes."""
        slices: list[tuple[B, int, int]] = []
        room = questions_max
        while room > 0 and self._tenants:
            bundle, begin, end = self._take_from_next(room)
            slices.append((bundle, begin, end))
            room -= end - begin
        return slices

    def remove(self, tenant: Hashable, erid: Hashable) -> list[tuple[B, int, int]]:
        """Take everything of an ERID out at once."""
        line = self._lines.get(tenant, {}).pop(erid, None)
        if line is None:
            return []
        slices = [(bundle, line.offset if not index else 0, bundle.size) for index, bundle in enumerate(line.bundles)]
        self._size -= sum(end - begin for _, begin, end in slices)
        self._erids[tenant].remove(erid)
        if not self._erids[tenant]:
            self._tenants.remove(tenant)
            del self._lines[tenant], self._erids[tenant]
        return slices

    def _take_from_next(self, room: int) -> tuple[B, int, int]:
        tenant = self._tenants[0]
        erids = self._erids[tenant]
        erid = erids[0]
        line = self._lines[tenant][erid]
        bundle = line.bundles[0]
        begin = line.offset
        end = min(bundle.size, begin + room)
        self._size -= end - begin
        if end < bundle.size:
            line.offset = end
        else:
            line.bundles.popleft()
            line.offset = 0
        self._turn(tenant, erid, line)
        return bundle, begin, end

    def _turn(self, tenant: Hashable, erid: Hashable, line: _Line[B]) -> None:
        """Put the ERID and the tenant behind the others, or away when they have nothing more."""
        erids = self._erids[tenant]
        if line.bundles:
            erids.rotate(-1)
        else:
            erids.popleft()
            del self._lines[tenant][erid]
        if erids:
            self._tenants.rotate(-1)
        else:
            self._tenants.popleft()
            del self._lines[tenant], self._erids[tenant]
