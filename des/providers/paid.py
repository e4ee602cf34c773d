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
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, assert_never
from uuid import UUID

import msgspec

from des import failpoints
from des.clock import Clock
from des.contact import FREE
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
from des.providers.ask import Ask, Asker
from des.providers.claims import Claims
from des.providers.collector import Collector
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
from des.providers.hearing import Hearing
from des.providers.loads import Loads
from des.providers.overdue import current_task
from des.providers.paying import Paying, Terms, as_first_asked, outcome_of, stale_outcome
from des.providers.room import Room
from des.stall import Stalled, StallReason, StallRow
from des.telemetry import Event, logger

log = logger(__name__)

UNSENT_MAX_S = 1.0
"""Claims are given back where the provider may not be asked for longer than this."""
TWIN_LOOK_S = 0.25
"""A call of another worker, or one that is just being released, is looked at again after this long."""
REPLAY_LOOK_S = 5.0
"""An unknown call that may be replayed is tried this often until it is old enough (see store/ledger.py)."""

REFUSALS = (OutcomeKind.RATE_LIMITED, OutcomeKind.QUOTA_EXHAUSTED, OutcomeKind.UNAUTHORIZED)
"""What a vendor says to everybody who asks now. No set: an enum's hash is Python's, its identity is not."""
FAILURES = (OutcomeKind.TRANSIENT, OutcomeKind.UNKNOWN)
"""What the breaker counts. Who only ever gets no answer is not asked on, each time at the price of a held call."""
NO_PERSON = Outcome(OutcomeKind.INVALID_INPUT, reason="NO_IDENTITY: nothing says who the person is")
UNSTORABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="UNSTORABLE: the ledger cannot keep the question")
NOT_COLLECTED = Outcome(OutcomeKind.UNKNOWN, reason="PENDING_WITHOUT_COLLECT")
NOT_SENT = Outcome(OutcomeKind.TRANSIENT, reason="WITHDRAWN")


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
        self._claims = Claims(provider.traits, terms)
        self.collector = Collector(
            provider,
            clock,
            terms.wait_s,
            permitted=partial(self._permitted, polls=True),
            conclude=self._collected,
            give_up=self._wait_no_longer,
        )
        self._loads = Loads(provider.traits, clock)
        self._to_claim = asyncio.Event()
        self._collecting: asyncio.Task[None] | None = None
        self._sent = 0
        self._hearing = Hearing()
        self._room = Room()

    @property
    def terms(self) -> Terms:
        """What its calls and answers are worth."""
        return self._terms

    @property
    def answers_later(self) -> bool:
        """Whether calls may end `pending`."""
        return isinstance(self.provider, Collects)

    @property
    def pending(self) -> int:
        """Calls whose answer the vendor is still working on."""
        return len(self.collector)

    @property
    def waiting(self) -> int:
        """Questions waiting for their claim or their call."""
        return super().waiting + len(self._loads)

    def stalls(self) -> list[StallRow]:
        """See Dispatcher; and what the vendor is still at work on."""
        due_at, pending = self.collector.waiting()
        if not pending:
            return super().stalls()
        until = None if math.isinf(due_at) else self._clock.time() + max(0.0, due_at - self._clock.monotonic())
        at_work = Stalled(StallReason.ANSWER_PENDING, until)
        return [*super().stalls(), *self._rows(at_work, [(one.ask, 1) for one in pending])]

    def _standing(self) -> Iterator[tuple[Ask, int]]:
        yield from super()._standing()
        for one in self._loads:
            yield one.ask, 1

    async def start(self) -> None:
        """Start slots and claims, and the collection of answers that come later where the provider has such."""
        await super().start()
        self._tasks.spawn(self._claim_ahead(), "claim")
        if self.answers_later:
            self._collecting = self._tasks.spawn(self.collector.run(), "collect")

    async def stop(self) -> None:
        """See Dispatcher; open claims and handles are in Postgres."""
        self._closing = True
        self._to_claim.set()
        if self._collecting is not None:
            self._collecting.cancel()  # it would never end by itself
        await super().stop()
        self._give_up(self._loads.withdraw())
        self._twins.clear()
        self._hearing.tell()
        self.collector.clear()

    def submit(self, ask: Ask) -> None:
        """See Dispatcher."""
        self._queue.put(ask)
        self._to_claim.set()

    def withdraw(self, asker: Asker) -> None:
        """See Dispatcher; what is claimed and not sent yet is not sent."""
        super().withdraw(asker)
        self._give_up(self._loads.withdraw(asker))

    def abandon(self, asker: Asker) -> None:
        """See Dispatcher; its jobs are `late`'s from now on, and whoever else waits for one waits on."""
        for one in self.collector.withdraw(asker):
            self._look_again(one, 0.0)
        for key, twins in self._twins.items():
            mine = [each for each in twins if each.ask.asker is asker]
            if mine:
                self._twins[key] = [each for each in twins if each.ask.asker is not asker]
            for each in mine:
                self._ask_again(each, 0.0)

    # ---- claims --------------------------------------------------------------------------------------------------

    async def _claim_ahead(self) -> None:
        """Claim for the slots, as many questions as they can be given soon."""
        while not self._closing:
            slices = self._take()
            if not slices:
                self._to_claim.clear()
                await self._to_claim.wait()
                continue
            sent, began = self._sent, self._clock.monotonic()
            claimed = await self._admit(slices)
            loads = self._loads.put(claimed, self._sent - sent, self._clock.monotonic() - began)
            super()._wake(loads)

    def _take(self) -> Slices:
        """Questions to be claimed now."""
        if self._later:
            self._recall()
        room = self._loads.room(len(self._idle)) if len(self._queue) else 0
        if room > 0 and (delay := self._delay_s()) > 0:
            self._wake_after(delay)
            return []
        return self._queue.take(room)

    def _wake(self, slots: int) -> None:
        """Whatever changes for the slots may change what is to be claimed."""
        super()._wake(slots)
        self._to_claim.set()

    async def _admit(self, slices: Slices) -> list[Paying]:
        """Claim what has to be paid for; answer everything else."""
        asked: list[Paying] = []
        for ask, begin, end in slices:
            for index in range(begin, end):
                one = self._claims.paying(ask, index)
                if one is None:
                    self._hearing.add(ask, index, NO_PERSON)
                elif one.key in self._twins:
                    self._twins[one.key].append(one)
                else:
                    self._twins[one.key] = []
                    asked.append(one)
        decisions = await self._decided([self._claims.claim(one) for one in asked]) if asked else []
        claimed = [one for one, decision in zip(asked, decisions, strict=True) if self._is_to_be_sent(one, decision)]
        self._tell_unless_busy()
        return claimed

    async def _decided(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """Have claims decided, as often as it takes: as they are, so that one that had landed is known as ours."""
        while True:
            try:
                return await self._ledger.claim(claims)
            except TransientError as error:
                log.warning(Event.CLAIM_RETRIED, provider=self.traits.name, error=str(error), claims=len(claims))
            claims = [msgspec.structs.replace(claim, retried=True) for claim in claims]
            await self._clock.sleep(TWIN_LOOK_S)

    def _is_to_be_sent(self, one: Paying, decision: Decision) -> bool:
        """Do what the verdict asks for; True where the call has to be made."""
        one.payer = decision.payer
        match decision.verdict:
            case Verdict.CLAIMED:
                one.call_id, one.is_replay, one.stale = decision.call_id, decision.replay, decision.stale
                self._room.found(one.ask.erid)
                return True
            case Verdict.ANSWERED if decision.answer is not None:
                one.call_id = decision.call_id
                one.stale = decision.stale
                self._tell_kept(one, outcome_of(decision.answer))
            case Verdict.PENDING:
                one.call_id, one.is_job, one.is_replay = decision.call_id, True, decision.replay
                self.collector.wait(one, decision.handle, 0.0)
            case Verdict.IN_FLIGHT | Verdict.STALE | Verdict.ANSWERED:
                self._look_again(one, TWIN_LOOK_S)
            case Verdict.HELD:
                self._tell_held(one, decision.call_id)
            case Verdict.NO_ROOM_YET:
                self._look_again(one, self._room.look_after_s(one.ask.erid, self._clock.monotonic()))
            case Verdict.UNSTORABLE:
                for each in self._with_twins(one):
                    self._hearing.add(each.ask, each.index, UNSTORABLE)
            case Verdict.OVER_BUDGET:
                self._room.found(one.ask.erid)
                self._tell_over_budget(one, decision.scope)
            case _:
                assert_never(decision.verdict)
        return False

    # ---- the call ------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Send what is claimed, a load at a time, until it closes."""
        slot = current_task()
        while not self._closing:
            load = self._load()
            if not load:
                self._to_claim.set()
                await self._rest()
                continue
            if self._overall is not None:
                await self._overall.acquire()
            try:
                await self._send(load, slot)
            finally:
                if self._overall is not None:
                    self._overall.release()

    def _load(self) -> list[Paying]:
        """Questions of one call, if one may go out now: a full load, or what has come while it lingered."""
        if not self._loads:
            return []
        closed_s = self._delay_s()
        if UNSENT_MAX_S < closed_s < math.inf:
            # Rather than lie there, claimed, as if it had been sent.
            self._give_up(self._loads.withdraw())
        delay_s = max(closed_s, self._loads.delay_s())
        if delay_s > 0:
            self._wake_after(delay_s)
            return []
        load = self._loads.take()
        if self._loads:
            rest_s = self._loads.delay_s()
            if rest_s > 0:
                self._wake_after(rest_s)
            else:
                super()._wake(1)
        if self._loads.room(len(self._idle)) > 0:
            self._to_claim.set()
        return load

    async def _send(self, load: list[Paying], slot: asyncio.Task[Any]) -> None:
        if not self._goes_out():
            await self._permitted()
        self.in_flight += len(load)
        try:
            outcomes = await self._ask([one.question for one in load], slot)
        finally:
            self.in_flight -= len(load)
        self._sent += len(load)
        failpoints.hit(Failpoint.CALL_ANSWERED_NOT_COMMITTED)
        for one, outcome in zip(load, outcomes, strict=True):
            self._conclude(one, outcome)
        self._tell_unless_busy()

    def _give_up(self, unsent: Sequence[Paying]) -> None:
        """Release claims that were not sent; the twins ask for themselves."""
        for one in unsent:
            state = CallState.UNKNOWN if one.is_replay else CallState.RELEASED
            one.ask.asker.settle([self._terms.settlement(one, NOT_SENT, state)])
            self._look_again(one, 0.0)

    # ---- after the call ------------------------------------------------------------------------------------------

    def _conclude(self, one: Paying, outcome: Outcome) -> None:
        """Settle the call by its outcome, and answer the question and its twins, or ask again."""
        if outcome.kind is OutcomeKind.PENDING and not self.answers_later:
            outcome = NOT_COLLECTED  # nobody would ever look for the answer
        if one.is_replay:
            outcome = as_first_asked(outcome, self.traits)
        self.outcomes[outcome.kind.value] += 1
        failed = outcome.kind in FAILURES
        self._tell_gate(failed=failed, answered=outcome.kind not in REFUSALS, reason=outcome.reason)
        # That a replay was refused or failed says nothing of the call that it repeats: that may have been charged. Nor
        # does the failure of a job whose vendor took its credits when it was sent.
        may_be_charged = one.is_replay or (one.is_job and self.traits.charged_when_sent)
        not_answered = CallState.UNKNOWN if may_be_charged else CallState.RELEASED
        match outcome.kind:
            case OutcomeKind.FOUND | OutcomeKind.MISS | OutcomeKind.SUPPRESSED:
                self._tell_all(one, outcome, Source.PROVIDER, self._terms.settlement(one, outcome, CallState.SETTLED))
            case OutcomeKind.INVALID_INPUT:
                self._tell_all(one, outcome, Source.PROVIDER, self._terms.settlement(one, outcome, not_answered))
            case OutcomeKind.PENDING:
                one.is_job = True
                one.ask.asker.settle([self._terms.settlement(one, outcome, CallState.PENDING)])
                self.collector.wait(one, outcome.handle, outcome.poll_at or 0.0)
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
                is_final = not (may_be_charged or self._is_to_be_retried(one.ask, outcome))
                settled = self._terms.failure if is_final else partial(self._terms.settlement, state=not_answered)
                one.ask.asker.settle([settled(one, outcome)])
                if may_be_charged:  # it stays open: should it be answered after all, who failed for it is to hear of it
                    outcome = msgspec.structs.replace(outcome, cost=FREE, call_id=one.call_id)
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
                self._tell_failed(each, one, outcome)

    def _tell_failed(self, each: Paying, one: Paying, outcome: Outcome) -> None:
        """Hand a final failure on, or what was answered before it, where that may be used then."""
        if one.stale is None or (each.max_age_s is not None and each.ask.erid != one.ask.erid):
            self._hearing.add(each.ask, each.index, outcome)
        else:
            told, saving = self._spared(each, stale_outcome(one.stale, self.traits.name), Source.ANSWER_STORE)
            self._hearing.add(each.ask, each.index, told, None, saving)

    def _tell_unless_busy(self) -> None:
        """Nobody waits for others to be answered when there are none."""
        if not self.in_flight:
            self._hearing.tell()

    def _tell_all(self, one: Paying, outcome: Outcome, source: Source, settlement: Settlement | None = None) -> None:
        """Answer the question and its twins; one of the ERID whose call it was has paid, the others were spared it."""
        if outcome.cost and one.payer is one.ask.erid and not self._twins.get(one.key):  # nearly every paid call
            self._twins.pop(one.key, None)
            told = msgspec.structs.replace(outcome, call_id=one.call_id)
            self._hearing.add(one.ask, one.index, told, settlement)
            return
        # An aggregator that was rebuilt meanwhile asks beside the one it has replaced, which writes no receipt.
        everyone = sorted(self._with_twins(one), key=lambda each: each.ask.asker.withdraws)
        paid = next((each for each in everyone if outcome.cost and each.ask.erid == one.payer), None)
        # The settlement is committed no later than the receipt that shows its charge.
        bearer = paid or everyone[0]
        for each in everyone:
            told, saving = self._told(each, one, outcome, source, is_payer=each is paid)
            self._hearing.add(each.ask, each.index, told, settlement if each is bearer else None, saving)

    def _tell_kept(self, one: Paying, outcome: Outcome) -> None:
        """Answer by what was kept; twins that may be too demanding for it claim for themselves."""
        twins = self._twins[one.key]
        demanding = [each for each in twins if each.max_age_s is not None and each.ask.erid != one.ask.erid]
        if demanding:
            self._twins[one.key] = [each for each in twins if each not in demanding]
        if outcome.kind is OutcomeKind.TRANSIENT:
            for each in self._with_twins(one):
                self._tell_failed(each, one, outcome)
        else:
            self._tell_all(one, outcome, Source.ANSWER_STORE)
        for each in demanding:
            self._look_again(each, 0.0)

    def _told(
        self, each: Paying, one: Paying, outcome: Outcome, source: Source, *, is_payer: bool
    ) -> tuple[Outcome, Saving | None]:
        """What one of those who wait for a call is told, and what it did not have to pay."""
        if is_payer:
            return msgspec.structs.replace(outcome, call_id=one.call_id), None
        if each is not one:
            source = Source.COALESCED
        elif source is Source.PROVIDER and outcome.cost:
            source = Source.COALESCED  # the call was found open, and it is another ERID's
        return self._spared(each, outcome, source)

    def _spared(self, each: Paying, outcome: Outcome, source: Source) -> tuple[Outcome, Saving | None]:
        """What one is told who does not pay for it."""
        told = msgspec.structs.replace(outcome, cost=FREE, source=source, saved=outcome.cost or FREE)
        saved = self._terms.amount(outcome.cost)
        return told, Saving(each.key.tenant, each.ask.erid, saved) if saved != NOTHING else None

    def _tell_held(self, one: Paying, call_id: UUID) -> None:
        """A call may have been paid and has no answer: by policy its question fails, or is passed over as a miss."""
        outcome = Outcome(OutcomeKind.UNKNOWN, reason=f"CALL_WITHOUT_ANSWER {call_id}", call_id=call_id)
        if self._terms.unknown is UnknownPolicy.SKIP:
            outcome = Outcome(OutcomeKind.MISS, reason=outcome.reason)
        for each in self._with_twins(one):
            self._hearing.add(each.ask, each.index, outcome)

    def _tell_over_budget(self, one: Paying, scope: str) -> None:
        """End what a cap leaves no room for; that of an ERID says nothing to twins of others, who go on."""
        for each in self._with_twins(one):
            if scope == "erid" and each.ask.erid != one.ask.erid:
                self._ask_again(each, 0.0)
            else:
                each.ask.asker.over_budget(each.ask.step, [each.ask.items[each.index]], scope)

    def _look_again(self, one: Paying, after_s: float) -> None:
        for each in self._with_twins(one):
            self._ask_again(each, after_s)

    def _ask_again(self, each: Paying, after_s: float) -> None:
        if each.ask.asker.withdraws:
            each.ask.asker.withdrawn(each.ask.step, [each.ask.items[each.index]])
        else:
            self._put_later(each.ask.again([each.index], each.ask.attempts), after_s)

    def _with_twins(self, one: Paying) -> Sequence[Paying]:
        """The question and those that wait for its answer, which wait no more."""
        return [one, *self._twins.pop(one.key, ())]

    # ---- answers that come later -----------------------------------------------------------------------------------

    def _collected(self, one: Paying, outcome: Outcome) -> None:
        self._conclude(one, outcome)
        self._tell_unless_busy()

    def _wait_no_longer(self, one: Paying, handle: str, poll_at: float) -> None:
        """End the question: an error is not a miss, so nobody else is paid for it; a later answer is found yet."""
        pending = Outcome(OutcomeKind.PENDING, handle=handle, poll_at=poll_at)
        one.ask.asker.settle([self._terms.settlement(one, pending, CallState.PENDING)])
        if one.ask.asker.withdraws:
            self._look_again(one, 0.0)
            return
        outcome = Outcome(OutcomeKind.PENDING, reason=f"STILL_WAITING {one.call_id}", call_id=one.call_id)
        for each in self._with_twins(one):
            self._hearing.add(each.ask, each.index, outcome)
        self._tell_unless_busy()
