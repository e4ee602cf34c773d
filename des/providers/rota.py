"""Whose turn it is within a tenant: by priority, and of one priority the small ones first, each kind in turn.

A small one is done after a few contacts and keeps nobody waiting for long; but as many of them as come without end must
not keep the large ones waiting for ever, so that after some small ones in a row a large one has its turn.
"""

from collections import deque
from typing import Generic, TypeVar

from des.options import PRIORITY_DEFAULT

SMALL_CONTACTS_MAX = 32
"""Contacts waiting, up to which an ERID is small."""
SMALL_RUN_MAX = 8
"""Small ones in a row while a large one waits: together they have no more contacts than a quarter of its turn."""

K = TypeVar("K")


class _Row(Generic[K]):
    """Those of one priority."""

    __slots__ = ("large", "run", "small")

    def __init__(self) -> None:
        self.small: deque[K] = deque()
        self.large: deque[K] = deque()
        self.run = 0

    def next(self, *, small_only: bool) -> K | None:
        if self.small and (small_only or not self.large or self.run < SMALL_RUN_MAX):
            self.run += 1
            return self.small.popleft()
        if self.large and not small_only:
            self.run = 0
            return self.large.popleft()
        return None


class Rota(Generic[K]):
    """Keys in line, each once. Higher priorities first, without exception: that is what they are for."""

    __slots__ = ("_rows", "_size", "smalls")

    def __init__(self) -> None:
        """Begin with nobody."""
        self._rows: dict[int, _Row[K]] = {}
        self._size = 0
        self.smalls = 0

    def __len__(self) -> int:
        """How many stand in line."""
        return self._size

    def add(self, key: K, contacts: int, priority: int = PRIORITY_DEFAULT) -> bool:
        """Stand in line, with so many contacts waiting; whether that is small."""
        row = self._rows.get(priority)
        if row is None:
            self._rows[priority] = row = _Row()
            self._rows = dict(sorted(self._rows.items(), reverse=True))
        self._size += 1
        small = contacts <= SMALL_CONTACTS_MAX
        if small:
            self.smalls += 1
            row.small.append(key)
        else:
            row.large.append(key)
        return small

    def next(self, *, small_only: bool = False) -> K | None:
        """Take the next out of the line; None where there is none (that is small)."""
        for row in self._rows.values():
            smalls = len(row.small)
            key = row.next(small_only=small_only)
            if key is not None:
                self._size -= 1
                self.smalls -= smalls - len(row.small)
                return key
        return None

    def discard(self, key: K) -> None:
        """Take one out of the line, wherever it stands."""
        for row in self._rows.values():
            for line in (row.small, row.large):
                if key in line:
                    line.remove(key)
                    self._size -= 1
                    self.smalls -= line is row.small
                    return
