"""Values that are too unsure for a request: none is taken, none is dropped, and what it cost stands on its attempt."""

from functools import partial
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from des.contact import FieldResult, FieldState
from des.providers.contract import MISS, Outcome, OutcomeKind, Source, Value
from des.providers.demanding import BELOW_CONFIDENCE, settle_demanding
from des.providers.waterfall import Tried, Waterfall, settle

GIVES = dict.fromkeys(("a", "b", "c"), frozenset({"email", "phone"}))
WATERFALL = Waterfall({"email": ("a", "b", "c"), "phone": ("b", "a")}, GIVES)
MINIMUM = 0.8


def found(cost: float = 0.0, call: int = 0, **values: float) -> Outcome:
    """An answer with these fields, each so sure."""
    return Outcome(
        OutcomeKind.FOUND,
        {name: Value(f"{name} of {sure}", sure) for name, sure in values.items()},
        cost=cost,
        call_id=UUID(int=call) if call else None,
    )


def run(answers: dict[str, Outcome], fields: tuple[str, ...] = ("email",)) -> dict[str, FieldResult]:
    """What becomes of a contact where each provider answers so."""
    step, _ = WATERFALL.start(fields)
    tried: Tried = ()
    results: dict[str, FieldResult] = {}
    while step is not None:
        settled = settle_demanding(MINIMUM, step, answers.get(step.provider, MISS), tried, 1.0)
        results |= settled.results
        step, tried = settled.next, settled.tried
    return results


def test_the_waterfall_goes_on_until_one_is_sure_enough() -> None:
    result = run({"a": found(email=0.5, cost=2.0, call=7), "b": found(email=MINIMUM, cost=1.0, call=8)})["email"]
    assert (result.state, result.provider, result.value, result.cost) == (FieldState.FOUND, "b", "email of 0.8", 1.0)
    (loser,) = result.attempts
    assert (loser.provider, loser.outcome, loser.reason) == ("a", "found", BELOW_CONFIDENCE)
    assert (loser.value, loser.confidence, loser.cost, loser.call_id) == ("email of 0.5", 0.5, 2.0, UUID(int=7))


def test_where_nothing_surer_comes_the_field_is_not_found_and_every_value_is_in_the_receipt() -> None:
    result = run({"a": found(email=0.5), "c": found(email=0.7)})["email"]
    assert (result.state, result.value, result.reason) == (FieldState.NOT_FOUND, "", BELOW_CONFIDENCE)
    assert [(one.provider, one.value) for one in result.attempts] == [
        ("a", "email of 0.5"), ("b", ""), ("c", "email of 0.7")
    ]  # fmt: skip


def test_nothing_at_all_is_no_matter_of_confidence() -> None:
    result = run({})["email"]
    assert (result.state, result.reason) == (FieldState.NOT_FOUND, "")


def test_an_error_after_an_unsure_value_is_an_error() -> None:
    result = run({"a": found(email=0.5), "b": Outcome(OutcomeKind.TRANSIENT, reason="HTTP_503")})["email"]
    assert (result.state, result.reason) == (FieldState.FAILED, "TRANSIENT: HTTP_503")
    assert [one.value for one in result.attempts] == ["email of 0.5"]


def test_what_was_spared_stands_on_the_attempt_too() -> None:
    kept = Outcome(OutcomeKind.FOUND, {"email": Value("x@y.z", 0.1)}, source=Source.ANSWER_STORE, saved=3.0)
    (loser, *_) = run({"a": kept})["email"].attempts
    assert (loser.cost, loser.saved) == (0.0, 3.0)


outcomes = st.one_of(
    st.just(MISS),
    st.just(Outcome(OutcomeKind.MISS, cost=1.0, call_id=UUID(int=1))),
    st.builds(
        lambda values, cost: found(cost, call=1 if cost else 0, **values),
        st.dictionaries(st.sampled_from(("email", "phone")), st.sampled_from((0.0, 0.5, 0.79, 0.8, 1.0)), min_size=1),
        st.sampled_from((0.0, 1.0, 2.5)),
    ),
)
FIELDS = (("email",), ("phone",), ("email", "phone"))


@given(st.dictionaries(st.sampled_from(("a", "b", "c")), outcomes), st.sampled_from(FIELDS))
def test_no_unsure_value_is_taken_and_no_charge_and_no_asked_value_is_lost(
    answers: dict[str, Outcome], fields: tuple[str, ...]
) -> None:
    step, _ = WATERFALL.start(fields)
    tried: Tried = ()
    results: dict[str, FieldResult] = {}
    charged = 0.0
    unsure: set[str] = set()
    while step is not None:
        outcome = answers.get(step.provider, MISS)
        charged += outcome.cost
        unsure |= {
            outcome.values[name].value
            for name in step.takes
            if name in outcome.values and outcome.values[name].confidence < MINIMUM
        }
        settled = settle_demanding(MINIMUM, step, outcome, tried, 1.0)
        assert results.keys().isdisjoint(settled.results)
        results |= settled.results
        step, tried = settled.next, settled.tried
    assert results.keys() == set(fields)
    assert all(one.confidence >= MINIMUM for one in results.values() if one.state is FieldState.FOUND)
    lines = [line for result in results.values() for line in result.lines]
    assert sum(line.cost for line in lines) == charged
    assert {one.value for result in results.values() for one in result.attempts if one.value} == unsure


@given(st.dictionaries(st.sampled_from(("a", "b", "c")), outcomes), st.sampled_from(FIELDS))
def test_a_minimum_of_nothing_changes_nothing(answers: dict[str, Outcome], fields: tuple[str, ...]) -> None:
    ends = []
    for decide in (settle, partial(settle_demanding, 0.0)):
        step, _ = WATERFALL.start(fields)
        tried: Tried = ()
        results: dict[str, FieldResult] = {}
        while step is not None:
            settled = decide(step, answers.get(step.provider, MISS), tried, 1.0)
            results |= settled.results
            step, tried = settled.next, settled.tried
        ends.append(results)
    assert ends[0] == ends[1]
