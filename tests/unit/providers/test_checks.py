"""Verification in the waterfall: what is wrong ends no field, what nobody can tell is taken, and no charge is lost."""

from collections.abc import Mapping
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from des.contact import FieldResult, FieldState
from des.providers.checks import settle_check, unverified
from des.providers.contract import MISS, VERDICT, Outcome, OutcomeKind, Value, Verification
from des.providers.demanding import settle_demanding
from des.providers.waterfall import Check, Tried, Waterfall

GIVES = dict.fromkeys(("a", "b"), frozenset({"email", "phone", "private"}))
PLAN = Waterfall(
    {"email": ("a", "b"), "phone": ("b",), "private": ("a",)},
    GIVES,
    verify={"email": ("mx", "vendor"), "private": ("mx",)},
)
CALL = UUID(int=7)


def found(sure: float = 0.6, word: str = "", cost: float = 0.0, **values: str) -> Outcome:
    """An answer with these values."""
    each = {name: Value(value, sure, word if name != "phone" else "") for name, value in values.items()}
    return Outcome(OutcomeKind.FOUND, each, cost=cost, call_id=CALL if cost else None)


def says(word: Verification, sure: float = 0.95, cost: float = 0.0, why: str = "") -> Outcome:
    """A verifier's word."""
    value = Value(word.value, sure, evidence=why)
    return Outcome(OutcomeKind.FOUND, {VERDICT: value}, cost=cost, call_id=CALL if cost else None)


Answers = Mapping[str, Outcome]
VALID, INVALID, UNKNOWN = says(Verification.VALID), says(Verification.INVALID, why="NO_MX"), says(Verification.UNKNOWN)


class Way:
    """One contact on its way: who is asked, what it has, and what all of that has cost."""

    def __init__(self, fields: tuple[str, ...], minimum: float = 0.0) -> None:
        self.step, _ = PLAN.start(fields)
        self.minimum = minimum
        self.results: dict[str, FieldResult] = {}
        self.tried: Tried = ()
        self.asked: list[str] = []
        self.charged = 0.0

    def go(self, answers: Answers, until: str = "") -> dict[str, FieldResult]:
        """Let everybody answer, until it is the turn of one."""
        while self.step is not None and self.step.provider != until:
            step, outcome = self.step, answers.get(self.step.provider, MISS)
            self.asked.append(step.provider)
            self.charged += outcome.cost
            if isinstance(step, Check):
                settled = settle_check(self.minimum, step, outcome, results=self.results, tried=self.tried, now=1.0)
                self.results = settled.results
            else:
                settled = settle_demanding(self.minimum, step, outcome, self.tried, 1.0)
                self.results |= settled.results
            self.step, self.tried = settled.next, settled.tried
        return self.results


def test_what_is_valid_is_taken_with_the_word_and_surer() -> None:
    way = Way(("email",))
    result = way.go({"a": found(email="x@y.z"), "mx": UNKNOWN, "vendor": VALID})["email"]
    assert way.asked == ["a", "mx", "vendor"]
    assert (result.state, result.value, result.provider) == (FieldState.FOUND, "x@y.z", "a")
    assert (result.verification, result.confidence) == ("valid", 0.95)
    assert [(one.provider, one.verification) for one in result.attempts] == [("mx", "unknown"), ("vendor", "valid")]


def test_what_is_invalid_ends_no_field() -> None:
    way = Way(("email",))
    answers = {"a": found(email="x@y.z", cost=2.0), "mx": INVALID, "b": found(email="u@v.w", word="valid")}
    assert way.go(answers, until="b") == {}, "nothing of it is kept, should the contact end here"
    result = way.go(answers)
    assert way.asked == ["a", "mx", "b"], "what its provider has verified is not verified again"
    assert (result["email"].value, result["email"].provider) == ("u@v.w", "b")
    loser, verifier = result["email"].attempts
    assert (loser.provider, loser.outcome, loser.reason, loser.value) == ("a", "found", "INVALID", "x@y.z")
    assert (loser.verification, loser.cost, loser.call_id) == ("invalid", 2.0, CALL)
    assert (verifier.provider, verifier.reason, verifier.verification) == ("mx", "NO_MX", "invalid")


def test_where_all_are_invalid_it_is_not_found_and_says_so() -> None:
    result = Way(("email",)).go({"a": found(email="x@y.z"), "b": found(email="u@v.w"), "mx": INVALID})["email"]
    assert (result.state, result.value, result.reason) == (FieldState.NOT_FOUND, "", "INVALID")
    assert [one.provider for one in result.attempts] == ["a", "mx", "b", "mx"]


def test_what_its_own_provider_calls_invalid_is_shown_to_nobody() -> None:
    way = Way(("email",))
    result = way.go({"a": found(email="x@y.z", word="invalid"), "b": MISS})["email"]
    assert way.asked == ["a", "b"]
    assert (result.state, result.reason) == (FieldState.NOT_FOUND, "INVALID")


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind not in {"found", "suppressed"}])
def test_a_verifier_that_gives_no_answer_leaves_it_unknown(kind: OutcomeKind) -> None:
    trouble = Outcome(kind, reason="TIMEOUT")
    result = Way(("email",)).go({"a": found(email="x@y.z"), "mx": trouble, "vendor": trouble})["email"]
    assert (result.state, result.verification, result.confidence) == (FieldState.FOUND, "unknown", 0.6)
    assert {(one.outcome, one.reason) for one in result.attempts} == {(kind.value, "TIMEOUT")}


def test_a_word_that_is_none_of_ours_says_nothing() -> None:
    odd = Outcome(OutcomeKind.FOUND, {VERDICT: Value("perhaps")})
    result = Way(("email",)).go({"a": found(email="x@y.z"), "mx": odd, "vendor": Outcome(OutcomeKind.FOUND)})["email"]
    assert (result.state, result.verification) == (FieldState.FOUND, "unknown")


def test_confidence_counts_when_it_has_been_verified() -> None:
    answers = {"a": found(email="x@y.z"), "vendor": VALID, "mx": UNKNOWN}
    assert Way(("email",), minimum=0.9).go(answers)["email"].value == "x@y.z"
    result = Way(("email",), minimum=0.9).go({**answers, "vendor": UNKNOWN})["email"]
    assert (result.state, result.reason) == (FieldState.NOT_FOUND, "BELOW_CONFIDENCE")
    assert [(one.provider, one.value) for one in result.attempts][:3] == [("a", "x@y.z"), ("mx", ""), ("vendor", "")]


def test_fields_beside_it_go_on_with_it() -> None:
    way = Way(("email", "phone", "private"))
    results = way.go({"a": found(email="x@y.z", private="q@r.s"), "b": found(phone="+4930"), "mx": UNKNOWN})
    assert way.asked == ["a", "mx", "vendor", "mx", "b"]
    assert {name: (one.state, one.verification) for name, one in results.items()} == {
        "email": (FieldState.FOUND, "unknown"),
        "private": (FieldState.FOUND, "unknown"),
        "phone": (FieldState.FOUND, ""),
    }


def test_whoever_asked_not_to_be_processed_is_not_found_by_anybody() -> None:
    way = Way(("email", "phone", "private"))
    both = found(email="x@y.z", private="q@r.s", cost=2.0)
    results = way.go({"a": both, "mx": Outcome(OutcomeKind.SUPPRESSED, reason="HTTP_451", cost=1.0, call_id=CALL)})
    assert {one.state for one in results.values()} == {FieldState.SUPPRESSED}
    assert not [line for one in results.values() for line in one.lines if getattr(line, "value", "")]
    assert sum(line.cost for one in results.values() for line in one.lines) == way.charged == 3.0


def test_what_is_not_checked_any_more_is_kept_where_it_is_sure_enough() -> None:
    for minimum, kept in ((0.5, True), (0.7, False)):
        way = Way(("email", "phone"), minimum)
        way.go({"a": found(email="x@y.z", cost=2.0)}, until="mx")
        assert isinstance(way.step, Check)
        left, tried = unverified(minimum, way.step, way.results, way.tried)
        assert ("email" in left) is kept
        assert sum(one.cost for one in left.values()) + sum(one.cost for _, one in tried) == 2.0


words = st.sampled_from([says(word, sure, cost) for word in Verification for sure in (0.3, 0.9) for cost in (0.0, 0.5)])
troubles = st.sampled_from([Outcome(kind) for kind in OutcomeKind if kind not in {"found", "suppressed"}])
answers_of_providers = st.one_of(
    st.just(MISS),
    st.builds(
        lambda names, sure, word, cost: found(sure, word, cost, **{name: f"{name}@{sure}" for name in names}),
        st.sets(st.sampled_from(("email", "phone", "private")), min_size=1),
        st.sampled_from((0.2, 0.6, 1.0)),
        st.sampled_from(("", *[word.value for word in Verification])),
        st.sampled_from((0.0, 1.0)),
    ),
)
everybody = st.fixed_dictionaries(
    {"a": answers_of_providers, "b": answers_of_providers, "mx": words | troubles, "vendor": words | troubles}
)


@given(everybody, st.sets(st.sampled_from(("email", "phone", "private")), min_size=1), st.sampled_from((0.0, 0.5, 0.9)))
def test_every_field_ends_once_and_no_charge_and_no_promise_is_lost(
    answers: Answers, fields: set[str], minimum: float
) -> None:
    way = Way(tuple(sorted(fields)), minimum)
    results = way.go(answers)
    assert results.keys() == fields
    lines = [line for result in results.values() for line in result.lines]
    assert sum(line.cost for line in lines) == way.charged
    for name, result in results.items():
        if result.state is FieldState.FOUND:
            assert result.confidence >= minimum
            assert name == "phone" or result.verification not in {"", "invalid"}
            assert name == "phone" or result.verification != "unknown" or {"mx", "vendor"} & set(way.asked)
