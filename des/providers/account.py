"""A vendor account: what may be asked of it now, by our count and by the vendor's own word.

The transport takes a permit for each request where the request is made, and tells the account what came back; the
dispatcher looks at it before it takes questions. So whatever a provider sends counts, and nothing counts twice.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from des.clock import Clock
from des.providers.limiter import Limiter, Request, Told
from des.providers.rate_headers import COMMON, Headers, Window, left_in, reset_at, retry_after

PATIENCE_S = 1.0
"""How long a request waits for its permit where its call has begun: half of a bulk call, a look for a late answer."""
LOOK_S = 0.1
"""What nobody can tell the end of is looked at again after this long."""
UNTOLD_S_MAX = 3_600.0
"""A spent window without a reset is looked at again after this long, however long it is."""
_SLOW_DOWN = frozenset({429, 503})
"""Statuses whose Retry-After closes the account for everybody (RFC 6585, RFC 9110)."""


class Account:
    """Limits of one account, fed by its replies."""

    def __init__(
        self, clock: Clock, rates: Sequence[tuple[int, float]] = (), windows: Sequence[Window] = COMMON
    ) -> None:
        """Take the rates as (requests, seconds), and where replies tell of the vendor's own windows."""
        self.limiter = Limiter(rates)
        self._clock = clock
        self._windows = windows

    def permit_now(self) -> Request | None:
        """Count one request that goes out now; None where it has to wait."""
        now = self._clock.monotonic()
        return None if self.limiter.delay_s(now) > 0 else self.limiter.send(now)

    async def permit(self) -> Request | None:
        """Count one request that goes out now or after PATIENCE_S at most; None where it would have to wait longer."""
        until = self._clock.monotonic() + PATIENCE_S
        while (delay := self.limiter.delay_s(now := self._clock.monotonic())) > 0:
            if now >= until or LOOK_S < delay > until - now:
                return None
            await self._clock.sleep(min(delay, LOOK_S))
        return self.limiter.send(now)

    def replied(self, request: Request, status: int, headers: Headers) -> None:
        """Hear the head of a reply."""
        now, time = self._clock.monotonic(), self._clock.time()
        told: list[Told] = []
        for window in self._windows:
            left = left_in(headers, window)
            if left is None:
                continue
            reset = reset_at(headers, window, time)
            after_s = min(window.per_s, UNTOLD_S_MAX) if reset is None else reset - time
            if after_s > 0:
                told.append(Told(window.left, left, now + after_s))
        self.limiter.answered(request, now, told)
        if status in _SLOW_DOWN and (again := retry_after(headers, time)) is not None:
            self.limiter.close(now + again - time)


@runtime_checkable
class Metered(Protocol):
    """A provider whose requests are counted where they are made."""

    @property
    def account(self) -> Account:
        """The account that they go to; the same for the provider's whole life."""
