"""The dispatcher of a paid provider: claims before it sends, asks nothing twice, settles what it was told.

    taken ──▶ claim ──claimed──▶ sent ──▶ settled, with what it found, in the commit of the contact
               │ │ └─answered──▶ the kept answer, nothing is paid
               │ └───in flight─▶ the same answer as its twin, nothing is paid
               └─────over budget, held ─▶ the contact's fields end so

A question whose twin is under way in this process waits for the twin's answer; one under way in another worker is asked
for again until it is answered or open no more. A call that may have been sent and got no answer is `unknown`: sent
again where the dialect says that this is free, else kept for a person (`hold`), sent again (`retry`) or passed over
(`skip`).
"""

import asyncio
from collections.abc import Sequence
from typing import assert_never
from uuid import UUID, uuid4

import msgspec

from des import failpoints
from des.clock import Clock
from des.errors import TransientError
from des.failpoints import Failpoint
from des.ledger import (
    NOTHING,
    CallState,
    Claim,
    Decision,
    Key,
    Ledger,
    Saving,
    Settlement,
    Verdict,
)
from des.providers.ask import Ask
from des.providers.contract import (
    Collects,
    Outcome,
    OutcomeKind,
    Provider,
    Replay,
    Source,
    UnknownPolicy,
)
from des.providers.dispatcher import Dispatcher, Slices
from des.providers.names import person_key
from des.providers.paying import Paying, Terms, outcome_of
from des.providers.polls import Polls
from des.telemetry import Event, logger

log = logger(__name__)

TWIN_LOOK_S = 0.25
"""A call of another worker, or one that is just being released, is looked at again after this long."""
REPLAY_LOOK_S = 5.0
"""An unknown call that may be replayed is tried this often until it is old enough (see store/ledger.py)."""

NO_PERSON = Outcome(OutcomeKind.INVALID_INPUT, reason="NO_IDENTITY: nothing says who the person is")


class PaidDispatcher(Dispatcher):
    """A dispatcher that pays."""

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        overall: asyncio.Semaphore | None = None,
        seed: int | None = None,
        *,
        ledger: Ledger,
        terms: Terms,
    ) -> None:
        """Take what a dispatcher takes, the ledger and the terms."""
        super().__init__(provider, clock, overall, seed)
        self._ledger = ledger
        self._terms = terms
        self._twins: dict[Key, list[Paying]] = {}
        self._polls = Polls(clock)

    @property
    def pending(self) -> int:
        """Calls whose answer the vendor is still working on."""
        return len(self._polls)

    async def start(self) -> None:
        """Start slots, and the collection of answers that come later where the provider has such."""
        await super().start()
        if _collects(self.provider):
            self._tasks.spawn(self._collect(), "collect")

    async def stop(self) -> None:
        """See Dispatcher; open claims and handles are in Postgres."""
        await super().stop()
        self._twins.clear()
        self._polls.clear()

    # ---- before the call -----------------------------------------------------------------------------------------

    async def _call(self, slices: Slices) -> None:
        paying = await self._admit(slices)
        if not paying:
            return
        await self._permitted()
        self.in_flight += len(paying)
        try:
            outcomes = await self._ask([one.question for one in paying])
        finally:
            self.in_flight -= len(paying)
        failpoints.hit(Failpoint.CALL_ANSWERED_NOT_COMMITTED)
        for one, outcome in zip(paying, outcomes, strict=True):
            self._conclude(one, outcome)

    async def _admit(self, slices: Slices) -> list[Paying]:
        """Claim what has to be paid for; answer everything else."""
        asked: list[Paying] = []
        for ask, begin, end in slices:
            for index in range(begin, end):
                one = self._paying(ask, index)
                if one is None:
                    ask.asker.answered(ask.step, [ask.items[index]], [NO_PERSON])
                elif one.key in self._twins:
                    self._twins[one.key].append(one)
                else:
                    self._twins[one.key] = []
                    asked.append(one)
        if not asked:
            return []
        decisions = await self._decided([self._claim(one) for one in asked])
        return [one for one, decision in zip(asked, decisions, strict=True) if self._is_to_be_sent(one, decision)]

    async def _decided(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """Have claims decided, as often as it takes: as they are, so that one that had landed is known as ours."""
        while True:
            try:
                return await self._ledger.claim(claims)
            except TransientError as error:
                log.warning(Event.CLAIM_RETRIED, provider=self.traits.name, error=str(error), claims=len(claims))
            await self._clock.sleep(TWIN_LOOK_S)

    def _paying(self, ask: Ask, index: int) -> Paying | None:
        question = ask.questions[index]
        person = person_key(question.contact)
        if not person:
            return None
        key = Key(question.tenant, self.traits.name, self.traits.operation_of(question.fields), person)
        return Paying(ask, index, key, self._terms.amount(self.traits.price_max(question.fields)))

    def _claim(self, one: Paying) -> Claim:
        asker = one.ask.asker
        one.call_id = uuid4()
        free = self.traits.replay is not Replay.NEVER_FREE
        again = not free and self._terms.unknown is UnknownPolicy.RETRY
        return Claim(one.call_id, one.key, one.ask.erid, asker.partition, asker.epoch, one.price, free, again)

    def _is_to_be_sent(self, one: Paying, decision: Decision) -> bool:
        """Do what the verdict asks for; True where the call has to be made."""
        match decision.verdict:
            case Verdict.CLAIMED:
                one.call_id, one.is_replay = decision.call_id, decision.replay
                return True
            case Verdict.ANSWERED if decision.answer is not None:
                self._tell_all(one, outcome_of(decision.answer), Source.ANSWER_STORE)
            case Verdict.PENDING:
                one.call_id = decision.call_id
                self._polls.put(one, decision.handle, 0.0)
            case Verdict.IN_FLIGHT | Verdict.STALE | Verdict.ANSWERED:
                self._look_again(one, TWIN_LOOK_S)
            case Verdict.HELD:
                self._tell_held(one, decision.call_id)
            case Verdict.OVER_BUDGET:
                for each in self._with_twins(one):
                    each.ask.asker.over_budget(each.ask.step, [each.ask.items[each.index]], decision.scope)
            case _:
                assert_never(decision.verdict)
        return False

    # ---- after the call ------------------------------------------------------------------------------------------

    def _conclude(self, one: Paying, outcome: Outcome) -> None:
        """Settle the call by its outcome, and answer the question and its twins, or ask again."""
        self.outcomes[outcome.kind.value] += 1
        self._tell_breaker(failed=outcome.kind is OutcomeKind.TRANSIENT, answered=True)
        # That a replay was refused or failed says nothing of the call that it repeats: that may have been charged.
        not_answered = CallState.UNKNOWN if one.is_replay else CallState.RELEASED
        match outcome.kind:
            case OutcomeKind.FOUND | OutcomeKind.MISS | OutcomeKind.SUPPRESSED:
                self._tell_all(one, outcome, Source.PROVIDER, self._terms.settlement(one, outcome, CallState.SETTLED))
            case OutcomeKind.INVALID_INPUT:
                self._tell_all(one, outcome, Source.PROVIDER, self._terms.settlement(one, outcome, not_answered))
            case OutcomeKind.PENDING:
                one.ask.asker.settle([self._terms.settlement(one, outcome, CallState.PENDING)])
                self._polls.put(one, outcome.handle, (outcome.poll_at or 0.0) - self._clock.time())
            case OutcomeKind.UNKNOWN:
                one.ask.asker.settle([self._terms.settlement(one, outcome, CallState.UNKNOWN)])
                if self.traits.replay is not Replay.NEVER_FREE or self._terms.unknown is UnknownPolicy.RETRY:
                    self._look_again(one, REPLAY_LOOK_S)
                else:
                    self._tell_held(one, one.call_id)
            case (
                OutcomeKind.RATE_LIMITED
                | OutcomeKind.QUOTA_EXHAUSTED
                | OutcomeKind.UNAUTHORIZED
                | OutcomeKind.TRANSIENT
            ):
                one.ask.asker.settle([self._terms.settlement(one, outcome, not_answered)])
                self._retry_or_tell(one, outcome)
            case _:
                assert_never(outcome.kind)

    def _retry_or_tell(self, one: Paying, outcome: Outcome) -> None:
        """Ask once more, each twin for itself, or hand the failure on when there were enough tries."""
        for each in self._with_twins(one):
            ask = each.ask
            if self._is_to_be_retried(ask, outcome):
                self._retry(ask, [each.index], [outcome])
            else:
                ask.asker.answered(ask.step, [ask.items[each.index]], [outcome])

    def _tell_all(self, one: Paying, outcome: Outcome, source: Source, settlement: Settlement | None = None) -> None:
        """Answer the question and its twins; only the one whose call it was has paid."""
        for each in self._with_twins(one):
            ask, mine = each.ask, each is one and settlement is not None
            told = outcome
            savings: list[Saving] = []
            if not mine:
                saved = self._terms.amount(outcome.cost)
                told = msgspec.structs.replace(
                    outcome, cost=0.0, source=source if each is one else Source.COALESCED, saved=outcome.cost
                )
                savings = [Saving(each.key.tenant, ask.erid, saved)] if saved != NOTHING else []
            ask.asker.answered(
                ask.step, [ask.items[each.index]], [told], [settlement] if mine and settlement else (), savings
            )

    def _tell_held(self, one: Paying, call_id: UUID) -> None:
        """A call may have been paid and has no answer: by policy its question fails, or is passed over as a miss."""
        kind = OutcomeKind.MISS if self._terms.unknown is UnknownPolicy.SKIP else OutcomeKind.UNKNOWN
        outcome = Outcome(kind, reason=f"CALL_WITHOUT_ANSWER {call_id}")
        for each in self._with_twins(one):
            each.ask.asker.answered(each.ask.step, [each.ask.items[each.index]], [outcome])

    def _look_again(self, one: Paying, after_s: float) -> None:
        for each in self._with_twins(one):
            if each.ask.asker.withdraws:
                each.ask.asker.withdrawn(each.ask.step, [each.ask.items[each.index]])
            else:
                self._put_later(each.ask.again([each.index], each.ask.attempts), after_s)

    def _with_twins(self, one: Paying) -> Sequence[Paying]:
        """The question and those that wait for its answer, which wait no more."""
        return [one, *self._twins.pop(one.key, ())]

    # ---- answers that come later -----------------------------------------------------------------------------------

    async def _collect(self) -> None:
        """Ask for answers when their time has come, many handles at once."""
        while True:
            await self._collect_group(await self._polls.due())

    async def _collect_group(self, due: list[tuple[Paying, str]]) -> None:
        await self._permitted()
        outcomes: Sequence[Outcome] = []
        if isinstance(self.provider, Collects):
            try:
                outcomes = await self.provider.collect([handle for _, handle in due])
            except Exception as error:
                # A provider's bug must not lose the handles: they are asked for again.
                log.exception(Event.PROVIDER_FAILED, provider=self.traits.name, error=str(error))
        if len(outcomes) != len(due):
            outcomes = [Outcome(OutcomeKind.PENDING)] * len(due)
        for (one, handle), outcome in zip(due, outcomes, strict=True):
            match outcome.kind:
                case OutcomeKind.PENDING | OutcomeKind.RATE_LIMITED | OutcomeKind.TRANSIENT | OutcomeKind.UNAUTHORIZED:
                    at = outcome.poll_at or outcome.retry_at or self._clock.time() + REPLAY_LOOK_S
                    self._polls.put(one, outcome.handle or handle, at - self._clock.time())
                case _:
                    self._conclude(one, outcome)


def _collects(provider: Provider) -> bool:
    return isinstance(provider, Collects)
