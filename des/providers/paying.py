"""A question on its way through the ledger, what it may cost, and how its outcome is written there."""

import functools
from dataclasses import dataclass
from uuid import UUID

import msgspec

from des.learning import Lesson
from des.ledger import FAILED, MILLION, NOTHING, Amount, Answer, CallState, Key, Settlement, millionths
from des.providers.ask import Ask
from des.providers.contract import Outcome, OutcomeKind, Question, Traits, UnknownPolicy, Value
from des.providers.segments import segment_of

_values = msgspec.json.Decoder(dict[str, Value])
_encode = msgspec.json.Encoder().encode

DAY_S = 86_400.0
LATE_KEPT_S = DAY_S
"""An answer that comes late is kept this long at least: contacts that are outstanding again stand in line first."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a provider's calls and answers are worth.

    `credit_price`: money of one credit. `found_s`, `miss_s`: how long an answer is believed. `transient_s`: how long a
    provider that has failed at a question for good is not asked it again. `stale_s`: for how long an answer that is not
    believed any more may be used where the provider fails. `unknown`: what becomes
    of a call without an answer that is not free to replay. `learns`: the order that the provider is asked in is learned
    from what its calls show. `wait_s`: how long a contact waits for an answer that comes later.
    """

    credit_price: float = 0.0
    found_s: float = 90 * 86_400.0
    miss_s: float = 30 * 86_400.0
    transient_s: float = 60.0
    stale_s: float = 0.0
    unknown: UnknownPolicy = UnknownPolicy.HOLD
    learns: bool = False
    wait_s: float = 900.0

    def amount(self, cost: float) -> Amount:
        """Credits, with the money they cost."""
        return _amount(cost, self.credit_price)

    def settlement(self, one: "Paying", outcome: Outcome, state: CallState) -> Settlement:
        """How a call ended, with the answer to be kept where it is settled."""
        settlement = self._settlement(one.call_id, one.key, outcome, state, one.epoch)
        if not self.learns or state is not CallState.SETTLED:
            return settlement
        return msgspec.structs.replace(settlement, lesson=_lesson(one.question, outcome))

    def failure(self, one: "Paying", outcome: Outcome) -> Settlement:
        """How a call ended that failed, was not charged and is not tried again: that is remembered for a while."""
        settlement = self._settlement(one.call_id, one.key, outcome, CallState.RELEASED, one.epoch)
        if self.transient_s <= 0:
            return settlement
        answer = Answer(FAILED, "{}", "", NOTHING, outcome.reason)
        return msgspec.structs.replace(settlement, answer=answer, keep_s=self.transient_s)

    def late_settlement(self, call_id: UUID, key: Key, outcome: Outcome, state: CallState) -> Settlement:
        """How a call ended that nobody waits for: its answer is kept long enough for who had waited to find it."""
        settlement = self._settlement(call_id, key, outcome, state, None)
        return msgspec.structs.replace(settlement, keep_s=max(settlement.keep_s, LATE_KEPT_S))

    def _settlement(self, call_id: UUID, key: Key, outcome: Outcome, state: CallState, epoch: int | None) -> Settlement:
        charged = self.amount(outcome.cost) if state is CallState.SETTLED else NOTHING
        answer = None
        if state is CallState.SETTLED:
            values = str(_encode(outcome.values), "utf-8")
            answer = Answer(outcome.kind.value, values, outcome.reference, charged)
        return Settlement(
            call_id,
            key,
            state,
            charged,
            outcome.kind.value,
            outcome.reason,
            answer,
            self.miss_s if outcome.kind is OutcomeKind.MISS else self.found_s,
            outcome.handle,
            outcome.poll_at or 0.0,
            epoch=epoch,
        )


class Paying:
    """One question on its way through the ledger."""

    __slots__ = ("ask", "call_id", "index", "is_job", "is_replay", "key", "payer", "price", "stale", "waits_until")

    def __init__(self, ask: Ask, index: int, key: Key, price: Amount) -> None:
        """Take the question's place in its ask, its key and the most it can cost."""
        self.ask = ask
        self.index = index
        self.key = key
        self.price = price
        self.call_id = UUID(int=0)
        self.payer: UUID | None = None
        """The ERID whose call it is: for a call that was found open another's; None where its charge has a receipt."""
        self.stale: Answer | None = None
        """An answer that is not believed any more, for the case that the provider fails."""
        self.is_replay = False
        self.is_job = False
        """The vendor has taken the question and answers later."""
        self.waits_until = 0.0
        """Until when (monotonic) its contact waits for that; 0.0 before it does."""

    @property
    def question(self) -> Question:
        """What is asked."""
        return self.ask.questions[self.index]

    @property
    def epoch(self) -> int | None:
        """The epoch it is claimed under; None for a job, which whoever works its ERID then looks for."""
        return None if self.is_job else self.ask.asker.epoch

    @property
    def max_age_s(self) -> float | None:
        """How old a kept answer may be for it; None: as old as it is kept."""
        return self.ask.asker.options.max_age_s


@functools.lru_cache(1_024)
def _amount(cost: float, credit_price: float) -> Amount:
    """Vendors have few prices."""
    return Amount(millionths(cost), millionths(cost * credit_price))


def _lesson(question: Question, outcome: Outcome) -> Lesson | None:
    """What a settled call shows of its provider."""
    if outcome.kind not in {OutcomeKind.FOUND, OutcomeKind.MISS}:
        return None
    found = [(name, outcome.values[name].confidence) for name in question.fields if name in outcome.values]
    return Lesson(segment_of(question.contact), question.fields, tuple(found))


def as_first_asked(outcome: Outcome, traits: Traits) -> Outcome:
    """The outcome of a call that was sent twice, with the charge of the sending that was charged, whichever that was.

    The second time a vendor may say that it cost nothing, or its share of a request in which others did.
    """
    if outcome.kind is not OutcomeKind.FOUND:
        return outcome
    cost = max(outcome.cost, traits.price_max(tuple(outcome.values)))
    return outcome if cost == outcome.cost else msgspec.structs.replace(outcome, cost=cost)


def outcome_of(answer: Answer) -> Outcome:
    """The kept answer as an outcome; `cost` is what it did not cost again."""
    return Outcome(
        OutcomeKind(answer.outcome),
        _values.decode(answer.values),
        answer.reason,
        answer.reference,
        answer.cost.credits / MILLION,
    )


def stale_outcome(answer: Answer, provider: str) -> Outcome:
    """An answer that is not believed any more as an outcome; each value says so in place of what it rested on."""
    outcome = outcome_of(answer)
    days = round(answer.age_s / DAY_S)
    evidence = f"stale: answered {days} day{'' if days == 1 else 's'} ago, {provider} unavailable"
    values = {name: msgspec.structs.replace(value, evidence=evidence) for name, value in outcome.values.items()}
    return msgspec.structs.replace(outcome, values=values)
