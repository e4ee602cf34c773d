"""The dispatcher of one provider: the only way to it, shared by all actors.

    submit ──▶ fair queue ──slot, breaker, limiter──▶ provider.ask ──▶ answered
                   ▲                                       │ transient, rate_limited, …
                   └──────────── after a while ◀───────────┘

`slots` long-lived tasks take questions in turn over tenants and ERIDs, as many as one call carries, from as many ERIDs
as that takes. An error is never handed on as an answer before it is final: transient failures are tried again with
jitter until `attempts_max`; rate limits, spent quotas and refused keys pause the provider and cost no attempt.
"""

import asyncio
import contextlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from des import failpoints
from des.clock import Clock
from des.errors import TransientError
from des.failpoints import Failpoint
from des.lifecycle import TaskOwner
from des.portion import Portion
from des.providers.ask import Ask, Asker
from des.providers.breaker import BreakerState
from des.providers.contract import Outcome, OutcomeKind, Provider, Question
from des.providers.fair import FairQueue
from des.providers.gate import Gate
from des.providers.overdue import Overdue, current_task
from des.providers.vetting import vetted
from des.stall import Stalled, StallReason, StallRow
from des.telemetry import Event, logger

log = logger(__name__)

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 30.0
"""Full jitter over an exponential between these (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015)."""
LOOK_S = 0.5
"""While nothing may go out it is looked this often whether that has changed: by a reply, or a larger portion."""
SLOW_S = 5.0
"""Every slot has a call out and none has been free for this long: what waits is told that the provider is slow."""
OVERDUE_S = 1.0
"""A provider bounds its own calls; one that is this much over its deadline is cancelled."""

Slices = list[tuple[Ask, int, int]]


class Dispatcher:
    """Queue, slots, limits, retry and breaker of one provider. A Service: `start`, `stop`."""

    def __init__(
        self, provider: Provider, clock: Clock, overall: asyncio.Semaphore | None = None, seed: int | None = None
    ) -> None:
        """Take the provider, the clock and the bound that all calls out of the process share (None: no bound)."""
        self.name = f"provider {provider.traits.name}"
        self.provider = provider
        self.traits = provider.traits
        self.outcomes: Counter[str] = Counter()
        self.calls = 0
        self._observe: Callable[[float], None] | None = None
        self.in_flight = 0
        self._clock = clock
        self._overall = overall
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, guards nothing
        self._queue: FairQueue[Ask] = FairQueue()
        self._later: list[tuple[float, int, Ask]] = []
        self._later_count = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._gate = Gate(provider, clock, self._random)
        lost = OutcomeKind.UNKNOWN if provider.traits.paid else OutcomeKind.TRANSIENT
        self._unsound = Outcome(lost, reason="UNSOUND_OUTCOME")
        self._overdue = Overdue(provider.traits.deadline_s + OVERDUE_S)
        self._tasks = TaskOwner(self.name, vital=True)
        self._closing = False

    def allot(self, portion: Portion | None) -> None:
        """Use this portion of the permitted rate, which all workers share; None: nothing until the next is told."""
        self._gate.allot(portion)

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each call told."""
        self._observe = observe

    @property
    def waiting(self) -> int:
        """Questions waiting for a call, those that wait for a retry included."""
        return len(self._queue) + sum(entry[2].size for entry in self._later)

    def stalled(self) -> Stalled | None:
        """Why nothing has gone out for a while, and until when; None while calls go out."""
        stalled = self._gate.stalled()
        if stalled is None and not self._idle and self._overdue.newest_s > SLOW_S:
            return Stalled(StallReason.PROVIDER_SLOW)
        return stalled

    def stalls(self) -> list[StallRow]:
        """What waits while nothing goes out: contacts by ERID, and why."""
        stalled = self.stalled()
        return [] if stalled is None else self._rows(stalled, self._standing())

    def _standing(self) -> Iterator[tuple[Ask, int]]:
        """Everything that waits for a call, with how many questions."""
        yield from self._queue.waiting()
        for _, _, ask in self._later:
            yield ask, ask.size

    def _rows(self, stalled: Stalled, standing: Iterable[tuple[Ask, int]]) -> list[StallRow]:
        counts: Counter[tuple[str, UUID]] = Counter()
        for ask, questions in standing:
            counts[ask.tenant, ask.erid] += questions
        return [
            StallRow(tenant, erid, self.traits.name, stalled.reason, stalled.until, contacts)
            for (tenant, erid), contacts in counts.items()
        ]

    @property
    def paused(self) -> bool:
        """Whether it sends nothing for now: rate limited, out of quota, refused, or failing."""
        return self._gate.paused

    @property
    def breaker(self) -> BreakerState:
        """Whether calls go out."""
        return self._gate.breaker

    async def start(self) -> None:
        """Start the provider and its slots. Raises what the provider raises."""
        self._closing = False
        await self.provider.start()
        for slot in range(self.traits.slots):
            self._tasks.spawn(self._serve(), f"slot {slot}")

    async def stop(self) -> None:
        """Let the calls under way end within their deadline, take no more, stop the provider."""
        self._closing = True
        self._wake(len(self._idle))
        await self._tasks.close(grace_s=self.traits.deadline_s if self.in_flight else 0.05)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._overdue.stop()
        await self.provider.stop()

    def submit(self, ask: Ask) -> None:
        """Queue questions; their answers come to the asker, now or after any number of retries."""
        self._queue.put(ask)
        self._wake(-(-ask.size // self.traits.batch_max))

    def withdraw(self, asker: Asker) -> None:
        """Give an asker's questions back that wait for a call or a retry; those that are out are answered as ever."""
        _give_back(self._queue.remove(asker.tenant, asker.erid))
        again = [entry for entry in self._later if entry[2].asker is asker]
        if again:
            self._later = [entry for entry in self._later if entry[2].asker is not asker]
            heapq.heapify(self._later)
            _give_back([(ask, 0, ask.size) for _, _, ask in again])

    def abandon(self, asker: Asker) -> None:
        """Give back what an asker waits for beside calls that are out: answers that come later, and those of a twin."""

    # ---- slots ---------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Take and call, until it closes."""
        slot = current_task()
        while not self._closing:
            slices = self._take()
            if not slices:
                await self._rest()
                continue
            # Not by `async with`, which costs two coroutines more.
            if self._overall is not None:
                await self._overall.acquire()
            try:
                await self._call(slices, slot)
            finally:
                if self._overall is not None:
                    self._overall.release()

    def _take(self) -> Slices:
        """Questions of one call, if one may go out now."""
        if self._later:
            self._recall()
        if len(self._queue):
            if (delay := self._delay_s()) > 0:
                self._wake_after(delay)
                return []
            slices = self._queue.take(self.traits.batch_max)
            if len(self._queue):
                self._wake(1)
            return slices
        return []

    async def _rest(self) -> None:
        """Wait until there may be something to take."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        finally:
            if not waiter.done() or waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self._idle.remove(waiter)

    def _wake(self, slots: int) -> None:
        while slots > 0 and self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                slots -= 1

    def _wake_after(self, delay_s: float) -> None:
        """Wake a slot when the pause is over, or to look whether it is over sooner; it wakes the next."""
        loop = asyncio.get_running_loop()
        at = loop.time() + min(delay_s, LOOK_S)
        if self._timer is None or at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            # Its time is kept here: uvloop makes a plain handle, which cannot tell it, of one that is due already.
            self._timer, self._timer_at = loop.call_at(at, self._on_timer), at

    def _on_timer(self) -> None:
        self._timer = None
        self._wake(1)

    # ---- limits --------------------------------------------------------------------------------------------------

    def _delay_s(self) -> float:
        return self._gate.delay_s()

    async def _permitted(self, *, polls: bool = False) -> None:
        """Wait until a call may go out, and count it. What was taken a moment ago may have to wait again."""
        while not self._goes_out(polls=polls):
            await self._clock.sleep(min(self._gate.delay_s(), LOOK_S))

    def _goes_out(self, *, polls: bool = False) -> bool:
        """Count a call that may go out now; False where it has to wait."""
        if self._gate.delay_s() > 0:
            return False
        self.calls += 1
        self._gate.passed(polls=polls)
        return True

    def _tell_gate(self, *, failed: bool, answered: bool, reason: str = "") -> None:
        if self._gate.heard(failed=failed, answered=answered, reason=reason):
            self._wake(1)

    # ---- a call --------------------------------------------------------------------------------------------------

    async def _call(self, slices: Slices, slot: asyncio.Task[Any]) -> None:
        if len(slices) == 1:
            ask, begin, end = slices[0]
            whole = begin == 0 and end == ask.size
            questions = ask.questions if whole else ask.questions[begin:end]
        else:
            questions = [question for ask, begin, end in slices for question in ask.questions[begin:end]]
        if not self._goes_out():  # nearly always at once: no coroutine for that
            await self._permitted()
        self.in_flight += len(questions)
        try:
            outcomes = await self._ask(questions, slot)
        finally:
            self.in_flight -= len(questions)
        failpoints.hit(Failpoint.CALL_ANSWERED_NOT_COMMITTED)
        at = 0
        for ask, begin, end in slices:
            self._hand_out(ask, begin, end, outcomes[at : at + end - begin] if len(slices) > 1 else outcomes)
            at += end - begin

    async def _ask(self, questions: Sequence[Question], slot: asyncio.Task[Any]) -> Sequence[Outcome]:
        """Ask the provider, and make an outcome of whatever it does; `slot` is the task that runs this."""
        if failpoints.is_armed():
            asyncio.get_running_loop().call_soon(failpoints.hit, Failpoint.CALL_SENT)
        began = self._clock.monotonic()
        self._overdue.begin(slot)
        try:
            outcomes = await self.provider.ask(questions)
            count = len(outcomes)
        except TransientError as error:
            # Our own store is away: nobody was asked, so no attempt is spent on it, and it is looked at again soon.
            retry_at = self._clock.time() + RETRY_FIRST_S * (1 + self._random.random())
            return [Outcome(OutcomeKind.RATE_LIMITED, reason=error.reason, retry_at=retry_at)] * len(questions)
        except asyncio.CancelledError:
            if self._overdue.is_cause(slot):
                log.warning(Event.PROVIDER_FAILED, provider=self.traits.name, error="long over its deadline: cancelled")
                return self._no_answer("OVERDUE", len(questions))
            if slot.cancelling():
                raise
            log.exception(
                Event.PROVIDER_FAILED, provider=self.traits.name, error="it has cancelled something of its own"
            )
            return self._no_answer("CANCELLED", len(questions))
        except Exception as error:
            log.exception(Event.PROVIDER_FAILED, provider=self.traits.name, error=str(error))
            return self._no_answer(type(error).__name__, len(questions))
        finally:
            self._overdue.end(slot)
        if self._observe is not None:
            self._observe(self._clock.monotonic() - began)
        if count != len(questions):
            log.error(Event.PROVIDER_FAILED, provider=self.traits.name, questions=len(questions), outcomes=count)
            return self._no_answer("WRONG_NUMBER_OF_OUTCOMES", len(questions))
        return outcomes if self.traits.trusted else vetted(outcomes, self.traits, self._unsound, self._clock.time())

    def _no_answer(self, reason: str, questions: int) -> Sequence[Outcome]:
        """What a call was worth of which nothing is known but that it was made."""
        return [msgspec.structs.replace(self._unsound, reason=reason)] * questions

    def _hand_out(self, ask: Ask, begin: int, end: int, outcomes: Sequence[Outcome]) -> None:
        """Give final outcomes to the asker, keep the others for a retry."""
        retries = self._sort_out(ask, outcomes)
        if not retries:
            items = ask.items if end - begin == ask.size else ask.items[begin:end]
            ask.asker.answered(ask.step, items, outcomes)
            return
        again = set(retries)
        final = [index for index in range(len(outcomes)) if index not in again]
        if final:
            items = [ask.items[begin + index] for index in final]
            ask.asker.answered(ask.step, items, [outcomes[index] for index in final])
        self._retry(ask, [begin + index for index in retries], [outcomes[index] for index in retries])

    def _sort_out(self, ask: Ask, outcomes: Sequence[Outcome]) -> list[int]:
        """Count outcomes, tell the breaker, and answer the indexes of those to be tried again."""
        found = missed = 0
        failed, reason = False, ""
        retries: list[int] = []
        for index, outcome in enumerate(outcomes):
            kind = outcome.kind
            if kind is OutcomeKind.FOUND:
                found += 1
            elif kind is OutcomeKind.MISS:
                missed += 1
            else:
                self.outcomes[kind.value] += 1
                if kind is OutcomeKind.TRANSIENT:
                    failed, reason = True, outcome.reason
                if self._is_to_be_retried(ask, outcome):
                    retries.append(index)
        if found:
            self.outcomes["found"] += found
        if missed:
            self.outcomes["miss"] += missed
        self._tell_gate(failed=failed, answered=len(retries) < len(outcomes), reason=reason)
        return retries

    # ---- retry ---------------------------------------------------------------------------------------------------

    def _is_to_be_retried(self, ask: Ask, outcome: Outcome) -> bool:
        match outcome.kind:
            case OutcomeKind.RATE_LIMITED | OutcomeKind.QUOTA_EXHAUSTED | OutcomeKind.UNAUTHORIZED:
                return True
            case OutcomeKind.TRANSIENT:
                return ask.attempts + 1 < self.traits.attempts_max
            case _:
                return False

    def _retry(self, ask: Ask, indexes: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Put questions back that have to be asked once more, each kind after its own while.

        A cancelled enrichment's are not asked again: they go back as they are.
        """
        if ask.asker.withdraws:
            ask.asker.withdrawn(ask.step, [ask.items[index] for index in indexes])
            return
        transient = [i for i, o in zip(indexes, outcomes, strict=True) if o.kind is OutcomeKind.TRANSIENT]
        paused = [i for i, o in zip(indexes, outcomes, strict=True) if o.kind is not OutcomeKind.TRANSIENT]
        now = self._clock.time()
        if transient:
            hints = [o.retry_at - now for o in outcomes if o.kind is OutcomeKind.TRANSIENT and o.retry_at is not None]
            backoff = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0**ask.attempts) * self._random.random()
            self._put_later(ask.again(transient, ask.attempts + 1), max([backoff, *hints]))
        if paused:
            self._gate.refused([o for o in outcomes if o.kind is not OutcomeKind.TRANSIENT])
            self._put_later(ask.again(paused, ask.attempts), 0.0)

    def _put_later(self, ask: Ask, delay_s: float) -> None:
        self._later_count += 1
        heapq.heappush(self._later, (self._clock.monotonic() + delay_s, self._later_count, ask))
        self._wake_after(max(0.0, delay_s))

    def _recall(self) -> None:
        """Queue what has waited long enough for its retry."""
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            self._queue.put(heapq.heappop(self._later)[2])
        if self._later:
            # A timer may fire a little before its time by our clock: whoever looks in vain sets it again.
            self._wake_after(self._later[0][0] - now)


def _give_back(slices: Slices) -> None:
    for ask, begin, end in slices:
        ask.asker.withdrawn(ask.step, ask.items[begin:end])
