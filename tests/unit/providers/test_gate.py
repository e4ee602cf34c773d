"""Whether a provider may be asked, why not, and until when; on times of our own."""

import math
import random

import pytest
from structlog.testing import capture_logs

from des.providers.breaker import BreakerState
from des.providers.contract import Outcome, OutcomeKind, Question, Traits
from des.providers.gate import PARKED_S, Gate
from des.stall import Stalled, StallReason
from des.telemetry import Event

NOW = 1_790_000_000.0


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return NOW + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Silent:
    """A provider that is only described."""

    def __init__(self, *rates: tuple[int, float]) -> None:
        self.traits = Traits("p", frozenset({"email"}), rate_windows=rates)

    async def start(self) -> None:
        pass

    async def ask(self, questions: list[Question]) -> list[Outcome]:
        raise AssertionError("nobody asks it here")

    async def stop(self) -> None:
        pass


def gate_of(*rates: tuple[int, float]) -> tuple[Gate, HandClock]:
    clock = HandClock()
    return Gate(Silent(*rates), clock, random.Random(1)), clock  # type: ignore[arg-type] # lists are sequences


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OutcomeKind.RATE_LIMITED, StallReason.RATE_LIMITED),
        (OutcomeKind.QUOTA_EXHAUSTED, StallReason.QUOTA_EXHAUSTED),
        (OutcomeKind.UNAUTHORIZED, StallReason.UNAUTHORIZED),
    ],
)
def test_a_refusal_parks_the_provider_and_says_why_and_until_when(kind: OutcomeKind, reason: StallReason) -> None:
    gate, clock = gate_of()
    gate.refused([Outcome(kind, retry_at=NOW + 20), Outcome(kind, retry_at=NOW + 30)])
    assert gate.stalled() == Stalled(reason, NOW + 30)
    assert gate.delay_s() == 30
    clock.now = 30
    assert gate.stalled() is None
    assert gate.delay_s() == 0


def test_a_spent_quota_is_looked_at_again_by_one_call() -> None:
    gate, clock = gate_of()
    gate.refused([Outcome(OutcomeKind.QUOTA_EXHAUSTED)])
    assert gate.delay_s() == PARKED_S
    clock.now = PARKED_S
    gate.passed()
    assert gate.delay_s() == math.inf
    gate.heard(failed=False, answered=False)
    gate.refused([Outcome(OutcomeKind.QUOTA_EXHAUSTED)])
    assert gate.delay_s() == PARKED_S
    clock.now = 2 * PARKED_S
    gate.passed()
    assert gate.heard(failed=False, answered=True), "the others are let out"
    gate.passed()
    assert gate.delay_s() == 0


def test_a_look_for_late_answers_is_no_probe() -> None:
    gate, clock = gate_of()
    gate.refused([Outcome(OutcomeKind.UNAUTHORIZED)])
    clock.now = PARKED_S
    gate.passed(polls=True)
    assert gate.delay_s() == 0


def test_a_breaker_whose_probe_is_refused_does_not_wait_for_ever() -> None:
    gate, clock = gate_of()
    for _ in range(10):
        gate.heard(failed=True, answered=False)
    assert gate.stalled() == Stalled(StallReason.BREAKER_OPEN, NOW + 5)
    clock.now = 5
    assert gate.delay_s() == 0
    gate.passed()
    assert gate.delay_s() == math.inf
    gate.heard(failed=False, answered=False)
    gate.refused([Outcome(OutcomeKind.RATE_LIMITED, retry_at=NOW + 6)])
    clock.now = 6
    assert gate.delay_s() == 0
    assert gate.breaker is BreakerState.CLOSED


def test_refusals_in_a_row_are_waited_for_longer_and_an_answer_ends_the_row() -> None:
    gate, clock = gate_of()
    waits: list[float] = []
    for _ in range(4):
        gate.refused([Outcome(OutcomeKind.RATE_LIMITED)])
        waits.append(gate.delay_s())
        clock.now += waits[-1]
    assert waits[0] <= 0.2
    assert waits[3] >= 0.8
    gate.heard(failed=False, answered=True)
    gate.refused([Outcome(OutcomeKind.RATE_LIMITED)])
    assert gate.delay_s() <= 0.2


def test_the_ordinary_pace_of_a_rate_is_no_stall() -> None:
    gate, clock = gate_of((1, 0.5), (3, 60.0))
    gate.passed()
    assert 0 < gate.delay_s() < 1
    assert gate.stalled() is None
    for _ in range(2):
        clock.now += 1
        gate.passed()
    stalled = gate.stalled()
    assert stalled is not None
    assert stalled.reason is StallReason.RATE_LIMITED
    assert stalled.until == pytest.approx(NOW + 60.025)


def test_what_was_not_sent_for_want_of_a_permit_pauses_nobody() -> None:
    gate, _ = gate_of()
    gate.refused([Outcome(OutcomeKind.RATE_LIMITED, reason="NO_PERMIT")])
    assert gate.delay_s() == 0
    assert not gate.paused


def test_a_provider_that_keeps_failing_is_paused_from_the_opening_to_its_next_answer() -> None:
    """An alert looks now and then: it must not meet the moment of a probe and see a provider that works."""
    gate, clock = gate_of()
    with capture_logs() as logs:
        while gate.breaker is not BreakerState.OPEN:
            gate.passed()
            gate.heard(failed=True, answered=True, reason="HTTP_503")
    (told,) = logs
    assert (told["event"], told["said"]) == (Event.PROVIDER_PAUSED, "HTTP_503")
    assert told["reason"] == StallReason.BREAKER_OPEN
    for _ in range(5):
        assert gate.paused
        clock.now += gate.delay_s()
        assert (gate.delay_s(), gate.paused) == (0.0, True)
        gate.passed()
        assert gate.paused
        gate.heard(failed=True, answered=True)
    clock.now += gate.delay_s()
    gate.passed()
    gate.heard(failed=False, answered=True)
    assert not gate.paused


def test_a_refused_key_is_paused_until_it_is_answered() -> None:
    gate, clock = gate_of()
    for _ in range(3):
        gate.refused([Outcome(OutcomeKind.UNAUTHORIZED, reason="HTTP_401")])
        assert gate.paused
        clock.now += gate.delay_s()
        assert (gate.delay_s(), gate.paused) == (0.0, True)
        gate.passed()
        assert gate.paused
        gate.heard(failed=False, answered=False)
        assert gate.paused
    gate.heard(failed=False, answered=True)
    assert not gate.paused
