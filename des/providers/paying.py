"""A question on its way through the ledger, what it may cost, and how its outcome is written there."""

from dataclasses import dataclass
from uuid import UUID

import msgspec

from des.ledger import NOTHING, Amount, Answer, CallState, Key, Settlement, millionths
from des.providers.ask import Ask
from des.providers.contract import Outcome, OutcomeKind, Question, UnknownPolicy, Value

_values = msgspec.json.Decoder(dict[str, Value])


@dataclass(frozen=True, slots=True)
class Terms:
    """What a provider's calls and answers are worth.

    `credit_price`: money of one credit. `found_s`, `miss_s`: how long an answer is believed. `unknown`: what becomes
    of a call without an answer that is not free to replay.
    """

    credit_price: float = 0.0
    found_s: float = 90 * 86_400.0
    miss_s: float = 30 * 86_400.0
    unknown: UnknownPolicy = UnknownPolicy.HOLD

    def amount(self, cost: float) -> Amount:
        """Credits, with the money they cost."""
        return Amount(millionths(cost), millionths(cost * self.credit_price))

    def settlement(self, one: "Paying", outcome: Outcome, state: CallState) -> Settlement:
        """How a call ended, with the answer to be kept where it is settled."""
        charged = self.amount(outcome.cost) if state is CallState.SETTLED else NOTHING
        answer = None
        if state is CallState.SETTLED:
            values = msgspec.json.encode(outcome.values).decode()
            answer = Answer(outcome.kind.value, values, outcome.reference, charged)
        return Settlement(
            one.call_id,
            one.key,
            state,
            charged,
            outcome.kind.value,
            outcome.reason,
            answer,
            self.miss_s if outcome.kind is OutcomeKind.MISS else self.found_s,
            outcome.handle,
            outcome.poll_at or 0.0,
        )


class Paying:
    """One question on its way through the ledger."""

    __slots__ = ("ask", "call_id", "index", "is_replay", "key", "price")

    def __init__(self, ask: Ask, index: int, key: Key, price: Amount) -> None:
        """Take the question's place in its ask, its key and the most it can cost."""
        self.ask = ask
        self.index = index
        self.key = key
        self.price = price
        self.call_id = UUID(int=0)
        self.is_replay = False

    @property
    def question(self) -> Question:
        """What is asked."""
        return self.ask.questions[self.index]


def outcome_of(answer: Answer) -> Outcome:
    """The kept answer as an outcome; `cost` is what it did not cost again."""
    return Outcome(
        OutcomeKind(answer.outcome),
        _values.decode(answer.values),
        reference=answer.reference,
        cost=answer.cost.credits / 1_000_000,
    )
