"""Values that are too unsure for a request: kept as attempts, with what they cost, and the waterfall goes on. Pure.

Requests without a minimum never come here: theirs is `waterfall.settle` alone.
"""

import msgspec

from des.contact import FREE, Attempt, FieldResult, FieldState
from des.providers.contract import Outcome, OutcomeKind
from des.providers.waterfall import Settled, Step, Tried, settle, settle_found

BELOW_CONFIDENCE = "BELOW_CONFIDENCE"


def settle_demanding(minimum: float, step: Step, outcome: Outcome, tried: Tried, now: float) -> Settled:
    """Decide as `settle` does, but that a value whose confidence is below the minimum (0 to 1) does not end its field.

    It is kept as an attempt: it may have been paid for. A field for which nothing surer comes ends `not_found`, and the
    best of those attempts says why.
    """
    if outcome.kind is not OutcomeKind.FOUND:
        settled = settle(step, outcome, tried, now)
    else:
        given = outcome.values
        unsure = [name for name in step.takes if name in given and given[name].confidence < minimum]
        settled = _without(step, outcome, unsure, tried, now) if unsure else settle(step, outcome, tried, now)
    return Settled(explained(settled.results), settled.next, settled.tried)


def explained(results: dict[str, FieldResult]) -> dict[str, FieldResult]:
    """The results, with those that were not found although something was given saying why it was not taken."""
    return {name: _explained(result) for name, result in results.items()}


def _explained(result: FieldResult) -> FieldResult:
    given = [one for one in result.attempts if one.value] if result.state is FieldState.NOT_FOUND else ()
    if not given:
        return result
    best = max(given, key=lambda one: one.confidence)
    return msgspec.structs.replace(result, reason=best.reason)


def _without(step: Step, outcome: Outcome, unsure: list[str], tried: Tried, now: float) -> Settled:
    """Settle an answer without these of its values. Its charge stands on a value that is taken, else on the first."""
    taken = {name: value for name, value in outcome.values.items() if name not in unsure}
    pays = not any(name in taken for name in step.takes)
    for name in unsure:
        value = outcome.values[name]
        attempt = Attempt(
            step.provider,
            outcome.kind.value,
            BELOW_CONFIDENCE,
            outcome.cost if pays else FREE,
            outcome.saved if pays else FREE,
            outcome.call_id if pays else None,
            value.value,
            value.confidence,
        )
        tried, pays = (*tried, ((name,), attempt)), False
    rest = outcome if any(name in taken for name in step.takes) else _free(outcome)
    return settle_found(step, msgspec.structs.replace(rest, values=taken), tried, now, frozenset(unsure))


def _free(outcome: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, cost=FREE, saved=FREE, call_id=None)
