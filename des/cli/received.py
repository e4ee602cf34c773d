"""What came by gRPC, as the values that serving writes: one enrichment looks alike by `des results` and by HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from des.contact import TENANT_DEFAULT, Attempt, Contact, FieldResult, FieldState
from des.events import FINISHED_STATES, Progress
from des.ledger import Amount, millionths
from des.options import options_of
from des.stall import Stall, StallReason
from des.store.reading import EnrichedContact, Enrichment, EnrichmentState, Spend
from des.v1 import enrichment_pb2 as pb
from des.wire.options import stated_in_message

_TEXTS: Final = Contact.__struct_fields__
_PLAIN: Final = tuple(
    name for name in FieldResult.__struct_fields__ if name not in {"state", "at", "attempts", "call_id"}
)
_PLAIN_OF_ATTEMPT: Final = tuple(name for name in Attempt.__struct_fields__ if name != "call_id")
"""What a receipt and its attempts have under the same name and in the same form as their messages."""
_ENRICHMENT: Final = "ENRICHMENT_STATE_"
_FIELD: Final = "FIELD_STATE_"
_STALL: Final = "STALL_REASON_"


def enrichment_of(message: pb.Enrichment) -> Enrichment:
    """Read an object without contacts."""
    progress = message.progress
    return Enrichment(
        tenant=TENANT_DEFAULT,
        erid=UUID(message.erid),
        state=EnrichmentState(pb.EnrichmentState.Name(message.state).removeprefix(_ENRICHMENT).lower()),
        sealed=message.sealed,
        revision=message.revision,
        progress=Progress(
            contacts=progress.contacts,
            contacts_done=progress.contacts_done,
            batches=progress.batches,
            batches_done=progress.batches_done,
            fields={state: progress.fields[state] for state in FINISHED_STATES},  # a protobuf map has no order
        ),
        fields=list(message.fields_to_be_enriched),
        created_at=message.create_time.ToDatetime(UTC),
        updated_at=message.update_time.ToDatetime(UTC),
        options=options_of(stated_in_message(message.options)),
        spend=Spend(
            _amount_of(message.spend.reserved), _amount_of(message.spend.spent), _amount_of(message.spend.saved)
        ),
        stalls=[_stall_of(stall) for stall in message.stalls],
    )


def _stall_of(message: pb.Stall) -> Stall:
    return Stall(
        message.provider,
        StallReason(pb.StallReason.Name(message.stalled_reason).removeprefix(_STALL)),
        message.until.ToDatetime(UTC) if message.HasField("until") else None,
        message.contacts,
    )


def contact_of(message: pb.EnrichedContact) -> EnrichedContact:
    """Read a contact with what was found for it."""
    return EnrichedContact(
        seq=0,  # the store's own number, which is not told
        batch_id=UUID(message.batch_id),
        position=message.position,
        contact=Contact(*[getattr(message.contact, name) for name in _TEXTS]),
        enriched={name: _result_of(result) for name, result in sorted(message.enriched.items())},
    )


def _result_of(message: pb.FieldResult) -> FieldResult:
    decided: datetime | None = message.decide_time.ToDatetime(UTC) if message.HasField("decide_time") else None
    return FieldResult(
        state=FieldState(pb.FieldState.Name(message.state).removeprefix(_FIELD).lower()),
        at=decided.timestamp() if decided else 0.0,
        attempts=tuple(_attempt_of(attempt) for attempt in message.attempts),
        call_id=_id_of(message.call_id),
        **_said(message, _PLAIN),
    )


def _attempt_of(message: pb.Attempt) -> Attempt:
    return Attempt(call_id=_id_of(message.call_id), **_said(message, _PLAIN_OF_ATTEMPT))


def _said(message: pb.FieldResult | pb.Attempt, names: Sequence[str]) -> dict[str, Any]:
    """What a message says beyond the defaults: a default that is written out would be written to the document too."""
    return {name: value for name in names if (value := getattr(message, name))}


def _amount_of(message: pb.Amount) -> Amount:
    return Amount(millionths(message.credits), millionths(message.money))


def _id_of(text: str) -> UUID | None:
    return UUID(text) if text else None
