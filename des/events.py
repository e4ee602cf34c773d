"""The events DES announces, as values: what each says and the id it keeps however often it is published.

They are built where the change is committed (an actor's commit, a seal) and written to the outbox in that
transaction. An id is a UUIDv5 of what happened: however a thing was committed, it is the same event.

    des.batch.finished         tenant, ERID, batch_id               once a batch
    des.enrichment.settled     tenant, ERID, revision               once a settlement
    des.enrichment.completed   tenant, ERID, revision               once, when sealed and settled
"""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

import msgspec

from des.contact import FieldState

BATCH_FINISHED = "des.batch.finished"
ENRICHMENT_SETTLED = "des.enrichment.settled"
ENRICHMENT_COMPLETED = "des.enrichment.completed"

FINISHED_STATES = tuple(state for state in FieldState if state is not FieldState.PENDING)
"""States a field ends in, in the order in which progress shows them."""

_NAMESPACE = UUID("6f0b7c5e-2d52-5d0e-9c39-6f2f5a2b8f10")
"""Ours alone; a change of it would announce everything again under new ids."""


class Progress(msgspec.Struct, frozen=True):
    """Exact counts of one enrichment; `fields` counts finished fields by state, each finished state named."""

    contacts: int
    contacts_done: int
    batches: int
    batches_done: int
    fields: Mapping[str, int]


class Event(msgspec.Struct, frozen=True):
    """One outbox row: `payload` is the JSON of the event's data."""

    id: UUID
    type: str
    tenant: str
    erid: UUID
    payload: bytes


class BatchFinished(msgspec.Struct, frozen=True):
    """Data of `des.batch.finished`: every contact of the batch, all parts of it, is done."""

    erid: UUID
    tenant: str
    batch_id: UUID
    contacts: int


class EnrichmentChanged(msgspec.Struct, frozen=True):
    """Data of `des.enrichment.settled` and `.completed`: counts at that revision and the fields asked for."""

    erid: UUID
    tenant: str
    revision: int
    progress: Progress
    fields: Sequence[str]


def batch_finished(tenant: str, erid: UUID, batch_id: UUID, contacts: int) -> Event:
    """Say that a batch of `contacts` (in all its parts) is finished."""
    data = BatchFinished(erid, tenant, batch_id, contacts)
    return _event(BATCH_FINISHED, tenant, erid, str(batch_id), data)


def enrichment_settled(tenant: str, erid: UUID, revision: int, progress: Progress, fields: Sequence[str]) -> Event:
    """Say that nothing of the ERID is outstanding, as of `revision`."""
    data = EnrichmentChanged(erid, tenant, revision, progress, fields)
    return _event(ENRICHMENT_SETTLED, tenant, erid, str(revision), data)


def enrichment_completed(tenant: str, erid: UUID, revision: int, progress: Progress, fields: Sequence[str]) -> Event:
    """Say that the ERID is sealed and settled, as of `revision`."""
    data = EnrichmentChanged(erid, tenant, revision, progress, fields)
    return _event(ENRICHMENT_COMPLETED, tenant, erid, str(revision), data)


def _event(type_: str, tenant: str, erid: UUID, what: str, data: BatchFinished | EnrichmentChanged) -> Event:
    # The tenant stands last: it alone may hold the separator, so two happenings never make one name.
    event_id = uuid5(_NAMESPACE, f"{type_}/{erid}/{what}/{tenant}")
    return Event(event_id, type_, tenant, erid, msgspec.json.encode(data))
