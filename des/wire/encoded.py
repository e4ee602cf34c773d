"""A validated batch whose contacts are still encoded: all that a door needs to pass it on."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from des.contact import Contact, ContactBatch
from des.options import Options


class EncodedBatch(msgspec.Struct, frozen=True, gc=False):
    """As `ContactBatch`, with the number of contacts in place of the contacts; they stand in `payload`.

    That is canonical, or as it came where a glance was enough: it is read closely before anything is done with it.
    """

    tenant: str
    erid: UUID
    batch_id: UUID
    fields: tuple[str, ...]
    contacts: int
    content_hash: bytes
    payload: bytes
    part: int = 0
    parts: int = 1
    first_position: int = 0
    options: Options | None = None


def decoded(batch: EncodedBatch, contacts: Iterable[Contact]) -> ContactBatch:
    """Put the contacts back."""
    return ContactBatch(
        batch.tenant,
        batch.erid,
        batch.batch_id,
        batch.fields,
        tuple(contacts),
        batch.content_hash,
        batch.payload,
        batch.part,
        batch.parts,
        batch.first_position,
        batch.options,
    )


def encoded(batch: ContactBatch) -> EncodedBatch:
    """Leave the contacts to the payload."""
    return EncodedBatch(
        batch.tenant,
        batch.erid,
        batch.batch_id,
        batch.fields,
        len(batch.contacts),
        batch.content_hash,
        batch.payload,
        batch.part,
        batch.parts,
        batch.first_position,
        batch.options,
    )
