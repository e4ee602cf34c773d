"""The relay: publishes committed events to `des.events` and removes them from the outbox.

    outbox row ──claim──▶ published with a confirm ──▶ removed, in the same transaction as the claim

An event is published at least once, always under its own id: whatever dies between the confirm and the removal, it is
published again. Consumers bind a queue to the topic exchange `des.events` and dedupe on `ce-id`.

Routing key: `<type>.<tenant>`, for instance `des.batch.finished.default`; `des.enrichment.*.acme` are all about acme's
enrichments. Headers are CloudEvents 1.0 in binary mode (`ce-` and the attribute), the body is the event's data as JSON.
An event nobody has bound a queue for is confirmed and gone: DES keeps the object, not the news of it.

| it fails… | then |
|---|---|
| the broker is away, or refuses | rows stay, tried again after a wait that grows to BACKOFF_MOST_S |
| Postgres is away | the same |
| one event of a group is not confirmed | the others are removed, that one stays |
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from des.broker.contract import EVENTS_EXCHANGE, Publisher
from des.clock import Backoff, Clock
from des.errors import BrokerUnavailable, TransientError
from des.lifecycle import TaskOwner
from des.limits import OUTBOX_GROUP_EVENTS_MAX
from des.message import JSON
from des.store.contract import OutboxEvent, OutboxStore
from des.telemetry import Event, logger

log = logger(__name__)

SOURCE: Final = "urn:des"
"""`ce-source` of every event; with `ce-id` it names the event for ever."""
POLL_S: Final = 1.0
"""How often rows are looked for that other processes wrote; those of this process wake the relay."""
LINGER_S: Final = 0.005
"""From a wake to the look: whoever watches the object is told first, and commits that follow share the look."""
GROUP_DEADLINE_S: Final = 10.0
"""Longest wait for the confirms of a group; the claim must not idle for the 30 s after which Postgres ends it."""
COUNT_S: Final = 5.0
"""While it is behind, it looks this often how far."""
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MOST_S: Final = 5.0
STOP_S: Final = 5.0
"""How long a stop lets the relay publish what is still there."""


class Relay:
    """Moves events from the outbox to the broker. A Service; `wake` tells it of new rows."""

    name = "relay"

    def __init__(self, outbox: OutboxStore, publisher: Publisher, clock: Clock, *, poll_s: float = POLL_S) -> None:
        """Take the outbox, a started publisher, the clock that times the waits after a failure, and the poll."""
        self._outbox = outbox
        self._publisher = publisher
        self._clock = clock
        self._poll_s = poll_s
        self._tasks = TaskOwner(self.name, vital=True)
        self._woken = asyncio.Event()
        self._stopping = False
        self._error: TransientError | None = None
        self._count_at = 0.0
        self.published = 0
        """Events confirmed and removed since the start."""
        self.waiting = 0
        self.oldest_s = 0.0
        """Events that waited at the last look, and the age of the oldest."""
        self._observe: Callable[[float], None] = lambda _: None

    async def start(self) -> None:
        """Start relaying."""
        self._stopping = False
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        """Publish what is there, for STOP_S at most; the rest stays in the outbox."""
        self._stopping = True
        self._woken.set()
        await self._tasks.close(grace_s=STOP_S)

    def wake(self) -> None:
        """Look for events now: some have been committed."""
        self._woken.set()

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each group told, from its claim to its removal."""
        self._observe = observe

    async def _run(self) -> None:
        backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MOST_S)
        while True:
            self._woken.clear()
            more = await self._relay_group()
            if self._error is not None:
                log.warning(Event.RELAY_WAITS, error=str(self._error))
                if self._stopping:
                    return
                await self._clock.sleep(backoff.next_s())
                continue
            backoff.reset()
            if not more:
                if self._stopping:
                    return
                await self._wait()

    async def _relay_group(self) -> bool:
        """Relay one group; returns whether there may be more, and leaves in `_error` what stood in the way."""
        self._error = None
        began = self._clock.monotonic()
        try:
            claimed, removed = await self._outbox.relay(OUTBOX_GROUP_EVENTS_MAX, self._publish)
        except TransientError as error:
            self._error = error
            await self._count_waiting()
            return True
        self.published += removed
        if removed:
            self._observe(self._clock.monotonic() - began)
        if claimed == OUTBOX_GROUP_EVENTS_MAX:
            await self._count_waiting()
        else:
            self.waiting, self.oldest_s, self._count_at = 0, 0.0, 0.0
        return claimed == OUTBOX_GROUP_EVENTS_MAX

    async def _count_waiting(self) -> None:
        """Look how far behind this is; only when it is behind, and now and then, since counting reads all of it."""
        if self._clock.monotonic() < self._count_at:
            return
        self._count_at = self._clock.monotonic() + COUNT_S
        with contextlib.suppress(TransientError):
            self.waiting, self.oldest_s = await self._outbox.waiting()

    async def _publish(self, events: Sequence[OutboxEvent]) -> Collection[int]:
        """Publish all at once; answers the `seq` of those that were confirmed."""
        confirmed: list[int] = []
        try:
            async with asyncio.timeout(GROUP_DEADLINE_S):
                outcomes = await asyncio.gather(*(self._publish_one(event) for event in events), return_exceptions=True)
        except TimeoutError:
            raise BrokerUnavailable(f"no confirms from RabbitMQ within {GROUP_DEADLINE_S:g} s") from None
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome is None:
                confirmed.append(event.seq)
            elif isinstance(outcome, TransientError):
                self._error = outcome
            else:
                raise outcome
        return confirmed

    async def _publish_one(self, event: OutboxEvent) -> None:
        await self._publisher.publish(
            EVENTS_EXCHANGE,
            f"{event.type}.{event.tenant}",
            event.payload,
            content_type=JSON,
            headers=cloud_event_headers(event),
            mandatory=False,
        )

    async def _wait(self) -> None:
        """Wait for a wake or the poll; polls of many processes drift apart by up to a fifth."""
        poll_s = self._poll_s * (0.8 + 0.4 * random.random())  # noqa: S311 - spreads polls, keeps no secret
        try:
            async with asyncio.timeout(poll_s):
                await self._woken.wait()
        except TimeoutError:
            return
        if not self._stopping:
            await self._clock.sleep(LINGER_S)


def cloud_event_headers(event: OutboxEvent) -> Mapping[str, str]:
    """Attributes of a CloudEvent 1.0 as headers; `ce-tenant` is an extension attribute."""
    return {
        "ce-specversion": "1.0",
        "ce-id": str(event.id),
        "ce-source": SOURCE,
        "ce-type": event.type,
        "ce-time": event.created_at.isoformat(),
        "ce-subject": str(event.erid),
        "ce-tenant": event.tenant,
    }
