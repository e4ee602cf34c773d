"""Whether a provider may be asked now; if not, why and until when.

    limiter   the permitted rate is used up: by our count, or by the vendor's word
    pause     the vendor refused: its rate, its credits, our key
    breaker   it failed again and again

What the gate keeps out waits in the dispatcher's queue, and nobody else waits with it: each provider has its own gate.
"""

import math
import random
from collections.abc import Sequence
from typing import assert_never

from des.clock import Clock
from des.portion import Portion
from des.providers.account import Account, Metered
from des.providers.breaker import Breaker, BreakerState
from des.providers.contract import Outcome, OutcomeKind, Provider
from des.providers.fault import Fault
from des.stall import Stalled, StallReason
from des.telemetry import Event, logger

log = logger(__name__)

REFUSED_FIRST_S = 0.2
REFUSED_MAX_S = 30.0
"""A refused rate without a hint is waited for between these, doubled with each refusal in a row."""
PARKED_S = 60.0
"""A spent quota or a refused key is looked at again after this long where nobody says when, by one call."""
STALLED_S = 2.0
"""What ends within this is the ordinary pace of a rate, and no stall."""


class Gate:
    """The one of a provider. Times are monotonic seconds unless they are said to be of the epoch."""

    def __init__(self, provider: Provider, clock: Clock, chance: random.Random) -> None:
        """Take the provider, the clock, and what spreads retries. Where it has an account, that counts its requests."""
        self._name = provider.traits.name
        self._clock = clock
        self._random = chance
        self._breaker = Breaker()
        self._counts_itself = isinstance(provider, Metered)
        account = provider.account if isinstance(provider, Metered) else Account(clock, provider.traits.rate_windows)
        self._limiter = account.limiter
        self._paused_until = -math.inf
        self._reason = StallReason.RATE_LIMITED
        self._pauses = 0
        self._on_probation = self._probing = False

    @property
    def breaker(self) -> BreakerState:
        """Whether calls go out."""
        return self._breaker.state

    @property
    def paused(self) -> bool:
        """Whether it sends nothing for now but a call to see: rate limited, out of quota, refused, or failing.

        Until it has answered: the call to see that fails ends no pause.
        """
        return self._breaker.state is not BreakerState.CLOSED or self._on_probation or self._is_shut

    def delay_s(self) -> float:
        """Seconds until a call may go out; 0 when it may now, infinite where nobody can say."""
        if self._probing:
            return math.inf
        now = self._clock.monotonic()
        delay = max(self._paused_until - now, self._limiter.delay_s(now))
        if self._breaker.state is not BreakerState.CLOSED:
            delay = max(delay, self._breaker.delay_s(now))
        return max(0.0, delay)

    def stalled(self) -> Stalled | None:
        """Why nothing goes out for longer than a moment; None when calls go out. The longest of several counts."""
        now = self._clock.monotonic()
        waits = [
            (self._paused_until - now, self._reason),
            (self._limiter.delay_s(now), StallReason.RATE_LIMITED),
            (self._breaker.delay_s(now), StallReason.BREAKER_OPEN),
        ]
        wait_s, reason = max(waits, key=lambda wait: wait[0])
        if wait_s < STALLED_S:
            return None
        return Stalled(reason, None if math.isinf(wait_s) else self._clock.time() + wait_s)

    def passed(self, *, polls: bool = False) -> None:
        """Hear that a call goes out; `polls`: one that looks for late answers, and proves nothing.

        Where the provider counts its requests itself, they are counted by it.
        """
        if not polls:
            self._breaker.sent()
            self._probing = self._on_probation
        if not self._counts_itself:
            self._limiter.count(self._clock.monotonic())

    @property
    def _is_shut(self) -> bool:
        return self._paused_until > self._clock.monotonic()

    def heard(self, *, failed: bool, answered: bool, reason: str = "") -> bool:
        """Hear how a call ended: any failure, any answer; neither is a refusal. Whether that opened it for others.

        `reason`: what the provider said where it failed, for the log.
        """
        waited = self._breaker.state is not BreakerState.CLOSED or self._probing
        self._probing = False
        if failed:
            now = self._clock.monotonic()
            if self._breaker.failed(now):
                self._tell(StallReason.BREAKER_OPEN, self._breaker.delay_s(now), reason)
            return False
        self._breaker.succeeded()
        if answered:
            self._pauses = 0
            self._on_probation = False
        return waited

    def refused(self, outcomes: Sequence[Outcome]) -> None:
        """Pause for the longest that one of these refusals asks for."""
        longest, reason, said = 0.0, StallReason.RATE_LIMITED, ""
        for outcome in outcomes:
            if outcome.reason != Fault.NO_PERMIT.value:  # the vendor has not been asked: the limiter knows how long
                seconds = self._pause_s(outcome)
                if seconds >= longest:
                    longest, reason, said = seconds, _reason_of(outcome.kind), outcome.reason
        if longest <= 0:
            return
        if not (self._is_shut or self._breaker.state is BreakerState.OPEN):
            self._pauses += 1  # the calls that were out together are refused together: that is one refusal
        self.pause(longest, reason, said)

    def pause(self, seconds: float, reason: StallReason, said: str = "") -> None:
        """Let nothing out for a while; `said`: the provider's word for it, for the log."""
        until = self._clock.monotonic() + seconds
        if until > self._paused_until:
            self._paused_until, self._reason = until, reason
            self._on_probation = reason is not StallReason.RATE_LIMITED
        self._tell(reason, seconds, said)

    def _tell(self, reason: StallReason, seconds: float, said: str) -> None:
        log.warning(
            Event.PROVIDER_PAUSED, provider=self._name, reason=reason.value, seconds=round(seconds, 3), said=said
        )

    def allot(self, portion: Portion | None) -> None:
        """Use this portion of the permitted rate; None: nothing until the next is told."""
        self._limiter.allot(portion, self._clock.monotonic())

    def _pause_s(self, outcome: Outcome) -> float:
        if outcome.retry_at is not None and (hint := outcome.retry_at - self._clock.time()) > 0:
            return hint
        if outcome.kind is OutcomeKind.RATE_LIMITED:
            return min(REFUSED_MAX_S, REFUSED_FIRST_S * 2.0**self._pauses) * (0.5 + self._random.random() / 2)
        return PARKED_S


def _reason_of(kind: OutcomeKind) -> StallReason:
    match kind:
        case OutcomeKind.QUOTA_EXHAUSTED:
            return StallReason.QUOTA_EXHAUSTED
        case OutcomeKind.UNAUTHORIZED:
            return StallReason.UNAUTHORIZED
        case (
            OutcomeKind.RATE_LIMITED
            | OutcomeKind.FOUND
            | OutcomeKind.MISS
            | OutcomeKind.INVALID_INPUT
            | OutcomeKind.SUPPRESSED
            | OutcomeKind.TRANSIENT
            | OutcomeKind.PENDING
            | OutcomeKind.UNKNOWN
        ):
            return StallReason.RATE_LIMITED
        case _:
            assert_never(kind)
