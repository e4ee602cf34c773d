"""Questions ride together, and one that the vendor refuses does not take its neighbours with it."""

import asyncio
from collections.abc import Sequence

import pytest

from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Question, Value
from des.providers.dialects.packed import Asked, Packing, shared_out

UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name")
REFUSED = Outcome(OutcomeKind.INVALID_INPUT, reason="HTTP_400")


def questions(names: str) -> list[Question]:
    """One for each letter; upper case wants another field, a blank has no name."""
    return [
        Question("default", Contact(full_name=name.strip()), ("email" if name.islower() else "phone",))
        for name in names
    ]


def found(name: str) -> Outcome:
    return Outcome(OutcomeKind.FOUND, {"email": Value(name)})


class Vendor:
    """Answers with the name it was asked for; refuses a call with an `x` in it, as a whole; hangs on `h`."""

    def __init__(self, deadline_s: float = 5.0) -> None:
        self.calls: list[str] = []
        self.packing: Packing[str] = Packing(
            lambda question: question.contact.full_name or None,
            self.call,
            kin=lambda question: question.fields,
            unaskable=UNASKABLE,
            deadline_s=deadline_s,
        )

    async def call(self, asked: Sequence[Asked[str]]) -> Outcome | list[Outcome]:
        names = "".join(name for _, name in asked)
        self.calls.append(names)
        if "h" in names:
            await asyncio.Event().wait()
        return REFUSED if "x" in names else [found(name) for name in names]


async def test_all_ride_in_one_call_in_their_order() -> None:
    vendor = Vendor()
    assert await vendor.packing.ask(questions("abc")) == [found("a"), found("b"), found("c")]
    assert vendor.calls == ["abc"]


async def test_who_cannot_be_asked_costs_no_call() -> None:
    vendor = Vendor()
    assert await vendor.packing.ask(questions("a b")) == [found("a"), UNASKABLE, found("b")]
    assert await vendor.packing.ask(questions("  ")) == [UNASKABLE, UNASKABLE]
    assert await vendor.packing.ask([]) == []
    assert vendor.calls == ["ab"]


async def test_what_one_call_cannot_ask_goes_into_another() -> None:
    vendor = Vendor()
    assert await vendor.packing.ask(questions("aBcD")) == [found("a"), found("B"), found("c"), found("D")]
    assert vendor.calls == ["ac", "BD"]


async def test_a_poison_item_is_found_by_halving() -> None:
    vendor = Vendor()
    outcomes = await vendor.packing.ask(questions("abcxefgi"))
    assert outcomes == [found("a"), found("b"), found("c"), REFUSED, *[found(name) for name in "efgi"]]
    assert vendor.calls == ["abcxefgi", "abcx", "ab", "cx", "c", "x", "efgi"]


async def test_a_refusal_of_another_kind_is_everybodys() -> None:
    limited = Outcome(OutcomeKind.RATE_LIMITED, retry_at=7.0)

    async def call(_: Sequence[Asked[str]]) -> Outcome:
        return limited

    packing: Packing[str] = Packing(
        lambda question: question.contact.full_name, call, unaskable=UNASKABLE, deadline_s=5.0
    )
    assert await packing.ask(questions("abc")) == [limited] * 3


async def test_a_late_call_does_not_take_with_it_what_was_answered() -> None:
    vendor = Vendor(deadline_s=0.05)
    asked = [*questions("a"), Question("default", Contact(full_name="h"), ("hangs",)), *questions("B")]
    answered, hanging, never_sent = await vendor.packing.ask(asked)
    assert answered == found("a")
    assert (hanging.kind, hanging.reason) == (OutcomeKind.UNKNOWN, "TIMEOUT")
    assert (never_sent.kind, never_sent.reason) == (OutcomeKind.TRANSIENT, "NOT_SENT_IN_TIME")
    assert vendor.calls == ["a", "h"]


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (3.0, [1.0, 0.0, 2.0], [1.0, 0.0, 2.0]),
        (6.0, [1.0, 0.0, 2.0], [2.0, 0.0, 4.0]),
        (3.0, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
        (0.0, [1.0], [0.0]),
        (0.0, [], []),
    ],
)
def test_credits_are_shared_out_without_a_rest(total: float, weights: list[float], shares: list[float]) -> None:
    assert shared_out(total, weights) == shares
