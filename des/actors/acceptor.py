"""3 accept: takes what has arrived, decodes it, writes it in one transaction, tells the actors, then acks.

A delivery is unacked for milliseconds. Whatever cannot be decoded becomes a quarantine row of the same transaction, so
that everything is acked and nothing is redelivered for ever. Above the high-water mark of unfinished contacts the
acceptor rests and the broker buffers.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Container, Sequence
from typing import Protocol

import msgspec

from des import failpoints
from des.actors.backlog import Backlog
from des.broker.contract import Consumer
from des.clock import Clock
from des.contact import BatchKey, ContactBatch
from des.errors import CommitUnknown, TransientError
from des.failpoints import Failpoint
from des.lifecycle import TaskOwner
from des.limits import ACCEPT_GROUP_BYTES_MAX, ACCEPT_GROUP_DELIVERIES_MAX, PARTITIONS
from des.message import Delivery
from des.store.contract import Acceptance, AcceptedBatch, Refused, WorkStore, partition_of
from des.telemetry import Event, logger
from des.wire import InvalidUnit, TenantResolver, decode_delivery

log = logger(__name__)

RETRY_FIRST_S = 0.05
RETRY_MAX_S = 2.0
PATIENCE_S = 0.1
"""Rest after a full group while the actors' memory is full, after a smaller one as much less: ten full groups a second
go on, and a few contacts are not kept for it."""
GATHER_S = 0.15
GATHER_CONTACTS = 3_500
"""Longest rest before a group while deliveries stream in and the actors have so much to do, less while they have less.

An accept transaction for ten deliveries costs hardly less than one for hundreds (bench `small_batches`)."""
GATHER_DELIVERIES = 500
GATHER_BYTES = ACCEPT_GROUP_BYTES_MAX // 2
"""A group that is worth its transaction: it is waited for no longer."""
STREAM_DELIVERIES = 16
"""A group of fewer, and nothing streams in that a rest would gather."""


class Actors(Protocol):
    """The router."""

    @property
    def owned(self) -> Container[int]:
        """Partitions this worker holds."""

    @property
    def contacts_held(self) -> int:
        """Contacts the actors have in memory."""

    async def memory(self) -> None:
        """Wait until they can hold more."""

    def accepted(self, batches: Sequence[AcceptedBatch]) -> None:
        """Hear of new batches."""


class Acceptor:
    """The task between the ingest queue and table `batch`. A Service: `start`, `stop`."""

    name = "acceptor"

    def __init__(
        self,
        consumer: Consumer,
        store: WorkStore,
        clock: Clock,
        backlog: Backlog,
        *,
        tenants: TenantResolver,
        fields: frozenset[str],
        accepting: set[BatchKey],
        actors: Actors,
        on_dirty: Callable[[int], None],
    ) -> None:
        """Take where deliveries come from and go to, the fields that may be asked for, and whom to tell.

        `accepting` holds what is being written; `on_dirty` hears of a partition with batches that nobody may know of.
        """
        self._consumer = consumer
        self._store = store
        self._clock = clock
        self._backlog = backlog
        self._tenants = tenants
        self._fields = fields
        self._actors = actors
        self._on_dirty = on_dirty
        self._accepting = accepting
        self._patience_s = 0.0
        self._streams = False
        self._tasks = TaskOwner(self.name, vital=True)
        self._observe: Callable[[float], None] = lambda _: None
        self._began = 0.0
        self.batches = self.contacts = self.duplicates = 0
        self.quarantined: Counter[str] = Counter()

    async def start(self) -> None:
        """Begin to accept."""
        self._tasks.spawn(self._run(), "accept")

    async def stop(self) -> None:
        """Accept nothing more; what is not acked is redelivered."""
        await self._tasks.close()

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each group told, from its arrival to its acknowledgement."""
        self._observe = observe

    def oldest_s(self) -> float:
        """Seconds since the group that is being accepted arrived; 0 when there is none."""
        return self._clock.monotonic() - self._began if self._began else 0.0

    async def _run(self) -> None:
        while True:
            await self._backlog.below()
            await self._pace()
            deliveries = await self._consumer.take(ACCEPT_GROUP_DELIVERIES_MAX)
            self._began = self._clock.monotonic()
            batches, refused = self._decode(deliveries)
            self._accepting.update(batch.key for batch in batches)
            acceptance = await self._accept(batches, refused)
            failpoints.hit(Failpoint.ACCEPT_COMMITTED_NOT_ACKED)
            self._actors.accepted(acceptance.new)  # first: somebody may wait for what they find
            self._consumer.ack(deliveries)
            self._count(acceptance, deliveries)
            self._accepting.clear()
            self._observe(self.oldest_s())
            self._began = 0.0

    async def _pace(self) -> None:
        """Let deliveries gather while the actors have plenty to do; rest a moment while they have all they can hold.

        What they cannot hold has to be read back from Postgres and decoded again; but a small batch behind a large
        backlog has to come through too, so it is a moment and no more.
        """
        if self._streams:
            gather_s = GATHER_S * min(1.0, self._actors.contacts_held / GATHER_CONTACTS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(gather_s):
                    await self._consumer.gather(GATHER_DELIVERIES, GATHER_BYTES)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await self._actors.memory()

    def _decode(self, deliveries: Sequence[Delivery]) -> tuple[list[ContactBatch], list[Refused]]:
        """Make batches of what can be read, and quarantine rows of what cannot."""
        batches: list[ContactBatch] = []
        refused: list[Refused] = []
        for delivery in deliveries:
            for unit in decode_delivery(delivery, self._tenants, self._fields):
                if isinstance(unit, InvalidUnit):
                    log.warning(Event.BATCH_QUARANTINED, reason=unit.reason, message=unit.message)
                    refused.append(_refuse(unit))
                else:
                    batches.append(unit)
        return batches, refused

    async def _accept(self, batches: Sequence[ContactBatch], refused: Sequence[Refused]) -> Acceptance:
        """Write the group until it is written: a group whose reply was lost is a duplicate when it had landed."""
        delay_s, may_have_landed = RETRY_FIRST_S, False
        while True:
            owned = frozenset(partition for partition in range(PARTITIONS) if partition in self._actors.owned)
            try:
                acceptance = await self._store.accept(batches, refused, owned)
            except TransientError as error:
                may_have_landed = may_have_landed or isinstance(error, CommitUnknown)
                log.warning(
                    Event.ACCEPT_RETRIED, batches=len(batches), error=str(error), may_have_landed=may_have_landed
                )
            else:
                mine = {one.partition for one in acceptance.new} & owned
                if may_have_landed:
                    mine = {partition_of(batch.tenant, batch.erid) for batch in batches}
                    for partition in mine:
                        self._on_dirty(partition)
                await self._tell_owners({partition for partition in mine if partition not in self._actors.owned})
                return acceptance
            await self._clock.sleep(delay_s)
            delay_s = min(RETRY_MAX_S, delay_s * 2)

    async def _tell_owners(self, lost: Collection[int]) -> None:
        """Tell of batches whose partition was this worker's, or seemed to be, until they were committed."""
        if not lost:
            return
        try:
            await self._store.tell_owners(lost)
        except TransientError as error:  # their owners find them by their next sweep
            log.warning(Event.TELLING_FAILED, partitions=sorted(lost), error=str(error))

    def _count(self, acceptance: Acceptance, deliveries: Sequence[Delivery]) -> None:
        contacts = sum(len(accepted.batch.contacts) for accepted in acceptance.new)
        size = sum(len(delivery.body) for delivery in deliveries)
        self._patience_s = PATIENCE_S * min(1.0, size / ACCEPT_GROUP_BYTES_MAX)
        self._streams = len(deliveries) >= STREAM_DELIVERIES
        self._backlog.add(contacts)
        self.batches += len(acceptance.new)
        self.contacts += contacts
        self.duplicates += acceptance.duplicates
        self.quarantined.update(acceptance.quarantined)


def _refuse(unit: InvalidUnit) -> Refused:
    return Refused(
        unit.tenant,
        unit.erid,
        unit.batch_id,
        "accept",
        unit.reason,
        unit.message,
        msgspec.json.encode(unit.violations).decode(),
        unit.content_type,
        unit.message_type,
        unit.payload,
    )
