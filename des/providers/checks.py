"""Verification: an address that was found is shown to those who can tell whether it is right. Pure.

    found ──▶ Check of the first verifier ──unknown──▶ Check of the next … ──▶ taken, with what they said
                         └──invalid──▶ an attempt like any other, and the waterfall goes on

While an address is checked its result stands among those of its contact, as found: if nothing more comes, it is kept.
An error of a verifier is no word about the address: it leaves it `unknown`, which is taken.
"""

from collections.abc import Mapping
from typing import assert_never

import msgspec

from des.contact import Attempt, FieldResult, FieldState
from des.providers.contract import VERDICT, Outcome, OutcomeKind, Verification
from des.providers.demanding import BELOW_CONFIDENCE, INVALID, explained
from des.providers.waterfall import Check, Settled, Tried, attempts_for, ended, not_found

SUPPRESSED = "SUPPRESSED"

_WORDS = {word.value: word for word in Verification}

Results = Mapping[str, FieldResult]


def settle_check(
    minimum: float, check: Check, outcome: Outcome, *, results: Results, tried: Tried, now: float
) -> Settled:
    """Decide what a verifier's outcome means for a contact with these results, the checked one among them.

    The results that it answers are all that the contact has then.
    """
    said = _verdict(outcome)
    tried = (*tried, ((check.checks,), _attempt(check, outcome, said)))
    if outcome.kind is OutcomeKind.SUPPRESSED:
        return _suppressed(check, outcome, results, tried, now)
    if said is Verification.UNKNOWN and (asked := check.next_verifier()) is not None:
        return Settled(dict(results), asked, tried)
    result = msgspec.structs.replace(results[check.checks], verification=said.value)
    if said is Verification.VALID:
        result = msgspec.structs.replace(result, confidence=max(result.confidence, outcome.values[VERDICT].confidence))
    reason = INVALID if said is Verification.INVALID else BELOW_CONFIDENCE if result.confidence < minimum else ""
    if not reason:
        taken = msgspec.structs.replace(result, attempts=attempts_for(check.checks, tried))
        return Settled({**results, check.checks: taken}, check.taken(), tried)
    tried = _before_verifiers(check, _loser(result, reason), tried)
    next_, exhausted = check.refused()
    left = {name: one for name, one in results.items() if name != check.checks}
    return Settled(left | explained(not_found(exhausted, tried, now)), next_, tried)


def unverified(minimum: float, check: Check, results: Results, tried: Tried) -> tuple[dict[str, FieldResult], Tried]:
    """What a contact has whose values will not be checked any more: those that are sure enough as they are."""
    left = dict(results)
    for name in check.provisional:
        if results[name].confidence < minimum:
            tried = (*tried, ((name,), _loser(left.pop(name), BELOW_CONFIDENCE)))
    return left, tried


def _verdict(outcome: Outcome) -> Verification:
    """What a verifier says of an address; whatever is no answer says nothing of it."""
    match outcome.kind:
        case OutcomeKind.FOUND:
            value = outcome.values.get(VERDICT)
            return _WORDS.get(value.value, Verification.UNKNOWN) if value is not None else Verification.UNKNOWN
        case (
            OutcomeKind.MISS
            | OutcomeKind.INVALID_INPUT
            | OutcomeKind.SUPPRESSED
            | OutcomeKind.RATE_LIMITED
            | OutcomeKind.QUOTA_EXHAUSTED
            | OutcomeKind.UNAUTHORIZED
            | OutcomeKind.TRANSIENT
            | OutcomeKind.PENDING
            | OutcomeKind.UNKNOWN
        ):
            return Verification.UNKNOWN
        case _:
            assert_never(outcome.kind)


def _attempt(check: Check, outcome: Outcome, said: Verification) -> Attempt:
    value = outcome.values.get(VERDICT)
    reason = value.evidence if value is not None else outcome.reason
    return Attempt(
        check.provider,
        outcome.kind.value,
        reason,
        outcome.cost,
        outcome.saved,
        outcome.call_id,
        verification=said.value,
    )


def _loser(result: FieldResult, reason: str) -> Attempt:
    """A value that is not taken, as an attempt."""
    return Attempt(
        result.provider,
        OutcomeKind.FOUND.value,
        reason,
        result.cost,
        result.saved,
        result.call_id,
        result.value,
        result.confidence,
        result.verification,
    )


def _suppressed(check: Check, outcome: Outcome, results: Results, tried: Tried, now: float) -> Settled:
    """The person asked not to be processed: nothing that is open or being checked is kept, but for what it cost."""
    for name in check.provisional:
        one = results[name]
        loser = Attempt(one.provider, OutcomeKind.FOUND.value, SUPPRESSED, one.cost, one.saved, one.call_id)
        tried = _before_verifiers(check, loser, tried) if name == check.checks else (*tried, ((name,), loser))
    fields = [*check.provisional, *[name for name, _ in check.cursor]]
    reason = outcome.reason or SUPPRESSED
    ends = ended(check, fields, FieldState.SUPPRESSED, reason=reason, tried=tried, now=now)
    return Settled({**results, **ends}, None, tried)


def _before_verifiers(check: Check, attempt: Attempt, tried: Tried) -> Tried:
    at = len(tried) - check.turn - 1
    return (*tried[:at], ((check.checks,), attempt), *tried[at:])
