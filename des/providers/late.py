"""Late answers: jobs that no contact waits for in memory any more, and whatever vendors deliver by themselves.

    pending ──due, or delivered──▶ collected ──▶ settled; who had waited is outstanding again
                    ▲                    │ not ready
                    └────────────────────┘ until the dialect gives it up

Nobody waits where the contact ended first (`wait_s`), where its enrichment was cancelled, or where the worker ended and
the contact has not come back yet. A delivery is handed to the dispatcher where somebody waits there.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from des.clock import Clock
from des.errors import TransientError, Unstorable
from des.ledger import CallState, Job, Jobs, Settlement, as_unstorable
from des.lifecycle import TaskOwner
from des.providers.contract import Outcome, OutcomeKind
from des.providers.paid import PaidDispatcher
from des.providers.paying import as_first_asked
from des.telemetry import Event, logger

log = logger(__name__)

LOOK_S = 5.0
"""Jobs are looked for this often; a delivery wakes at once."""
JOBS_PER_LOOK = 100
POLL_AGAIN_S = 60.0

_outcome = msgspec.json.Decoder(Outcome).decode


class LateAnswers:
    """Collects, each provider by itself. A Service: `start`, `stop`."""

    name = "late answers"

    def __init__(self, dispatchers: Sequence[PaidDispatcher], jobs: Jobs, clock: Clock, look_s: float = LOOK_S) -> None:
        """Take the ways to the providers whose answers come later, their jobs, and how often to look, in seconds."""
        self.settled = 0
        self._jobs = jobs
        self._clock = clock
        self._look_s = look_s
        self._wakes = {one.traits.name: (one, asyncio.Event()) for one in dispatchers}
        self._tasks = TaskOwner(self.name, vital=True)

    async def start(self) -> None:
        """Start looking."""
        for dispatcher, wake in self._wakes.values():
            self._tasks.spawn(self._collect(dispatcher, wake), dispatcher.traits.name)
        self._tasks.spawn(self._keep_time(), "keep time")

    async def stop(self) -> None:
        """Stop looking; handles and deliveries are in Postgres."""
        await self._tasks.close()

    def delivered(self, provider: str) -> None:
        """Look now: the vendor has delivered something."""
        if provider in self._wakes:
            self._wakes[provider][1].set()

    async def _keep_time(self) -> None:
        """Have everything looked at now and then, whoever was told of it or not."""
        while True:
            try:
                await self._jobs.tidy()
            except TransientError as error:
                log.warning(Event.LATE_RETRIED, provider="", error=str(error))
            for _, wake in self._wakes.values():
                wake.set()
            await self._clock.sleep(self._look_s)

    async def _collect(self, dispatcher: PaidDispatcher, wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            try:
                while await self._look(dispatcher) == JOBS_PER_LOOK:
                    pass
            except TransientError as error:
                log.warning(Event.LATE_RETRIED, provider=dispatcher.traits.name, error=str(error))

    async def _look(self, dispatcher: PaidDispatcher) -> int:
        """Collect what is due; answer how many jobs there were."""
        due = await self._jobs.overdue(dispatcher.traits.name, dispatcher.collector.calls, JOBS_PER_LOOK)
        delivered = [(job, _outcome(job.delivered)) for job in due if job.delivered]
        polled = [job for job in due if not job.delivered]
        outcomes = await dispatcher.collector.collect([job.handle for job in polled]) if polled else []
        unheard = [pair for pair in delivered if not dispatcher.collector.deliver(*pair)]
        pairs = [*unheard, *zip(polled, outcomes, strict=True)]
        if pairs:
            settlements = [self._settlement(dispatcher, *pair) for pair in pairs]
            await self._end(settlements)
            self.settled += sum(one.state is not CallState.PENDING for one in settlements)
        return len(due)

    async def _end(self, settlements: Sequence[Settlement]) -> None:
        """Settle them; one by one where Postgres refuses one, which is kept for a person then."""
        try:
            await self._jobs.settle(settlements)
        except Unstorable as error:
            if len(settlements) > 1:
                for one in settlements:
                    await self._end([one])
                return
            log.warning(Event.SETTLEMENT_REFUSED, call_id=str(settlements[0].call_id), error=str(error))
            await self._jobs.settle([as_unstorable(settlements[0])])

    def _settlement(self, dispatcher: PaidDispatcher, job: Job, outcome: Outcome) -> Settlement:
        terms, traits = dispatcher.terms, dispatcher.traits
        if job.replay:
            outcome = as_first_asked(outcome, traits)
        match outcome.kind:
            case OutcomeKind.FOUND | OutcomeKind.MISS | OutcomeKind.SUPPRESSED:
                state = CallState.SETTLED
            case OutcomeKind.UNKNOWN:
                state = CallState.UNKNOWN
            case OutcomeKind.INVALID_INPUT | OutcomeKind.QUOTA_EXHAUSTED:
                state = CallState.UNKNOWN if traits.charged_when_sent else CallState.RELEASED
            case _:
                state = CallState.PENDING
                at = outcome.poll_at or outcome.retry_at or self._clock.time() + POLL_AGAIN_S
                outcome = msgspec.structs.replace(outcome, handle=outcome.handle or job.handle, poll_at=at)
        return terms.late_settlement(job.call_id, job.key, outcome, state)
