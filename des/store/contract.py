"""What the stages see of Postgres: accept a group, load what waits, commit a group. The database decides."""

import zlib
from collections.abc import Awaitable, Callable, Collection, Container, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from des.contact import ContactBatch, FieldResult, FieldState
from des.ledger import Saving, Settlement
from des.limits import PARTITIONS
from des.options import UNSAID, OptionsInForce
from des.stall import StallRow

Erid = tuple[str, UUID]
"""An ERID with its tenant: what an actor is named by."""


def partition_of(tenant: str, erid: UUID) -> int:
    """Stable partition of an ERID: 0 to PARTITIONS - 1."""
    return zlib.crc32(erid.bytes, zlib.crc32(tenant.encode())) % PARTITIONS


class Refused(msgspec.Struct, frozen=True):
    """Something that cannot be taken in: goes to quarantine as it is, with the reason."""

    tenant: str
    erid: str
    batch_id: str
    stage: str
    reason: str
    message: str
    violations: str
    content_type: str
    message_type: str
    payload: bytes


class ResumedContact(msgspec.Struct, frozen=True, gc=False):
    """A contact that is outstanding once more: its place in its batch, and the fields that are, as they had ended."""

    position: int
    fields: Mapping[str, FieldResult]


class AcceptedBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch that was new, as it now lies in Postgres; `done` are positions already committed.

    `options`: those of its ERID at that moment. `resumed`: it stands for contacts of a batch that are outstanding once
    more: one for each of `batch.contacts`. Its `seq` is the negative of the batch's. `unreadable`: what Postgres
    holds of it is in quarantine, and blank contacts stand for its own. `cancelled`: it is a further part of a batch
    whose ERID was cancelled before it came.
    """

    batch: ContactBatch
    partition: int
    seq: int
    done: frozenset[int] = frozenset()
    options: OptionsInForce = UNSAID
    resumed: Sequence[ResumedContact] = ()
    unreadable: bool = False
    cancelled: bool = False


class Acceptance(msgspec.Struct, frozen=True):
    """What one accept transaction did; `quarantined` by reason."""

    new: Sequence[AcceptedBatch]
    duplicates: int
    quarantined: Mapping[str, int]


class ContactRow(msgspec.Struct, frozen=True, gc=False):
    """One finished contact: `input` and `fields` are JSON text; `states` of its fields; `seq` of its batch.

    `charges`: calls whose charge its receipts show. `awaits`: calls for want of whose answer a field failed.
    """

    batch_id: UUID
    part: int
    position: int
    input: str
    fields: str
    states: tuple[FieldState, ...]
    seq: int
    charges: tuple[UUID, ...] = ()
    awaits: tuple[UUID, ...] = ()


class CommitUnit(msgspec.Struct, frozen=True, gc=False):
    """Contacts of one ERID that finished together, under the epoch their actor holds, and how their calls were settled.

    Rows of a stale epoch are refused; settlements never are: what was paid was paid. `resumed`: its rows are of
    contacts that were finished before, and have the fields that were outstanding once more. `options_revision`: the
    newest options that the actor knew; what a cap has ended under older ones is resumed.
    """

    tenant: str
    erid: UUID
    partition: int
    epoch: int
    rows: Sequence[ContactRow]
    settlements: Sequence[Settlement] = ()
    savings: Sequence[Saving] = ()
    resumed: bool = False
    options_revision: int = 0


class Commit(msgspec.Struct, frozen=True):
    """What one commit transaction did.

    Indexes of the units whose epoch was stale (none of their rows landed), the number of events it wrote, the
    enrichments whose progress changed, and the fields that ended, by state.
    """

    stale: frozenset[int]
    events: int
    changed: Sequence[Erid]
    fields: Mapping[FieldState, int] = {}


class Outstanding(msgspec.Struct, frozen=True, gc=False):
    """An ERID with open batches, found in Postgres, how many contacts they leave outstanding, and its options."""

    tenant: str
    erid: UUID
    cancelled: bool
    contacts: int
    options: OptionsInForce = UNSAID


class Want(msgspec.Struct, frozen=True, gc=False):
    """Asks for open batches of an ERID but for those whose `seq` is `known`; each ERID once in a load.

    That of resumed contacts of a batch is the negative of the batch's.
    """

    tenant: str
    erid: UUID
    contacts: int
    known: Sequence[int]


class OpenBatches(msgspec.Struct, frozen=True, gc=False):
    """What a load found of an ERID, in order of acceptance; `complete`: there was nothing else."""

    batches: Sequence[AcceptedBatch]
    complete: bool


class WorkStore(Protocol):
    """The engine's side of Postgres. Every call raises StoreUnavailable when the database is away."""

    async def accept(
        self, batches: Sequence[ContactBatch], refused: Sequence[Refused], owned: Container[int]
    ) -> Acceptance:
        """Write a group in one transaction: new batches, totals, quarantine. Duplicates change nothing.

        Owners of partitions outside `owned` are told of what came for them.
        """

    async def tell_owners(self, partitions: Collection[int]) -> None:
        """Tell the owners of these partitions that something came for them."""

    async def commit(
        self, units: Sequence[CommitUnit], refused: Sequence[Refused] = (), *, retried: bool = False
    ) -> Commit:
        """Write a group in one transaction: contact rows, progress, events, quarantine.

        `retried`: an earlier try of the same may have landed; what did is left alone. Raises CommitUnknown when the
        reply to COMMIT was lost, Unstorable when a unit holds what Postgres refuses (nothing landed then).
        """

    async def load(self, wants: Sequence[Want]) -> Sequence[OpenBatches]:
        """Read open batches of each wanted ERID, as many as its contacts need, at least one."""

    async def outstanding(self, partitions: Sequence[int], after: Erid | None, limit: int) -> Sequence[Outstanding]:
        """ERIDs of the partitions with open batches, one partition after the other, in order of (tenant, erid).

        Those of the first partition are those after the given ERID.
        """

    async def orphan(self, partition: int, epoch: int) -> int:
        """Mark as unknown the paid calls that an earlier epoch of the partition claimed and never settled; how many."""

    async def backlog(self) -> int:
        """Contacts accepted and not finished."""


# ---- outbox ---------------------------------------------------------------------------------------------------------


class OutboxEvent(msgspec.Struct, frozen=True, gc=False):
    """A committed event that the broker may not have yet; `payload` is JSON, `seq` its place in the outbox."""

    seq: int
    id: UUID
    type: str
    tenant: str
    erid: UUID
    payload: bytes
    created_at: datetime


class OutboxStore(Protocol):
    """The relay's side of Postgres."""

    async def relay(
        self, events_max: int, publish: Callable[[Sequence[OutboxEvent]], Awaitable[Collection[int]]]
    ) -> tuple[int, int]:
        """Claim the oldest events nobody else holds, publish them, remove those whose `seq` `publish` answers.

        Returns how many were claimed and removed. Raises StoreUnavailable, CommitUnknown, and what `publish` raises
        (nothing is removed then).
        """

    async def waiting(self) -> tuple[int, float]:
        """Events in the outbox and the age of the oldest, in seconds."""


# ---- stalls ---------------------------------------------------------------------------------------------------------


class StallStore(Protocol):
    """Where a worker tells why contacts wait. Every call raises StoreUnavailable when the database is away."""

    async def tell(self, told: Collection[StallRow], ended: Collection[StallRow]) -> None:
        """Write what is new or has changed, and remove what is over."""


# ---- leases ---------------------------------------------------------------------------------------------------------


class Division(msgspec.Struct, frozen=True):
    """By what the permitted rates are divided: `place` of `workers`, by the list that `sharing` names.

    `agreed`: all others divide by the same list. `quiet_s`: seconds since the last of them began to, or since the last
    of the dead was alive; None where there has been nobody else.
    """

    sharing: str = ""
    place: int = 0
    workers: int = 1
    agreed: bool = True
    quiet_s: float | None = None


class Share(msgspec.Struct, frozen=True):
    """Partitions a worker holds, with their epochs, those it should give back to others, and its part of the rates."""

    held: Mapping[int, int]
    surplus: frozenset[int]
    division: Division = Division()


class LeaseStore(Protocol):
    """The leases of one worker. Every call raises StoreUnavailable when the database is away."""

    async def acquire_fair_share(self, sharing: str) -> Share:
        """Renew this worker's leases for LEASE_S and take free or abandoned partitions up to its fair share.

        `sharing`: the list by which it divides the permitted rates already, empty where by none.
        """

    async def release(self, partitions: Collection[int]) -> None:
        """Give partitions back; those that are another's by now stay theirs."""

    async def leave(self) -> None:
        """Give everything back: this worker is gone."""


# ---- quarantine -----------------------------------------------------------------------------------------------------

QuarantineState = Literal["held", "retried", "discarded"]


class Quarantined(msgspec.Struct, frozen=True):
    """A row of quarantine but for its payload; `violations` is JSON, `seen` counts how often the same came."""

    id: int
    tenant: str
    erid: str
    batch_id: str
    stage: str
    reason: str
    message: str
    violations: str
    content_type: str
    message_type: str
    payload_bytes: int
    seen: int
    state: QuarantineState
    created_at: datetime
    updated_at: datetime


class QuarantineStore(Protocol):
    """What operators do with quarantine. Every call raises StoreUnavailable when the database is away."""

    async def page(
        self,
        *,
        state: QuarantineState | None = None,
        tenant: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Quarantined]:
        """Rows, newest first; `before` is the last id of the page before."""

    async def show(self, row_id: int) -> tuple[Quarantined, bytes]:
        """One row with its payload. Raises NotFound."""

    async def discard(self, row_ids: Sequence[int]) -> int:
        """Mark held rows as not wanted; returns how many were held."""

    def retrying(self, row_id: int) -> AbstractAsyncContextManager[tuple[Quarantined, bytes]]:
        """Hold a row while its payload is published again; marked retried where the block ends well.

        Raises NotFound, also where it is not held.
        """
