"""The values that move through DES: contacts, batches of them, the fields asked for and the states they end in.

Immutable, free of I/O, and alike on every door: `wire` turns protobuf and JSON into these and back.
"""

import enum
from uuid import UUID

import msgspec

from des.options import Options

TENANT_DEFAULT = "default"


FREE = 0.0
"""No charge: the default of every cost, and the very object, since msgspec leaves out a default by its identity."""


class FieldType(enum.StrEnum):
    """How the values of a field are normalised and validated."""

    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    TEXT = "text"


class FieldState(enum.StrEnum):
    """State in which one (contact, field) ends; `pending` until then and never stored."""

    PENDING = "pending"
    FOUND = "found"
    NOT_FOUND = "not_found"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"


class Contact(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One person as the caller sent them; text as it came, empty where nothing was sent."""

    first_name: str = ""
    last_name: str = ""
    full_name: str = ""
    company_name: str = ""
    company_domain: str = ""
    email: str = ""
    phone: str = ""
    linkedin_url: str = ""
    country: str = ""
    external_id: str = ""


class BatchKey(msgspec.Struct, frozen=True, gc=False):
    """Natural key of one part of a batch: what makes a resend a duplicate."""

    tenant: str
    erid: UUID
    batch_id: UUID
    part: int = 0


class ContactBatch(msgspec.Struct, frozen=True, gc=False):
    """A validated batch, or one part of a large one.

    `fields` are sorted and unique. `content_hash` (32 bytes, SHA-256) covers the whole batch's contacts and fields,
    whatever door it came by. `payload` is this part's canonical protobuf `des.v1.ContactBatch`. `options` are for the
    whole ERID and no content: None where the batch has none.
    """

    tenant: str
    erid: UUID
    batch_id: UUID
    fields: tuple[str, ...]
    contacts: tuple[Contact, ...]
    content_hash: bytes
    payload: bytes
    part: int = 0
    parts: int = 1
    first_position: int = 0
    options: Options | None = None

    @property
    def key(self) -> BatchKey:
        """Natural key of this part."""
        return BatchKey(self.tenant, self.erid, self.batch_id, self.part)


class Attempt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One provider that was asked for a field: its name, the outcome of the call, why, and what it cost.

    A call for several fields has its charge on one of them. `cost`, `saved`, `call_id` and `verification` as of a
    FieldResult. `value` with its `confidence` where one was given and not taken: `reason` says why.
    """

    provider: str
    outcome: str
    reason: str = ""
    cost: float = FREE
    saved: float = FREE
    call_id: UUID | None = None
    value: str = ""
    confidence: float = 0.0
    verification: str = ""


class FieldResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of one field of one contact: the receipt.

    `confidence` is 0 to 1; `cost` is in the provider's credits; `at` is in seconds since the epoch, UTC; `attempts`
    are the providers that were asked before the one that decided, in order. `source` is `answer_store` or `coalesced`
    where the provider was not asked again, and `saved` the credits that this spared. `call_id` is the row of the ledger
    whose charge `cost` is (on one receipt), or for want of whose answer the field failed. `rule` says why the
    provider was asked when it was, where that was not by the configured order.
    """

    state: FieldState
    value: str = ""
    provider: str = ""
    confidence: float = 0.0
    reason: str = ""
    reference: str = ""
    evidence: str = ""
    verification: str = ""
    cost: float = FREE
    at: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    source: str = ""
    saved: float = FREE
    call_id: UUID | None = None
    rule: str = ""

    @property
    def lines(self) -> "tuple[FieldResult | Attempt, ...]":
        """Everything that may have a cost: what decided, and what was tried before."""
        return self, *self.attempts
