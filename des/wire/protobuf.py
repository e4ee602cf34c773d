"""Protobuf ⇄ contacts, and the canonical form that every batch ends in.

Canonical content is a `ContactBatch` with contacts and fields alone. The ids come before them by field number and the
options after them, so a payload is the header's bytes, the content's, and those of the options where there are some.
"""

from collections.abc import Iterator, Sequence
from itertools import starmap
from uuid import UUID

from google.protobuf.message import DecodeError

from des import limits
from des.contact import Contact, ContactBatch
from des.errors import Unreadable
from des.options import Options, Stated, options_of
from des.v1 import contact_pb2
from des.wire.encoded import EncodedBatch, decoded
from des.wire.identity import batch_id_of, hash_of, identity_findings, parse_uuid
from des.wire.options import acceptable, option_findings, options_field, stated_in_message
from des.wire.rules import (
    Finding,
    Row,
    contact_findings,
    field_findings,
    finding,
    refusal,
    row_of,
    suspicious,
)

_HASH_BYTES = 32
_ERID_HEADER = b"\x0a\x24"  # field 1, 36 bytes of text
_BATCH_ID_HEADER = b"\x12\x24"  # field 2, 36 bytes of text
_NOTHING: Stated = {}


def decode_contacts(payload: bytes, count: int) -> tuple[Contact, ...]:
    """Read the contacts of a payload that this module made of so many; no rule is checked again. Raises Unreadable."""
    try:
        message = contact_pb2.ContactBatch.FromString(payload)
    except DecodeError as error:
        raise Unreadable(f"the {len(payload):,} bytes that are stored of it are no ContactBatch") from error
    if len(message.contact_list) != count:
        raise Unreadable(f"{len(message.contact_list):,} contacts are stored of it, and {count:,} were accepted")
    return tuple(starmap(Contact, map(row_of, message.contact_list)))


def decode_proto(message: contact_pb2.ContactBatch, tenant: str, fields: frozenset[str]) -> ContactBatch:
    """Validate a whole batch and give it its identity; the message is taken over and not to be used again.

    `fields` are the configured ones. Raises InvalidInput with every wrong place.
    """
    rows = list(map(row_of, message.contact_list))
    return decoded(_encode(message, tenant, fields, rows), starmap(Contact, rows))


def encode_proto(message: contact_pb2.ContactBatch, tenant: str, fields: frozenset[str]) -> EncodedBatch:
    """Do as `decode_proto` does, for a door: the contacts stay encoded, which saves a quarter of the time."""
    return _encode(message, tenant, fields, list(map(row_of, message.contact_list)))


def decode_part(message: contact_pb2.ContactBatch, tenant: str, fields: frozenset[str]) -> ContactBatch:
    """Validate one part that DES has cut, or a whole batch; otherwise like `decode_proto`."""
    if message.parts <= 1:
        return decode_proto(message, tenant, fields)
    wrong = list(_part_findings(message))
    if wrong:
        raise refusal(wrong, message.erid, message.batch_id)
    rows = list(map(row_of, message.contact_list))
    said = stated_in_message(message.options) if message.HasField("options") else _NOTHING
    erid, batch_id, asked = check(
        message.erid, message.batch_id, list(message.fields_to_be_enriched), rows, fields, said=said
    )
    part = EncodedBatch(
        tenant,
        erid,
        batch_id or batch_id_of(erid, message.content_hash),
        asked,
        len(rows),
        message.content_hash,
        message.SerializeToString(deterministic=True),
        message.part,
        message.parts,
        message.first_position,
        options_of(said) if said else None,
    )
    return decoded(part, starmap(Contact, rows))


def _encode(
    message: contact_pb2.ContactBatch, tenant: str, fields: frozenset[str], rows: Sequence[Row]
) -> EncodedBatch:
    if message.parts > 1:
        wrong = finding("INVALID_PART", "parts", "is set by DES alone; send the batch whole")
        raise refusal([wrong], message.erid, message.batch_id)
    said = stated_in_message(message.options) if message.HasField("options") else _NOTHING
    erid, batch_id, asked = check(
        message.erid, message.batch_id, list(message.fields_to_be_enriched), rows, fields, said=said
    )
    for beside_content in ("erid", "batch_id", "part", "parts", "first_position", "content_hash", "options"):
        message.ClearField(beside_content)
    return assemble(tenant, erid, batch_id, asked, content=message, options=options_of(said) if said else None)


def check(
    erid: str, batch_id: str, names: Sequence[str], rows: Sequence[Row], fields: frozenset[str], *, said: Stated
) -> tuple[UUID, UUID | None, tuple[str, ...]]:
    """Return ERID, given batch id, and the fields sorted and unique. Raises InvalidInput with every wrong place.

    `said`: what its options say.
    """
    erid_read = parse_uuid(erid)
    batch_id_read = parse_uuid(batch_id) if batch_id else None
    asked = tuple(sorted(set(names)))
    if (
        erid_read is None
        or (batch_id_read is None and batch_id)
        or not 0 < len(asked) <= limits.FIELDS_PER_BATCH_MAX
        or not fields.issuperset(asked)
        or suspicious(rows)
        or (said and not acceptable(said))
    ):
        found = [
            *identity_findings(erid, batch_id),
            *field_findings(names, fields),
            *option_findings(said),
            *contact_findings(rows),
        ]
        if found or erid_read is None:
            raise refusal(found, erid, batch_id)
    return erid_read, batch_id_read, asked


def assemble(
    tenant: str,
    erid: UUID,
    batch_id: UUID | None,
    asked: tuple[str, ...],
    *,
    content: contact_pb2.ContactBatch,
    options: Options | None,
) -> EncodedBatch:
    """Give what was checked its identity; `content` holds its contacts, and its fields in any order."""
    content.DiscardUnknownFields()
    content.fields_to_be_enriched[:] = asked
    canonical = content.SerializeToString(deterministic=True)
    content_hash = hash_of(canonical)
    batch_id = batch_id or batch_id_of(erid, content_hash)
    header = b"".join((_ERID_HEADER, str(erid).encode(), _BATCH_ID_HEADER, str(batch_id).encode()))
    contacts = len(content.contact_list)
    payload = header + canonical + (options_field(options) if options is not None else b"")
    return EncodedBatch(tenant, erid, batch_id, asked, contacts, content_hash, payload, options=options)


def _part_findings(message: contact_pb2.ContactBatch) -> Iterator[Finding]:
    if message.part >= message.parts or message.parts > limits.BATCH_PARTS_MAX:
        yield finding("INVALID_PART", "part", f"is {message.part} of {message.parts}; parts count from 0")
    if len(message.content_hash) != _HASH_BYTES:
        what = f"has {len(message.content_hash)} bytes; a part carries the {_HASH_BYTES} of the whole batch's SHA-256"
        yield finding("INVALID_PART", "content_hash", what)
    if message.first_position + len(message.contact_list) > limits.BATCH_CONTACTS_MAX:
        what = f"is {message.first_position:,}; a batch has at most {limits.BATCH_CONTACTS_MAX:,} contacts"
        yield finding("INVALID_PART", "first_position", what)
