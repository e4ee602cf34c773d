"""Large batches cut into parts, small ones put together into sets.

The cut is a function of the content and of the two bounds below, never of the door or of a setting: a part is known
by its number, so the same batch has to be cut alike whenever and wherever it comes again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from des import limits
from des.contact import ContactBatch
from des.options import Options
from des.v1 import contact_pb2
from des.wire.encoded import EncodedBatch, decoded, encoded
from des.wire.options import options_field, options_message

PART_BYTES_MAX: Final = limits.MESSAGE_BYTES_MAX - 64 * limits.KIB
"""Contacts of one part, encoded; the rest of a message is for ids, the fields and the envelope of a set."""
_ENTRY_BYTES: Final = 4
"""Tag and length before an encoded contact: one byte and at most three."""


def split(batch: ContactBatch) -> list[ContactBatch]:
    """Cut a batch into parts of at most one message each; one that fits, or is a part already, comes back as it is.

    All parts carry the batch's id and content hash.
    """
    if batch.parts > 1 or _fits(batch.payload, len(batch.contacts), batch.options):
        return [batch]
    return [
        decoded(part, batch.contacts[part.first_position : part.first_position + part.contacts])
        for part in split_encoded(encoded(batch))
    ]


def split_encoded(batch: EncodedBatch) -> list[EncodedBatch]:
    """Do as `split` does with what a door has."""
    if batch.parts > 1 or _fits(batch.payload, batch.contacts, batch.options):
        return [batch]
    whole = contact_pb2.ContactBatch.FromString(batch.payload)
    cuts = list(_cuts([contact.ByteSize() + _ENTRY_BYTES for contact in whole.contact_list]))
    if len(cuts) == 1:
        return [batch]
    return [_part(batch, whole, number, len(cuts), cut) for number, cut in enumerate(cuts)]


def _fits(payload: bytes, contacts: int, options: Options | None) -> bool:
    # Without the options: they are no content, and the same batch is cut alike with and without them.
    content_bytes = len(payload) - len(options_field(options))
    return content_bytes <= PART_BYTES_MAX and contacts <= limits.CONTACTS_PER_MESSAGE_MAX


def _cuts(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield the slices of the parts: as many contacts as fit, by bytes and by number."""
    start, part_bytes = 0, 0
    for position, size in enumerate(sizes):
        full = part_bytes + size > PART_BYTES_MAX or position - start == limits.CONTACTS_PER_MESSAGE_MAX
        if full and position > start:
            yield slice(start, position)
            start, part_bytes = position, 0
        part_bytes += size
    yield slice(start, len(sizes))


def _part(batch: EncodedBatch, whole: contact_pb2.ContactBatch, number: int, parts: int, cut: slice) -> EncodedBatch:
    contacts = whole.contact_list[cut]
    message = contact_pb2.ContactBatch(
        erid=whole.erid,
        batch_id=whole.batch_id,
        contact_list=contacts,
        fields_to_be_enriched=batch.fields,
        part=number,
        parts=parts,
        first_position=cut.start,
        content_hash=batch.content_hash,
        options=None if batch.options is None else options_message(batch.options),
    )
    return EncodedBatch(
        batch.tenant,
        batch.erid,
        batch.batch_id,
        batch.fields,
        len(contacts),
        batch.content_hash,
        message.SerializeToString(deterministic=True),
        number,
        parts,
        cut.start,
        batch.options,
    )


def encode_set(tenant: str, batches: Iterable[ContactBatch]) -> bytes:
    """Encode a `ContactBatchSet` of one tenant's batches."""
    return encode_set_of_payloads(tenant, [batch.payload for batch in batches])


def encode_set_of_payloads(tenant: str, payloads: Iterable[bytes]) -> bytes:
    """Encode a `ContactBatchSet` of encoded batches: each as it is, behind its tag and length."""
    pieces = [contact_pb2.ContactBatchSet(tenant=tenant).SerializeToString()]
    for payload in payloads:
        pieces += (b"\x12", varint(len(payload)), payload)
    return b"".join(pieces)


def varint(number: int) -> bytes:
    """Encode a length as protobuf does."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
