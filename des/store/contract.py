"""What the stages see of Postgres: accept a group, load what waits, commit a group. The database decides."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from des.contact import ContactBatch, FieldState

PARTITIONS = 64
"""Fixed by the rows of table `lease`; changing it needs a migration that moves every partition."""


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


class AcceptedBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch that was new, as it now lies in Postgres; `done` are positions already committed."""

    batch: ContactBatch
    partition: int
    seq: int
    done: frozenset[int] = frozenset()


class Acceptance(msgspec.Struct, frozen=True):
    """What one accept transaction did."""

    new: Sequence[AcceptedBatch]
    duplicates: int
    quarantined: int


class ContactRow(msgspec.Struct, frozen=True, gc=False):
    """One finished contact: `input` and `fields` are JSON text; `states` of its fields."""

    batch_id: UUID
    part: int
    position: int
    input: str
    fields: str
    states: tuple[FieldState, ...]


class CommitUnit(msgspec.Struct, frozen=True, gc=False):
    """Contacts of one ERID that finished together, under the epoch their actor holds."""

    tenant: str
    erid: UUID
    partition: int
    epoch: int
    rows: Sequence[ContactRow]


class Commit(msgspec.Struct, frozen=True):
    """What one commit transaction did: events written, and the units whose epoch was stale (none of theirs landed)."""

    events: int
    stale: frozenset[int]
    changed: Sequence[tuple[str, UUID]] = ()


class Erid(msgspec.Struct, frozen=True, gc=False):
    """An ERID with outstanding work, found in Postgres."""

    tenant: str
    erid: UUID
    cancelled: bool = False


class WorkStore(Protocol):
    """The engine's side of Postgres. Every call raises StoreUnavailable when the database is away."""

    async def accept(self, batches: Sequence[ContactBatch], refused: Sequence[Refused]) -> Acceptance:
        """Write a group in one transaction: new batches, totals, quarantine. Duplicates change nothing."""

    async def commit(self, units: Sequence[CommitUnit], *, retried: bool) -> Commit:
        """Write a group in one transaction: contact rows, progress, events. `retried`: an earlier try may have landed.

        Raises CommitUnknown when the reply to COMMIT was lost, and asyncpg's own data errors for a poisoned unit.
        """

    async def load(
        self, wants: Mapping[tuple[str, UUID], Sequence[int]], contacts_max: int
    ) -> Mapping[tuple[str, UUID], Sequence[AcceptedBatch]]:
        """Open batches of each ERID in order of acceptance, but for those whose `seq` is given: about `contacts_max` an ERID."""

    async def outstanding(self, partitions: Sequence[int], after: tuple[str, UUID] | None, limit: int) -> Sequence[Erid]:
        """ERIDs of these partitions with open batches, in order of (tenant, erid), after the given one."""

    async def backlog(self) -> int:
        """Contacts accepted and not finished."""
