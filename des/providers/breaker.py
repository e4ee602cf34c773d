"""The breaker: a provider that fails again and again is left alone for a while, then tried with one call.

closed ──failures_max in a row──▶ open ──open_s──▶ half open (one call) ──success──▶ closed
                                    ▲──────────────failure──────────────┘
"""

import enum


class BreakerState(enum.StrEnum):
    """Whether calls go out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts failures in a row. Times are monotonic seconds."""

    def __init__(self, failures_max: int = 10, open_s: float = 5.0, open_max_s: float = 60.0) -> None:
        """Take the failures in a row that open it, and for how long; each failed probe doubles that to `open_max_s`."""
        self._failures_max = failures_max
        self._open_s = open_s
        self._open_max_s = open_max_s
        self._failures = 0
        self._openings = 0
        self._until = 0.0
        self._probing = False
        self.state = BreakerState.CLOSED

    def delay_s(self, now: float) -> float:
        """Seconds until a call may go out; 0 when it may now. Infinite while a probe is under way."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self.state is BreakerState.OPEN and now >= self._until:
            self.state = BreakerState.HALF_OPEN
        if self.state is BreakerState.HALF_OPEN:
            return float("inf") if self._probing else 0.0
        return self._until - now

    def sent(self) -> None:
        """Record that a call goes out."""
        if self.state is BreakerState.HALF_OPEN:
            self._probing = True

    def succeeded(self) -> None:
        """Record that a call was answered, whatever the answer."""
        self._failures = self._openings = 0
        self._probing = False
        self.state = BreakerState.CLOSED

    def failed(self, now: float) -> bool:
        """Record that a call failed; whether that opened it."""
        self._failures += 1
        if self.state is BreakerState.CLOSED and self._failures < self._failures_max:
            return False
        opens = self.state is not BreakerState.OPEN
        if opens:
            self._until = now + min(self._open_max_s, self._open_s * 2**self._openings)
            self._openings += 1
        self._probing = False
        self.state = BreakerState.OPEN
        return opens
