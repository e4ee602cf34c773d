"""What a status means, and what a missing reply means: the decisions that every HTTP provider shares.

A dialect is first of all a `StatusMap`; what its bodies say comes after. An answer that nobody described is never read
as a miss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from des.providers.contract import Outcome, OutcomeKind
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent
from des.providers.rate_headers import retry_after
from des.providers.transport import Reply

_OF_A_GATEWAY = (502, 504)
"""Bad Gateway and Gateway Timeout (RFC 9110, 15.6.3 and 15.6.5)."""


@dataclass(frozen=True, slots=True)
class StatusMap:
    """Outcome by status: the exact one, else that of its hundred (5 for 5xx), else `otherwise`.

    2xx is in the map only where the body has no say. What a gateway says in place of the vendor (502, 504) is no answer
    of the vendor: it may have done what it was asked for, and charged it.
    """

    exact: Mapping[int, OutcomeKind] = field(default_factory=dict)
    hundreds: Mapping[int, OutcomeKind] = field(default_factory=lambda: {5: OutcomeKind.TRANSIENT})
    otherwise: OutcomeKind = OutcomeKind.TRANSIENT

    def kind(self, status: int) -> OutcomeKind:
        """What the status alone means."""
        found = self.exact.get(status)
        if found is None and status in _OF_A_GATEWAY:
            return OutcomeKind.UNKNOWN
        return found if found is not None else self.hundreds.get(status // 100, self.otherwise)


def failed_call(error: CallFailed, *, paid: bool) -> Outcome:
    """Outcome of a call without a reply.

    A request that cannot be built from this contact will never be: `invalid_input`. What surely was not sent may be
    sent again; what may have been sent may not, where sending costs.
    """
    match error:
        case NotSent(fault=Fault.UNSENDABLE):
            kind = OutcomeKind.INVALID_INPUT
        case NotSent(fault=Fault.NO_PERMIT):
            kind = OutcomeKind.RATE_LIMITED
        case MaybeSent() if paid:
            kind = OutcomeKind.UNKNOWN
        case _:
            kind = OutcomeKind.TRANSIENT
    return Outcome(kind, reason=error.fault.value)


def unreadable(reason: str, *, paid: bool) -> Outcome:
    """Outcome of a reply that was to carry an answer and cannot be read: it may have been charged."""
    return Outcome(OutcomeKind.UNKNOWN if paid else OutcomeKind.TRANSIENT, reason=reason)


def refused(kind: OutcomeKind, reply: Reply, now: float, *, reason: str = "") -> Outcome:
    """Outcome that a status decided; `now` in seconds since the epoch. Reads Retry-After where waiting helps."""
    match kind:
        case OutcomeKind.RATE_LIMITED | OutcomeKind.TRANSIENT | OutcomeKind.QUOTA_EXHAUSTED:
            at = retry_at(reply, now)
        case _:
            at = None
    return Outcome(kind, reason=reason or f"HTTP_{reply.status}", retry_at=at)


def retry_at(reply: Reply, now: float) -> float | None:
    """Time (seconds since the epoch) that Retry-After names; see `rate_headers`."""
    return retry_after(reply.headers, now)
