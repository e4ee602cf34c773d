"""A queue in which tenants take turns, and within a tenant its ERIDs (see `rota`): nobody waits for a bigger's backlog.

Work comes in bundles (the contacts of one ERID that stand at the same step) and leaves in slices of them, so that a
thousand contacts for a bulk provider cost one entry and not a thousand.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from des.providers.rota import Rota


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

    @property
    def priority(self) -> int:
        """Of its ERID: the higher, the sooner, among those of its tenant."""


B = TypeVar("B", bound=Bundle)


class _Line(Generic[B]):
    """Bundles of one ERID, in order; the first may be partly taken. `size`: questions left in them."""

    __slots__ = ("bundles", "offset", "size")

    def __init__(self) -> None:
        self.bundles: deque[B] = deque()
        self.offset = 0
        self.size = 0


class _Tenant(Generic[B]):
    """Lines of a tenant, and whose turn it is."""

    __slots__ = ("lines", "rota")

    def __init__(self) -> None:
        self.lines: dict[Hashable, _Line[B]] = {}
        self.rota: Rota[Hashable] = Rota()


class FairQueue(Generic[B]):
    """Bundles by tenant and ERID. `put` at the end of the ERID's line, `take` slices in turn."""

    def __init__(self) -> None:
        """Begin empty."""
        self._tenants: dict[Hashable, _Tenant[B]] = {}
        self._turns: deque[Hashable] = deque()
        self._size = 0

    def __len__(self) -> int:
        """Questions waiting."""
        return self._size

    def put(self, bundle: B) -> None:
        """Add a bundle at the end of its ERID's line."""
        tenant = self._tenants.get(bundle.tenant)
        if tenant is None:
            tenant = self._tenants[bundle.tenant] = _Tenant()
            self._turns.append(bundle.tenant)
        line = tenant.lines.get(bundle.erid)
        if line is None:
            line = tenant.lines[bundle.erid] = _Line()
            tenant.rota.add(bundle.erid, bundle.size, bundle.priority)
        line.bundles.append(bundle)
        line.size += bundle.size
        self._size += bundle.size

    def take(self, questions_max: int) -> list[tuple[B, int, int]]:
        """Slices (bundle, from, to) of at most so many questions together, from as many ERIDs in turn as that takes."""
        slices: list[tuple[B, int, int]] = []
        room = questions_max
        while room > 0 and self._turns:
            bundle, begin, end = self._take_from_next(room)
            slices.append((bundle, begin, end))
            room -= end - begin
        return slices

    def remove(self, tenant: Hashable, erid: Hashable) -> list[tuple[B, int, int]]:
        """Take everything of an ERID out at once."""
        of_tenant = self._tenants.get(tenant)
        line = of_tenant.lines.pop(erid, None) if of_tenant is not None else None
        if of_tenant is None or line is None:
            return []
        slices = [(bundle, line.offset if not index else 0, bundle.size) for index, bundle in enumerate(line.bundles)]
        self._size -= line.size
        of_tenant.rota.discard(erid)
        if not of_tenant.lines:
            self._turns.remove(tenant)
            del self._tenants[tenant]
        return slices

    def waiting(self) -> Iterator[tuple[B, int]]:
        """Of each ERID the first bundle that waits, and the questions that do."""
        for tenant in self._tenants.values():
            for line in tenant.lines.values():
                yield line.bundles[0], line.size

    def _take_from_next(self, room: int) -> tuple[B, int, int]:
        name = self._turns[0]
        tenant = self._tenants[name]
        erid = tenant.rota.next()
        line = tenant.lines[erid]
        bundle = line.bundles[0]
        begin = line.offset
        end = min(bundle.size, begin + room)
        self._size -= end - begin
        line.size -= end - begin
        if end < bundle.size:
            line.offset = end
        else:
            line.bundles.popleft()
            line.offset = 0
        self._turn(name, tenant, erid, line)
        return bundle, begin, end

    def _turn(self, name: Hashable, tenant: _Tenant[B], erid: Hashable, line: _Line[B]) -> None:
        """Put the ERID and the tenant behind the others, or away when they have nothing more."""
        if line.bundles:
            tenant.rota.add(erid, line.size, line.bundles[0].priority)
        else:
            del tenant.lines[erid]
        if tenant.lines:
            self._turns.rotate(-1)
        else:
            self._turns.popleft()
            del self._tenants[name]
