"""What comes from outside is made such that it can be kept, before anything else sees it.

A vendor may say anything, and so may a provider that somebody else wrote: a NUL, half of a surrogate pair, a cost that
is no number. Postgres refuses the first, JSON the second, the ledger the third, each at a place where an answer that
was paid for would go down with its neighbours. Here it costs 1 µs an outcome (`Traits.trusted` ones are not looked at).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from des.contact import FREE
from des.limits import COST_MAX, HANDLE_BYTES_MAX
from des.providers.contract import Outcome, OutcomeKind, Traits, Value
from des.telemetry import Event, logger

log = logger(__name__)

TEXT_CHARS_MAX = 1_000
"""Of a reason, a reference, what a value rests on: what is longer is cut."""

_encode: Final = msgspec.json.Encoder().encode
_read_all: Final = msgspec.json.Decoder(list[Outcome]).decode
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_WRONG: Final = (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, AttributeError)
_NUL: Final = rb"\u0000"


def vetted(outcomes: Sequence[Outcome], traits: Traits, otherwise: Outcome) -> Sequence[Outcome]:
    """Return outcomes that can be kept: the same where all is well.

    Characters that nothing can store are left out, texts are cut, a cost that is none becomes the most that it can be.
    `otherwise` takes the place of one that is no outcome at all.
    """
    try:
        encoded = _encode(outcomes)
        _read_all(encoded)
        is_plain = _NUL not in encoded and len(encoded) <= TEXT_CHARS_MAX * len(outcomes)
        if is_plain and all(_is_sound(one, traits) for one in outcomes):
            return outcomes
    except _WRONG:
        pass
    return [_vetted(one, traits, otherwise) for one in outcomes]


def is_handle(text: str) -> bool:
    """Tell whether a call can be kept under this handle."""
    return len(text) <= HANDLE_BYTES_MAX and not _UNSTORABLE.search(text) and len(text.encode()) <= HANDLE_BYTES_MAX


def _is_sound(outcome: Outcome, traits: Traits) -> bool:
    """Whether its kind is one, and cost and handle can be kept."""
    cost_max = COST_MAX if traits.paid else FREE
    if type(outcome.kind) is not OutcomeKind:
        return False
    return 0.0 <= outcome.cost <= cost_max and len(outcome.handle) * 4 <= HANDLE_BYTES_MAX


def _vetted(outcome: Outcome, traits: Traits, otherwise: Outcome) -> Outcome:
    try:
        values = {name: _kept(value) for name, value in outcome.values.items()}
        values = {name: value for name, value in values.items() if value.value}
        found_nothing = outcome.kind is OutcomeKind.FOUND and not values
        kept = msgspec.structs.replace(
            outcome,
            kind=OutcomeKind.MISS if found_nothing else OutcomeKind(outcome.kind),
            values=values,
            reason=_text(outcome.reason),
            reference=_text(outcome.reference),
            cost=_cost(outcome, traits),
        )
        _read_all(_encode([kept]))
    except _WRONG as error:
        log.warning(Event.PROVIDER_FAILED, provider=traits.name, error=f"no outcome: {type(error).__name__}: {error}")
        return otherwise
    if is_handle(kept.handle):
        return kept
    log.warning(Event.PROVIDER_FAILED, provider=traits.name, error="no outcome: its handle cannot be kept")
    return otherwise


def _kept(value: Value) -> Value:
    return Value(_UNSTORABLE.sub("", value.value), value.confidence, _text(value.verification), _text(value.evidence))


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
