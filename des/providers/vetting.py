"""What comes from outside is made such that it can be kept, before anything else sees it.

A vendor may say anything, and so may a provider that somebody else wrote: a NUL, half of a surrogate pair, a cost that
is no number, a time in the year 59009, a dict where a Value should be. Postgres refuses the first, JSON the second, the
ledger the third, each at a place where an answer that was paid for would go down with its neighbours. So outcomes are
written and read once more: what comes out has the types it should have. That costs 1 µs an outcome (`Traits.trusted`
ones are not looked at).
"""

import math
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from des.contact import FREE
from des.limits import COST_MAX, HANDLE_BYTES_MAX
from des.providers.contract import Outcome, OutcomeKind, Traits, Value
from des.telemetry import Event, logger

log = logger(__name__)

RETRY_AFTER_S_MAX = 86_400.0
"""Whatever was said, a provider is looked at daily."""
POLL_AFTER_S_MAX = 86_400.0
"""Jobs are looked at daily at least, whatever was said."""
TEXT_CHARS_MAX = 1_000
"""Of a reason, a reference, what a value rests on: what is longer is cut."""

_encode: Final = msgspec.json.Encoder().encode
_read_all: Final = msgspec.json.Decoder(list[Outcome]).decode
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_WRONG: Final = (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, AttributeError, RecursionError)
_NUL: Final = rb"\u0000"


def vetted(outcomes: Sequence[Outcome], traits: Traits, otherwise: Outcome, now: float) -> Sequence[Outcome]:
    """Return outcomes that can be kept: equal to these where all is well.

    Characters that nothing can store are left out, texts are cut, a cost that is none becomes the most that it can be,
    and times that are too far from `now` (seconds since the epoch) the farthest that can be meant. `otherwise` takes
    the place of one that is no outcome at all.
    """
    try:
        encoded = _encode(outcomes)
        read = _read_all(encoded)
        is_plain = _NUL not in encoded and len(encoded) <= TEXT_CHARS_MAX * len(read)
        if is_plain and read == list(outcomes) and all(_is_sound(one, traits, now) for one in read):
            return read
    except _WRONG:
        pass
    return [_vetted(one, traits, otherwise, now) for one in outcomes]


def is_handle(text: str) -> bool:
    """Tell whether a call can be kept under this handle."""
    return len(text) <= HANDLE_BYTES_MAX and not _UNSTORABLE.search(text) and len(text.encode()) <= HANDLE_BYTES_MAX


def _is_sound(outcome: Outcome, traits: Traits, now: float) -> bool:
    """Whether what is found is something, and numbers, times and handle can be kept."""
    for value in outcome.values.values():
        if not (value.value and 0.0 <= value.confidence <= 1.0):
            return False
    return (
        0.0 <= outcome.cost <= (COST_MAX if traits.paid else FREE)
        and (bool(outcome.values) or outcome.kind is not OutcomeKind.FOUND)
        and (outcome.retry_at is None or 0.0 <= outcome.retry_at <= now + RETRY_AFTER_S_MAX)
        and (outcome.poll_at is None or 0.0 <= outcome.poll_at <= now + POLL_AFTER_S_MAX)
        and len(outcome.handle) * 4 <= HANDLE_BYTES_MAX
    )


def _vetted(outcome: Outcome, traits: Traits, otherwise: Outcome, now: float) -> Outcome:
    try:
        values = {name: _kept(value) for name, value in outcome.values.items() if not _UNSTORABLE.search(name)}
        values = {name: value for name, value in values.items() if value.value}
        found_nothing = outcome.kind == OutcomeKind.FOUND and not values
        meant = msgspec.structs.replace(
            outcome,
            kind=OutcomeKind.MISS if found_nothing else outcome.kind,
            values=values,
            reason=_text(outcome.reason),
            reference=_text(outcome.reference),
            cost=_cost(outcome, traits),
            retry_at=_time(outcome.retry_at, now + RETRY_AFTER_S_MAX),
            poll_at=_time(outcome.poll_at, now + POLL_AFTER_S_MAX),
        )
        (kept,) = _read_all(_encode([meant]))
        if kept != meant:
            raise TypeError("a part of it is not of the type that it should be")
    except _WRONG as error:
        log.warning(Event.PROVIDER_FAILED, provider=traits.name, error=f"no outcome: {type(error).__name__}: {error}")
        return otherwise
    if is_handle(kept.handle):
        return kept
    log.warning(Event.PROVIDER_FAILED, provider=traits.name, error="no outcome: its handle cannot be kept")
    return otherwise


def _kept(value: Value) -> Value:
    confidence = min(max(value.confidence, 0.0), 1.0) if math.isfinite(value.confidence) else 0.0
    return Value(_UNSTORABLE.sub("", value.value), confidence, _text(value.verification), _text(value.evidence))


def _time(said: float | None, latest: float) -> float | None:
    """Seconds since the epoch, at most `latest`; None where it is no time."""
    if said is None or math.isnan(said) or said < 0.0:
        return None
    return min(said, latest)


def _text(text: str) -> str:
    return _UNSTORABLE.sub("", text)[:TEXT_CHARS_MAX]


def _cost(outcome: Outcome, traits: Traits) -> float:
    """The cost that was said, or the most that it can be: in doubt a cap holds."""
    if not traits.paid:
        return FREE
    if 0.0 <= outcome.cost <= COST_MAX:
        return outcome.cost
    price = traits.price_max(tuple(outcome.values))
    log.warning(Event.PROVIDER_FAILED, provider=traits.name, error=f"a cost of {outcome.cost}: counted as {price}")
    return price
