"""Values that are not taken as they come: too unsure for a request, wrong, or to be verified first. Pure.

What is not taken is kept as an attempt, with what it cost, and the waterfall goes on. A request without a minimum, of
fields that nobody verifies, never comes here: its outcomes are decided by `waterfall.settle` alone.
"""

import msgspec

from des.contact import FREE, Attempt, FieldResult, FieldState
from des.providers.contract import Outcome, OutcomeKind, Value, Verification
from des.providers.waterfall import Cursor, Settled, Step, Tried, settle, settle_found

BELOW_CONFIDENCE = "BELOW_CONFIDENCE"
INVALID = "INVALID"

_NOT_SAID = frozenset({"", Verification.UNKNOWN.value})


def settle_demanding(minimum: float, step: Step, outcome: Outcome, tried: Tried, now: float) -> Settled:
    """Decide as `settle` does, but that not every value ends its field.

    One whose confidence is below the minimum (0 to 1) does not. Where the field has verifiers, one that its own
    provider calls invalid does not, and one of which that says nothing is shown to them before its confidence counts:
    they may be surer. A field for which nothing better comes ends `not_found`, and the best of its attempts says why.
    """
    if outcome.kind is not OutcomeKind.FOUND:
        settled = settle(step, outcome, tried, now)
        return Settled(explained(settled.results), settled.next, settled.tried)
    verify = step.plan.verify
    refused: dict[str, str] = {}
    pending: list[str] = []
    for name in step.takes:
        value = outcome.values.get(name)
        if value is None:
            continue
        if name in verify and value.verification in _NOT_SAID:
            pending.append(name)
        elif reason := _refusal(value, minimum, verified=name in verify):
            refused[name] = reason
    settled = _without(step, outcome, refused, tried, now) if refused else settle(step, outcome, tried, now)
    results = explained(settled.results)
    if not pending:
        return Settled(results, settled.next, settled.tried)
    cursor = settled.next.cursor if settled.next is not None else ()
    return Settled(results, step.plan.check(cursor, _where_refused(step, pending)), settled.tried)


def explained(results: dict[str, FieldResult]) -> dict[str, FieldResult]:
    """The results, with those that were not found although something was given saying why it was not taken."""
    return {name: _explained(result) for name, result in results.items()}


def _explained(result: FieldResult) -> FieldResult:
    given = [one for one in result.attempts if one.value] if result.state is FieldState.NOT_FOUND else ()
    if not given:
        return result
    best = max(given, key=lambda one: one.confidence)
    return msgspec.structs.replace(result, reason=best.reason)


def _refusal(value: Value, minimum: float, *, verified: bool) -> str:
    """Why a value is not taken; "" where it is."""
    if verified and value.verification == Verification.INVALID.value:
        return INVALID
    return BELOW_CONFIDENCE if value.confidence < minimum else ""


def _where_refused(step: Step, pending: list[str]) -> Cursor:
    """Fields to be checked, each with its place behind this provider, or where it was if that was not asked for it."""
    return tuple((name, at + 1 if name in step.asks else at) for name, at in step.cursor if name in pending)


def _without(step: Step, outcome: Outcome, refused: dict[str, str], tried: Tried, now: float) -> Settled:
    """Settle an answer without these of its values. Its charge stands on a value that is taken, else on the first."""
    taken = {name: value for name, value in outcome.values.items() if name not in refused}
    pays = not any(name in taken for name in step.takes)
    rest = _free(outcome) if pays else outcome
    for name, reason in refused.items():
        value = outcome.values[name]
        attempt = Attempt(
            step.provider,
            outcome.kind.value,
            reason,
            outcome.cost if pays else FREE,
            outcome.saved if pays else FREE,
            outcome.call_id if pays else None,
            value.value,
            value.confidence,
            value.verification,
        )
        tried, pays = (*tried, ((name,), attempt)), False
    return settle_found(step, msgspec.structs.replace(rest, values=taken), tried, now, frozenset(refused))


def _free(outcome: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, cost=FREE, saved=FREE, call_id=None)
