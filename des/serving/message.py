"""The object as protobuf `des.v1`."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import assert_never

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from des.contact import FieldResult, FieldState
from des.ledger import MILLION, Amount
from des.options import NO_OPTIONS
from des.serving.quote import Cost, ProviderQuote, Quote, Range, Saved
from des.stall import Stall
from des.store.reading import EnrichedContact, Enrichment, EnrichmentState
from des.v1 import contact_pb2, enrichment_pb2
from des.wire.options import options_message


def enrichment_message(enrichment: Enrichment) -> enrichment_pb2.Enrichment:
    """Return the object without contacts."""
    progress = enrichment.progress
    return enrichment_pb2.Enrichment(
        erid=str(enrichment.erid),
        state=_enrichment_state(enrichment.state),
        sealed=enrichment.sealed,
        progress=enrichment_pb2.Progress(
            contacts=progress.contacts,
            contacts_done=progress.contacts_done,
            batches=progress.batches,
            batches_done=progress.batches_done,
            fields=progress.fields,
        ),
        fields_to_be_enriched=enrichment.fields,
        revision=enrichment.revision,
        create_time=_timestamp(enrichment.created_at),
        update_time=_timestamp(enrichment.updated_at),
        options=None if enrichment.options == NO_OPTIONS else options_message(enrichment.options),
        spend=enrichment_pb2.Spend(
            reserved=amount_message(enrichment.spend.reserved),
            spent=amount_message(enrichment.spend.spent),
            saved=amount_message(enrichment.spend.saved),
        ),
        stalls=[_stall_message(stall) for stall in enrichment.stalls],
    )


def _stall_message(stall: Stall) -> enrichment_pb2.Stall:
    return enrichment_pb2.Stall(
        provider=stall.provider,
        stalled_reason=enrichment_pb2.StallReason.Value(f"STALL_REASON_{stall.stalled_reason}"),
        until=None if stall.until is None else _timestamp(stall.until),
        contacts=stall.contacts,
    )


def amount_message(amount: Amount) -> enrichment_pb2.Amount:
    """Return an amount in whole credits and units of money."""
    return enrichment_pb2.Amount(credits=amount.credits / MILLION, money=amount.money / MILLION)


def contact_message(contact: EnrichedContact) -> enrichment_pb2.EnrichedContact:
    """Return one contact with what was found for it."""
    return enrichment_pb2.EnrichedContact(
        batch_id=str(contact.batch_id),
        position=contact.position,
        contact=contact_pb2.Contact(**msgspec.structs.asdict(contact.contact)),
        enriched={name: _result_message(result) for name, result in contact.enriched.items()},
    )


def quote_message(quote: Quote) -> enrichment_pb2.QuoteEnrichmentResponse:
    """Return a quote; what is None stays unset."""
    return enrichment_pb2.QuoteEnrichmentResponse(
        erid=str(quote.erid),
        contacts=quote.contacts,
        people=quote.people,
        unidentified=quote.unidentified,
        at_hand=quote.at_hand,
        suppressed=quote.suppressed,
        cost=_cost_message(quote.cost),
        saved=_saved_message(quote.saved),
        eta_s=quote.eta_s,
        providers=map(_provider_quote_message, quote.providers),
        unknown=quote.unknown,
    )


def _provider_quote_message(quote: ProviderQuote) -> enrichment_pb2.ProviderQuote:
    return enrichment_pb2.ProviderQuote(
        provider=quote.provider,
        questions=_range_message(quote.questions),
        at_hand=quote.at_hand,
        cost=_cost_message(quote.cost),
        saved=_saved_message(quote.saved),
        eta_s=quote.eta_s,
    )


def _cost_message(cost: Cost) -> enrichment_pb2.QuotedCost:
    return enrichment_pb2.QuotedCost(credits=_range_message(cost.credits), money=_range_message(cost.money))


def _range_message(range_: Range) -> enrichment_pb2.QuotedRange:
    return enrichment_pb2.QuotedRange(min=range_.min, expected=range_.expected, max=range_.max)


def _saved_message(saved: Saved) -> enrichment_pb2.Amount:
    return enrichment_pb2.Amount(credits=saved.credits, money=saved.money)


def within(contacts: Iterable[EnrichedContact], bytes_max: int) -> Iterator[list[enrichment_pb2.EnrichedContact]]:
    """Cut contacts into groups of at most `bytes_max` encoded bytes, each of at least one contact."""
    group: list[enrichment_pb2.EnrichedContact] = []
    size = 0
    for message in map(contact_message, contacts):
        bytes_ = message.ByteSize()
        if group and size + bytes_ > bytes_max:
            yield group
            group, size = [], 0
        group.append(message)
        size += bytes_
    if group:
        yield group


def _result_message(result: FieldResult) -> enrichment_pb2.FieldResult:
    message = enrichment_pb2.FieldResult(
        state=_field_state(result.state),
        value=result.value,
        provider=result.provider,
        confidence=result.confidence,
        reason=result.reason,
        reference=result.reference,
        evidence=result.evidence,
        verification=result.verification,
        source=result.source,
        saved=result.saved,
        cost=result.cost,
        call_id=str(result.call_id or ""),
        rule=result.rule,
        attempts=[
            enrichment_pb2.Attempt(
                provider=one.provider,
                outcome=one.outcome,
                reason=one.reason,
                cost=one.cost,
                saved=one.saved,
                call_id=str(one.call_id or ""),
                value=one.value,
                confidence=one.confidence,
                verification=one.verification,
            )
            for one in result.attempts
        ],
    )
    if result.at:
        message.decide_time.FromDatetime(datetime.fromtimestamp(result.at, UTC))  # rounded as in the JSON document
    return message


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def _enrichment_state(state: EnrichmentState) -> "enrichment_pb2.EnrichmentState.ValueType":
    match state:
        case EnrichmentState.OPEN:
            return enrichment_pb2.ENRICHMENT_STATE_OPEN
        case EnrichmentState.SETTLED:
            return enrichment_pb2.ENRICHMENT_STATE_SETTLED
        case EnrichmentState.COMPLETED:
            return enrichment_pb2.ENRICHMENT_STATE_COMPLETED
        case EnrichmentState.CANCELLED:
            return enrichment_pb2.ENRICHMENT_STATE_CANCELLED
        case _:
            assert_never(state)


def _field_state(state: FieldState) -> "enrichment_pb2.FieldState.ValueType":
    match state:
        case FieldState.PENDING:
            return enrichment_pb2.FIELD_STATE_PENDING
        case FieldState.FOUND:
            return enrichment_pb2.FIELD_STATE_FOUND
        case FieldState.NOT_FOUND:
            return enrichment_pb2.FIELD_STATE_NOT_FOUND
        case FieldState.FAILED:
            return enrichment_pb2.FIELD_STATE_FAILED
        case FieldState.SUPPRESSED:
            return enrichment_pb2.FIELD_STATE_SUPPRESSED
        case FieldState.OVER_BUDGET:
            return enrichment_pb2.FIELD_STATE_OVER_BUDGET
        case FieldState.CANCELLED:
            return enrichment_pb2.FIELD_STATE_CANCELLED
        case _:
            assert_never(state)
