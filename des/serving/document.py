"""The object as JSON: the types that are encoded and that `/openapi.json` describes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from des.contact import Attempt, Contact, FieldResult, FieldState
from des.events import Progress
from des.ledger import MILLION, Amount
from des.serving.paging import contact_token, enrichment_token
from des.stall import Stall
from des.store.reading import EnrichedContact, Enrichment, EnrichmentState, ObjectPage, Spend
from des.wire.options import OptionsDocument, document_of

_Confidence = Annotated[float, msgspec.Meta(ge=0, le=1, description="how sure, 0 to 1")]


class FieldDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one field of one contact, with its receipt; what is empty is left out."""

    state: FieldState
    value: str = ""
    provider: str = ""
    confidence: _Confidence | msgspec.UnsetType = msgspec.UNSET
    reason: str = ""
    reference: str = ""
    evidence: str = ""
    verification: str = ""
    cost: float | msgspec.UnsetType = msgspec.UNSET
    decide_time: datetime | None = None
    attempts: Sequence[Attempt] = ()
    source: str = ""
    saved: float | msgspec.UnsetType = msgspec.UNSET
    call_id: UUID | None = None
    rule: str = ""


class ContactDocument(Contact, frozen=True, kw_only=True):
    """A contact as it was sent, where it stands, and what was found for it by field."""

    batch_id: UUID
    position: int
    enriched: Mapping[str, FieldDocument]


class AmountDocument(msgspec.Struct, frozen=True):
    """Credits of the providers, added up, and the money that they are configured to cost; each to a millionth."""

    credits: float
    money: float


class SpendDocument(msgspec.Struct, frozen=True):
    """What an enrichment costs, exactly: set aside for calls under way, charged, and spared."""

    reserved: AmountDocument
    spent: AmountDocument
    saved: AmountDocument


class EnrichmentDocument(msgspec.Struct, frozen=True):
    """The object of one ERID without its contacts."""

    erid: UUID
    state: EnrichmentState
    sealed: bool
    revision: int
    progress: Progress
    fields_to_be_enriched: Sequence[str]
    create_time: datetime
    update_time: datetime
    options: OptionsDocument
    spend: SpendDocument
    stalls: Sequence[Stall]


class UpdatedDocument(EnrichmentDocument, frozen=True):
    """The object after a change of its options, and how many contacts are outstanding again with that."""

    resumed_contacts: int


class ObjectDocument(EnrichmentDocument, frozen=True):
    """The single data object of one ERID, with a page of its contacts; no `next_page_token` on the last page."""

    contact_list: Sequence[ContactDocument]
    next_page_token: str


class ListDocument(msgspec.Struct, frozen=True):
    """A page of the tenant's enrichments, newest first."""

    enrichments: Sequence[EnrichmentDocument]
    next_page_token: str


def enrichment_document(enrichment: Enrichment) -> EnrichmentDocument:
    """Return the object without contacts."""
    return EnrichmentDocument(*_head(enrichment))


def updated_document(enrichment: Enrichment, resumed: int) -> UpdatedDocument:
    """Return the object after a change of its options."""
    return UpdatedDocument(*_head(enrichment), resumed)


def object_document(page: ObjectPage) -> ObjectDocument:
    """Return the object with a page of its contacts."""
    token = contact_token(page.enrichment.erid, page.last) if page.last else ""
    contacts = [contact_document(contact) for contact in page.contacts]
    return ObjectDocument(*_head(page.enrichment), contacts, token)


def list_document(enrichments: Sequence[Enrichment], *, more: bool) -> ListDocument:
    """Return a page of objects."""
    token = enrichment_token(enrichments[-1]) if more else ""
    return ListDocument([enrichment_document(enrichment) for enrichment in enrichments], token)


def contact_document(contact: EnrichedContact) -> ContactDocument:
    """Return one contact."""
    return ContactDocument(
        *msgspec.structs.astuple(contact.contact),
        batch_id=contact.batch_id,
        position=contact.position,
        enriched={name: field_document(result) for name, result in contact.enriched.items()},
    )


def field_document(result: FieldResult) -> FieldDocument:
    """Return one result with its receipt."""
    return FieldDocument(
        state=result.state,
        value=result.value,
        provider=result.provider,
        confidence=result.confidence if result.state is FieldState.FOUND else msgspec.UNSET,
        reason=result.reason,
        reference=result.reference,
        evidence=result.evidence,
        verification=result.verification,
        cost=result.cost or msgspec.UNSET,
        source=result.source,
        saved=result.saved or msgspec.UNSET,
        call_id=result.call_id,
        rule=result.rule,
        decide_time=datetime.fromtimestamp(result.at, UTC) if result.at else None,
        attempts=result.attempts,
    )


def amount_document(amount: Amount) -> AmountDocument:
    """Return an amount in whole credits and units of money."""
    return AmountDocument(amount.credits / MILLION, amount.money / MILLION)


def _spend_document(spend: Spend) -> SpendDocument:
    return SpendDocument(amount_document(spend.reserved), amount_document(spend.spent), amount_document(spend.saved))


_Head = tuple[
    UUID,
    EnrichmentState,
    bool,
    int,
    Progress,
    Sequence[str],
    datetime,
    datetime,
    OptionsDocument,
    SpendDocument,
    Sequence[Stall],
]


def _head(enrichment: Enrichment) -> _Head:
    return (
        enrichment.erid,
        enrichment.state,
        enrichment.sealed,
        enrichment.revision,
        enrichment.progress,
        enrichment.fields,
        enrichment.created_at,
        enrichment.updated_at,
        document_of(enrichment.options),
        _spend_document(enrichment.spend),
        enrichment.stalls,
    )
