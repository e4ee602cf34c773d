"""Time as a thing that is passed in, so that tests may own it."""

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def time(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""


class SystemClock:
    """The machine's own clock: the functions themselves, since a call to a vendor looks at it ten times."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)


class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened at random by up to a half: many do not meet."""

    def __init__(self, first_s: float, most_s: float) -> None:
        """Take the shortest and the longest wait."""
        self._first_s = first_s
        self._most_s = most_s
        self._s = first_s

    def next_s(self) -> float:
        """Seconds to wait now; the next will be longer."""
        wait_s = self._s * (0.5 + random.random() / 2)  # noqa: S311 - spreads reconnects, keeps no secret
        self._s = min(self._s * 2, self._most_s)
        return wait_s

    def reset(self) -> None:
        """Begin with the shortest again: it worked."""
        self._s = self._first_s
