"""How long a question waits for room in a budget that is set aside for calls whose charge is not known yet.

What those calls do not use becomes free, so the question is looked at again: soon at first, and ever more rarely the
longer its ERID has been without room, since a vendor may take hours to say what it charges.
"""

from uuid import UUID

LOOK_FIRST_S = 0.25
LOOK_MAX_S = 10.0


class Room:
    """Since when ERIDs have been without room."""

    def __init__(self) -> None:
        """Begin with room for all."""
        self._since: dict[UUID, float] = {}

    def __len__(self) -> int:
        """ERIDs without room."""
        return len(self._since)

    def look_after_s(self, erid: UUID, now: float) -> float:
        """Hear that an ERID has no room; answer after how long to look again. `now` by a monotonic clock."""
        waited_s = now - self._since.setdefault(erid, now)
        return min(LOOK_MAX_S, max(LOOK_FIRST_S, waited_s / 2))

    def found(self, erid: UUID) -> None:
        """Hear that an ERID has room, or none that it may hope for."""
        self._since.pop(erid, None)
