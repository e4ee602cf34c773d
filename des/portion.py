"""This worker's portion of what all workers together are permitted."""

import math
from typing import Final

import msgspec


class Portion(msgspec.Struct, frozen=True, gc=False):
    """Part number `index` of `of` equal parts, by the list of workers that are alive.

    `settled_at`: when everybody had taken over the same list, by this process's monotonic clock; until one window's
    length after it a part counts only where it is less than the one before. None: somebody has not. Infinitely long
    ago: nobody else has been there. `valid_until`: when it ends unless it is renewed; a worker that cannot reach
    Postgres stops by its own clock before the others take it for gone.
    """

    index: int
    of: int
    settled_at: float | None = -math.inf
    valid_until: float = math.inf

    def share_of(self, count: int) -> int:
        """This part of a count; the parts of all workers add up to it exactly."""
        return count * (self.index + 1) // self.of - count * self.index // self.of


ALL: Final = Portion(0, 1)
"""Everything, for ever: there is one worker only."""
