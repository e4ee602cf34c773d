"""How often a vendor account may be asked: several windows at once, and the vendor's own word where it is less.

    ask ──delay_s──▶ 0: send ──▶ in flight ──▶ answered, with what the reply tells

Every HTTP request counts, whatever it is for: a first try, a retry, half of a bulk call, a look for a late answer. A
window that we count is taken as sliding, which is stricter than the vendor's where that is fixed. What a vendor says is
left is believed where it is less than what we count: others may use the same key. Times are monotonic seconds.
"""

import math
from collections import deque
from collections.abc import Sequence

import msgspec

from des.limits import RATE_HANDED_OVER_S_MAX
from des.portion import Portion

SLACK_S = 0.005
"""A request counts from this much later than it can have arrived by what is known: clocks and loops are not exact."""
COUNTED_LATE_S = 0.025
"""The same for one of which nothing but the call is known."""
LATE = 0.1
"""Of a window: how late a request is taken to have arrived at most. One that is still out is taken for that late."""
FASTEST_OF = 64
"""Replies of which the fastest is remembered, until as many more have come: the way to the far end may have changed."""


class Told(msgspec.Struct, frozen=True, gc=False):
    """What a reply tells of one window: its name, the requests left in it, and when it ends (monotonic seconds)."""

    window: str
    left: int
    until: float


class Request:
    """A request that was sent; `number` in the order of sending.

    `late_s`: how much later than one that was not held up it arrived, at most; infinite while nobody knows.
    """

    __slots__ = ("late_s", "number", "sent_at")

    def __init__(self, number: int, sent_at: float) -> None:
        """Take its place in the order and its time."""
        self.number = number
        self.sent_at = sent_at
        self.late_s = math.inf


class _Fastest:
    """How long the fastest of the last replies took, from the sending of its request.

    Whatever a request took longer, it may have been held up on its way: waited for a connection, or for its turn. Those
    that were sent before any reply had come may all have been held up alike, so nothing is learned from them.
    """

    __slots__ = ("_before_s", "_first_reply_at", "_now_s", "_replies")

    def __init__(self) -> None:
        self._before_s = self._now_s = math.inf
        self._first_reply_at = math.inf
        self._replies = 0

    def late_s(self, request: Request, now: float) -> float:
        """How late the request arrived, at most; learns of its reply."""
        took_s = now - request.sent_at
        fastest_s = min(self._before_s, self._now_s)
        self._first_reply_at = min(self._first_reply_at, now)
        if request.sent_at >= self._first_reply_at:
            self._learn(took_s)
        return took_s if math.isinf(fastest_s) else min(took_s, max(0.0, took_s - fastest_s) + SLACK_S)

    def _learn(self, took_s: float) -> None:
        self._now_s = min(self._now_s, took_s)
        self._replies += 1
        if self._replies == FASTEST_OF:
            self._before_s, self._now_s, self._replies = self._now_s, math.inf, 0


class Limiter:
    """All windows of one account, for the requests of this process."""

    def __init__(self, windows: Sequence[tuple[int, float]]) -> None:
        """Take the windows as (requests permitted to all workers together, seconds)."""
        self._windows = [_Window(permitted, seconds) for permitted, seconds in windows]
        self._told: dict[str, _Remaining] = {}
        self._fastest = _Fastest()
        self._closed_until = -math.inf
        self._valid_until = math.inf
        self.sent = 0
        self.in_flight = 0

    def delay_s(self, now: float) -> float:
        """Seconds until one more request may be permitted; 0 when it is now, infinite where nobody can say."""
        delay = self._closed_until - now
        for window in self._windows:
            delay = max(delay, window.delay_s(now))
        for remaining in self._told.values():
            delay = max(delay, remaining.delay_s(now, self.sent))
        if now >= self._valid_until:
            return math.inf
        return max(0.0, delay)

    def send(self, now: float) -> Request:
        """Count a request that goes out now."""
        self.sent += 1
        self.in_flight += 1
        request = Request(self.sent, now)
        for window in self._windows:
            window.requests.append(request)
        return request

    def count(self, now: float) -> None:
        """Count a request of which nothing more will be heard."""
        self.send(now).late_s = COUNTED_LATE_S
        self.in_flight -= 1

    def answered(self, request: Request, now: float, told: Sequence[Told] = ()) -> None:
        """Hear that a request was answered, and what its reply tells."""
        self.in_flight -= 1
        if self._windows:
            request.late_s = self._fastest.late_s(request, now)
        for one in told:
            remaining = self._told.get(one.window)
            if remaining is None:
                remaining = self._told[one.window] = _Remaining()
            remaining.heard(one, request.number, now, self.in_flight, self.sent)

    def lost(self) -> None:
        """Hear that a request got no answer: it may have arrived or not, and counts as if it had."""
        self.in_flight -= 1

    def close(self, until: float) -> None:
        """Send nothing until then: the vendor said so."""
        self._closed_until = max(self._closed_until, until)

    def allot(self, portion: Portion | None, now: float) -> None:
        """Use this portion of each window from now on, as soon as nobody else can be using it; None: nothing."""
        self._valid_until = now if portion is None else portion.valid_until
        for window in self._windows:
            window.allot(portion, now)


class _Window:
    """One window that we count."""

    __slots__ = ("_floor", "_late_max_s", "_raise_at", "_seconds", "_target", "_total", "requests")

    def __init__(self, permitted: int, seconds: float) -> None:
        self._total = self._floor = self._target = permitted
        self._raise_at = -math.inf
        self._seconds = seconds
        self._late_max_s = seconds * LATE
        self.requests: deque[Request] = deque()

    def delay_s(self, now: float) -> float:
        requests = self.requests
        while requests and self._free_at(requests[0]) <= now:
            requests.popleft()
        permitted = self._permitted(now)
        if len(requests) < permitted:
            return 0.0
        raised = self._raise_at - now if self._target > permitted else math.inf
        if permitted == 0:
            return raised
        # As many have to leave as make room for one; nearly always it is the first alone.
        leaving = len(requests) - permitted + 1
        free_at = max(self._free_at(requests[index]) for index in range(leaving))
        return min(raised, free_at - now)

    def allot(self, portion: Portion | None, now: float) -> None:
        """Lower at once; raise when no request of an older, larger portion can be in the window any more."""
        in_force = self._permitted(now)
        self._target = 0 if portion is None else portion.share_of(self._total)
        self._floor = min(in_force, self._target)
        settled_at = None if portion is None else portion.settled_at
        wait_s = self._seconds + self._late_max_s if self._seconds <= RATE_HANDED_OVER_S_MAX else 0.0
        self._raise_at = math.inf if settled_at is None else settled_at + wait_s

    def _permitted(self, now: float) -> int:
        return self._target if now >= self._raise_at else self._floor

    def _free_at(self, request: Request) -> float:
        return request.sent_at + min(request.late_s, self._late_max_s) + self._seconds


class _Remaining:
    """What the vendor said is left of one window, less what may have been sent since."""

    __slots__ = ("_left", "_sent", "_unsure", "_until")

    def __init__(self) -> None:
        self._left = 0
        self._until = -math.inf
        self._sent = 0
        self._unsure = 0

    def delay_s(self, now: float, sent: int) -> float:
        left = self._left - self._unsure - (sent - self._sent)
        return self._until - now if left <= 0 else 0.0

    def heard(self, told: Told, number: int, now: float, in_flight: int, sent: int) -> None:
        """Take the word of a reply: the last of those sent after the word before, else the least.

        Replies overtake each other. One that was sent before the word came and says more was counted before it: it is
        in what is left already. Of those still in flight nobody knows; they are taken for not counted yet.
        """
        if told.until <= now:
            return
        if now < self._until and number <= self._sent and told.left > self._left:
            self._unsure = max(0, self._unsure - 1)
            return
        self._left, self._until = told.left, told.until
        self._sent, self._unsure = sent, in_flight
