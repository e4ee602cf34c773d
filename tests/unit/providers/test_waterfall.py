"""The waterfall: who is asked next, and what every outcome means."""

from uuid import UUID

import pytest

from des.contact import FieldResult, FieldState
from des.providers.contract import MISS, Outcome, OutcomeKind, Value
from des.providers.waterfall import Tried, Waterfall, settle

CALL = UUID(int=9)
GIVES = {"a": frozenset({"email", "phone"}), "b": frozenset({"email"}), "c": frozenset({"email", "phone"})}
WATERFALL = Waterfall({"email": ("a", "b", "c"), "phone": ("a", "b", "c"), "shoe": ("b",)}, GIVES)


def test_fields_at_the_same_provider_share_a_call() -> None:
    step, nobody = WATERFALL.start(("email", "phone"))
    assert step is not None
    assert (step.provider, step.asks, nobody) == ("a", ("email", "phone"), ())


def test_a_provider_that_cannot_give_a_field_is_skipped_for_it() -> None:
    step, _ = WATERFALL.start(("email", "phone"))
    assert step is not None
    after, ended = step.after(frozenset())
    assert after is not None
    assert (after.provider, after.asks, ended) == ("b", ("email",), ())
    last, ended = after.after(frozenset({"email"}))
    assert last is not None
    assert (last.provider, last.asks, ended) == ("c", ("phone",), ())


def test_a_field_that_nobody_gives_is_told_at_once() -> None:
    step, nobody = WATERFALL.start(("shoe",))
    assert step is None
    assert nobody == ("shoe",)


def test_equal_states_share_their_step() -> None:
    one, _ = WATERFALL.start(("email", "phone"))
    other, _ = WATERFALL.start(("email", "phone"))
    assert one is other
    assert one is not None
    assert one.after(frozenset())[0] is one.after(frozenset())[0]


def test_found_keeps_the_receipt() -> None:
    step, _ = WATERFALL.start(("email",))
    assert step is not None
    missed = settle(step, MISS, (), 1.0)
    assert missed.next is not None
    assert missed.results == {}
    outcome = Outcome(OutcomeKind.FOUND, {"email": Value("x@y.z", 0.8, "valid", "seen")}, reference="r1", cost=1.0)
    result = settle(missed.next, outcome, missed.tried, 2.0).results["email"]
    assert (result.state, result.value, result.provider, result.confidence) == (FieldState.FOUND, "x@y.z", "b", 0.8)
    assert (result.reference, result.cost, result.at, result.evidence) == ("r1", 1.0, 2.0, "seen")
    assert [(attempt.provider, attempt.outcome) for attempt in result.attempts] == [("a", "miss")]


def test_a_found_answer_without_one_of_the_fields_is_a_miss_for_that_field() -> None:
    step, _ = WATERFALL.start(("email", "phone"))
    assert step is not None
    settled = settle(step, Outcome(OutcomeKind.FOUND, {"phone": Value("+4930")}), (), 1.0)
    assert list(settled.results) == ["phone"]
    assert settled.next is not None
    assert (settled.next.provider, settled.next.asks) == ("b", ("email",))
    assert [fields for fields, _ in settled.tried] == [("email",)]


@pytest.mark.parametrize("kind", [OutcomeKind.MISS, OutcomeKind.INVALID_INPUT])
def test_only_these_move_on(kind: OutcomeKind) -> None:
    step, _ = WATERFALL.start(("email",))
    assert step is not None
    settled = settle(step, Outcome(kind, reason="why"), (), 1.0)
    assert settled.next is not None
    assert settled.next.provider == "b"


@pytest.mark.parametrize(
    "kind",
    [
        OutcomeKind.RATE_LIMITED,
        OutcomeKind.QUOTA_EXHAUSTED,
        OutcomeKind.UNAUTHORIZED,
        OutcomeKind.TRANSIENT,
        OutcomeKind.PENDING,
        OutcomeKind.UNKNOWN,
    ],
)
def test_an_error_is_never_a_miss(kind: OutcomeKind) -> None:
    step, _ = WATERFALL.start(("email", "phone"))
    assert step is not None
    settled = settle(step, Outcome(kind, reason="why"), (), 1.0)
    assert settled.next is None
    assert {result.state for result in settled.results.values()} == {FieldState.FAILED}
    assert {result.reason for result in settled.results.values()} == {f"{kind.value.upper()}: why"}


def test_an_error_in_one_field_leaves_the_others_their_waterfall() -> None:
    plan = Waterfall({"email": ("b",), "phone": ("c",)}, GIVES)
    step, _ = plan.start(("email", "phone"))
    assert step is not None
    settled = settle(step, Outcome(OutcomeKind.UNKNOWN), (), 1.0)
    assert settled.results["email"].state is FieldState.FAILED
    assert settled.next is not None
    assert settled.next.provider == "c"


def test_a_suppressed_person_is_asked_of_nobody_else() -> None:
    plan = Waterfall({"email": ("b",), "phone": ("c",)}, GIVES)
    step, _ = plan.start(("email", "phone"))
    assert step is not None
    settled = settle(step, Outcome(OutcomeKind.SUPPRESSED), (), 1.0)
    assert settled.next is None
    assert {name: result.state for name, result in settled.results.items()} == {
        "email": FieldState.SUPPRESSED,
        "phone": FieldState.SUPPRESSED,
    }


def test_not_found_names_everyone_who_was_asked() -> None:
    plan = Waterfall({"email": ("a", "b")}, GIVES)
    step, _ = plan.start(("email",))
    assert step is not None
    first = settle(step, MISS, (), 1.0)
    assert first.next is not None
    last = settle(first.next, MISS, first.tried, 1.0)
    assert last.next is None
    result = last.results["email"]
    assert result.state is FieldState.NOT_FOUND
    assert [attempt.provider for attempt in result.attempts] == ["a", "b"]


def test_free_providers_come_before_paid_ones_so_that_fields_share_the_paid_call() -> None:
    gives = dict.fromkeys(("own", "guess", "vendor"), frozenset({"email", "phone"}))
    plan = Waterfall({"email": ("own", "guess", "vendor"), "phone": ("own", "vendor")}, gives, paid={"vendor"})
    step, _ = plan.start(("email", "phone"))
    asked = []
    while step is not None:
        asked.append((step.provider, step.asks))
        step = step.after(frozenset())[0]
    assert asked == [("own", ("email", "phone")), ("guess", ("email",)), ("vendor", ("email", "phone"))]


def test_a_value_that_comes_along_is_taken_and_the_charge_stands_once() -> None:
    gives = dict.fromkeys(("one", "two"), frozenset({"email", "phone"}))
    plan = Waterfall({"email": ("one", "two"), "phone": ("two", "one")}, gives, paid={"one", "two"})
    step, _ = plan.start(("email", "phone"))
    assert step is not None
    assert step.asks == ("email",)
    both = {"email": Value("x@y.z"), "phone": Value("+4930")}
    settled = settle(step, Outcome(OutcomeKind.FOUND, both, cost=2.0), (), 1.0)
    assert settled.next is None
    assert [result.cost for result in settled.results.values()] == [2.0, 0.0]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(OutcomeKind.MISS, cost=2.0, call_id=CALL),
        Outcome(OutcomeKind.MISS, reason="NO_VALUE", cost=2.0, call_id=CALL),
        Outcome(OutcomeKind.FOUND, {"shoe": Value("42")}, cost=2.0, call_id=CALL),
        Outcome(OutcomeKind.FOUND, {"phone": Value("+4930")}, cost=2.0, call_id=CALL),
        Outcome(OutcomeKind.SUPPRESSED, cost=2.0, call_id=CALL),
    ],
    ids=["miss", "miss with a reason", "nothing of what was asked", "half of it", "suppressed"],
)
def test_a_charge_stands_on_the_receipt_once_whatever_it_bought(outcome: Outcome) -> None:
    step, _ = WATERFALL.start(("email", "phone"))
    tried: Tried = ()
    results: dict[str, FieldResult] = {}
    while step is not None:
        settled = settle(step, outcome if step.provider == "a" else MISS, tried, 1.0)
        results |= settled.results
        step, tried = settled.next, settled.tried
    shown = [(one.cost, one.call_id) for result in results.values() for one in result.lines if one.cost]
    assert shown == [(2.0, CALL)]
    assert results.keys() == {"email", "phone"}
