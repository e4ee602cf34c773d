"""The collector of one provider whose answers come later: the jobs that contacts wait for in this process.

    pending ──due──▶ asked for by handle ──answer──▶ concluded
       ▲                    │ not ready
       └── waits ◀──────────┘ for `wait_s` at most: then the contact ends, and `late` looks for the answer

A poll costs nothing, so nothing that one meets ends a question but the vendor's own word, or the dialect's.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from des.clock import Clock
from des.ledger import Job
from des.providers.ask import Asker
from des.providers.contract import NOT_READY, Collects, Outcome, OutcomeKind, Provider
from des.providers.paying import Paying
from des.providers.polls import Polls
from des.providers.vetting import vetted
from des.telemetry import Event, logger

log = logger(__name__)

POLL_AGAIN_S = 5.0
"""Where neither the vendor nor the dialect says when to look again."""


class Collector:
    """Jobs that are waited for. Its task is the dispatcher's."""

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        wait_s: float,
        *,
        permitted: Callable[[], Awaitable[None]],
        conclude: Callable[[Paying, Outcome], None],
        give_up: Callable[[Paying, str, float], None],
    ) -> None:
        """Take the provider, how long a contact waits, and what the dispatcher does.

        `permitted` waits until a poll may go out, `conclude` hears an answer, `give_up` that a contact waits no longer:
        with the handle, and when it is to be looked at next (seconds since the epoch).
        """
        self._provider = provider
        self._clock = clock
        self._wait_s = wait_s
        self._permitted = permitted
        self._conclude = conclude
        self._give_up = give_up
        self._polls = Polls(clock)

    def __len__(self) -> int:
        """Jobs waited for."""
        return len(self._polls)

    @property
    def calls(self) -> Collection[UUID]:
        """Calls whose jobs are waited for."""
        return self._polls.calls

    def waiting(self) -> tuple[float, Collection[Paying]]:
        """When the next is asked for, in monotonic seconds, and everybody who waits."""
        return self._polls.waiting()

    async def run(self) -> None:
        """Ask for answers when their time has come, many handles at once."""
        while True:
            due = await self._polls.due()
            outcomes = await self.collect([handle for _, handle in due])
            for (one, handle), outcome in zip(due, outcomes, strict=True):
                match outcome.kind:
                    case (
                        OutcomeKind.PENDING
                        | OutcomeKind.RATE_LIMITED
                        | OutcomeKind.TRANSIENT
                        | OutcomeKind.UNAUTHORIZED
                    ):
                        at = outcome.poll_at or outcome.retry_at or self._clock.time() + POLL_AGAIN_S
                        self.wait(one, outcome.handle or handle, at)
                    case _:
                        self._conclude(one, outcome)

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """Ask the provider for answers, at its permitted rate: an outcome each, `pending` where it failed to say."""
        await self._permitted()
        if isinstance(self._provider, Collects):
            try:
                outcomes = await self._provider.collect(handles)
                if len(outcomes) == len(handles):
                    return vetted(outcomes, self._provider.traits, NOT_READY, self._clock.time())
            except Exception as error:
                # A provider's bug must not lose the handles: they are asked for again.
                log.exception(Event.PROVIDER_FAILED, provider=self._provider.traits.name, error=str(error))
        return [NOT_READY] * len(handles)

    def wait(self, one: Paying, handle: str, poll_at: float) -> None:
        """Look at that time (seconds since the epoch), or let its contact wait no longer."""
        now = self._clock.monotonic()
        one.waits_until = one.waits_until or now + self._wait_s
        if now < one.waits_until and not one.ask.asker.withdraws:
            self._polls.put(one, handle, min(poll_at - self._clock.time(), one.waits_until - now))
        else:
            self._give_up(one, handle, poll_at or self._clock.time() + POLL_AGAIN_S)

    def withdraw(self, asker: Asker) -> Sequence[Paying]:
        """Wait no longer for an asker's jobs, and answer them; `late` looks for what becomes of them."""
        mine = [one for one in self._polls.waiting()[1] if one.ask.asker is asker]
        for one in mine:
            self._polls.take_out(one.call_id)
        return mine

    def deliver(self, job: Job, outcome: Outcome) -> bool:
        """Take an answer that the vendor has sent by itself; False where nobody waits for it here."""
        one = self._polls.take_out(job.call_id)
        if one is not None:
            self._conclude(one, outcome)
        return one is not None

    def clear(self) -> None:
        """Forget all of them; they are in Postgres."""
        self._polls.clear()
