"""How often a provider may be called: several windows at once, each so many calls in so many seconds."""

from collections import deque
from collections.abc import Sequence

SLACK_S = 0.025
"""Windows are taken as this much longer: requests reach the far end at other distances than they were sent."""


class Limiter:
    """Sliding windows over the calls made. Times are monotonic seconds."""

    def __init__(self, windows: Sequence[tuple[int, float]]) -> None:
        """Take the windows as (calls permitted, seconds)."""
        self._windows = [(permitted, seconds + SLACK_S, deque[float]()) for permitted, seconds in windows]

    def delay_s(self, now: float) -> float:
        """Seconds until one more call is permitted; 0 when it is now."""
        delay = 0.0
        for permitted, seconds, calls in self._windows:
            while calls and calls[0] <= now - seconds:
                calls.popleft()
            if len(calls) >= permitted:
                delay = max(delay, calls[len(calls) - permitted] + seconds - now)
        return delay

    def count(self, now: float) -> None:
        """Record a call made now."""
        for _, _, calls in self._windows:
            calls.append(now)
