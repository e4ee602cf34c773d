"""What serving sees of Postgres: the one object of each ERID, its contacts, and the few things a reader may change.

Every call names the tenant, and what is another tenant's is NotFound like what never was.

Two ways to walk an ERID, both in order of acceptance and position:

- `page` shows every contact, finished or not, one consistent snapshot a page;
- `parts` and `finished` show finished contacts only, in small units that no snapshot and no connection outlives.
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Protocol
from uuid import UUID

import msgspec

from des.contact import Contact, FieldResult
from des.events import Progress
from des.ledger import NOTHING, Amount
from des.options import NO_OPTIONS, Change, Options
from des.stall import Stall


class EnrichmentState(enum.StrEnum):
    """Where an enrichment stands, derived from its counts and flags."""

    OPEN = "open"
    SETTLED = "settled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Spend(msgspec.Struct, frozen=True):
    """What an enrichment costs: set aside for calls under way, charged, and spared since it was at hand."""

    reserved: Amount = NOTHING
    spent: Amount = NOTHING
    saved: Amount = NOTHING


class Enrichment(msgspec.Struct, frozen=True):
    """The object of one ERID without its contacts. `fields` is the union of what its batches asked for.

    `stalls`: why contacts of it wait that could be asked about.
    """

    tenant: str
    erid: UUID
    state: EnrichmentState
    sealed: bool
    revision: int
    progress: Progress
    fields: Sequence[str]
    created_at: datetime
    updated_at: datetime
    options: Options = NO_OPTIONS
    spend: Spend = Spend()
    stalls: Sequence[Stall] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change by itself: completed, or cancelled with nothing outstanding."""
        match self.state:
            case EnrichmentState.COMPLETED:
                return True
            case EnrichmentState.CANCELLED:
                return self.progress.contacts_done == self.progress.contacts
            case EnrichmentState.OPEN | EnrichmentState.SETTLED:
                return False

    @property
    def fingerprint(self) -> str:
        """Names this state of the object and its contacts: alike when and only when nothing has changed."""
        # Counts may be the same before and after: one contact is resumed while another ends as that had ended.
        said = (self.options, self.spend, self.stalls)
        seen = (self.created_at, self.updated_at, self.state, self.sealed, self.progress, self.fields, *said)
        digest = blake2b(msgspec.json.encode(seen), digest_size=9).hexdigest()
        return f"{self.revision}-{digest}"


class EnrichedContact(msgspec.Struct, frozen=True, gc=False):
    """A contact and what was found for it; a field not finished yet is `pending`. `seq` is its part's number."""

    batch_id: UUID
    position: int
    contact: Contact
    enriched: Mapping[str, FieldResult]
    seq: int = 0


class Place(msgspec.Struct, frozen=True):
    """Where a reader stands: after `position` in the batch part accepted as number `seq`."""

    seq: int
    position: int


class ObjectPage(msgspec.Struct, frozen=True):
    """An enrichment and a page of its contacts, of one moment; `last` is its end where more contacts follow."""

    enrichment: Enrichment
    contacts: Sequence[EnrichedContact]
    last: Place | None


class Part(msgspec.Struct, frozen=True, gc=False):
    """A batch part with contacts that are finished, or were and are outstanding once more (`reopened`).

    Within an ERID no part turns up below a `seq` that was seen.
    """

    seq: int
    batch_id: UUID
    first_position: int
    contacts: int
    contacts_done: int
    reopened: int = 0


class Span(msgspec.Struct, frozen=True, gc=False):
    """Positions `first` to `last`, both included, of the batch part accepted as number `seq`."""

    seq: int
    batch_id: UUID
    first: int
    last: int


class ReadingStore(Protocol):
    """Serving's side of Postgres. Every call raises StoreUnavailable when the database is away.

    Calls that take one ERID raise NotFound where the tenant has none such; only `parts`, `finished` and
    `finished_up_to` find nothing there.
    """

    async def enrichment(self, tenant: str, erid: UUID) -> Enrichment:
        """Return the object without its contacts."""

    async def watched(self, erids: Sequence[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], Enrichment]:
        """Return those of the (tenant, ERID) pairs that exist, in one query."""

    async def enrichments(self, tenant: str, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Enrichment]:
        """Return the tenant's objects, newest first, after the one created then with that ERID."""

    async def page(self, tenant: str, erid: UUID, after: Place | None, contacts_max: int) -> ObjectPage:
        """Return the object and its next contacts."""

    async def parts(self, tenant: str, erid: UUID, after_seq: int, limit: int) -> Sequence[Part]:
        """Return parts of a higher `seq` of which anything is or was finished, in order of `seq`."""

    async def finished(
        self, tenant: str, erid: UUID, spans: Sequence[Span]
    ) -> tuple[Sequence[EnrichedContact], frozenset[int]]:
        """Return the finished contacts of these spans, in order of the spans and of position.

        With them the `seq` of parts of which a contact was finished and is outstanding once more.
        """

    async def finished_up_to(self, tenant: str, erid: UUID) -> int:
        """Return a `seq` up to which every part that can ever be there is finished; 0 where the first is not."""

    async def create(self, tenant: str, erid: UUID, options: Options | None = None) -> Enrichment:
        """Open the ERID where it is not open yet, with these options where it has none, and return it.

        Raises InvalidInput CONFLICTING_OPTIONS where it has others.
        """

    async def update(self, tenant: str, erid: UUID, change: Change, *, resume: bool = False) -> tuple[Enrichment, int]:
        """Change its options; a raised budget resumes what was over it. Returns it and the contacts resumed.

        `resume`: what any cap had ended, also where this budget is not raised. To repeat it changes nothing. Raises
        InvalidInput ENRICHMENT_CANCELLED.
        """

    async def seal(self, tenant: str, erid: UUID) -> Enrichment:
        """Take no more batches; complete it, and announce that, where nothing is outstanding."""

    async def cancel(self, tenant: str, erid: UUID) -> Enrichment:
        """Seal it and tell the worker that owns it to end what is outstanding. A completed one stays as it is."""
