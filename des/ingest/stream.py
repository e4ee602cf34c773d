"""One client stream of batches: each is decoded, refused, recognised as a duplicate, or handed to intake.

`take` is synchronous, so that a message costs no task and no await of its own.
"""

import asyncio
from collections import deque
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
from google.protobuf.message import DecodeError

from des.errors import DesError, InvalidInput
from des.ingest.intake import Intake
from des.limits import STREAM_BATCH_IDS_MAX, STREAM_CONTACTS_UNCONFIRMED_MAX
from des.v1 import contact_pb2, ingest_pb2
from des.wire import EncodedBatch, encode_proto, glance

GLANCE_BYTES_MIN: Final = 256
"""Smaller messages are read closely at once, which takes no longer."""

_BATCH_TYPE: Final = contact_pb2.ContactBatch.DESCRIPTOR.full_name


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A batch that intake has taken, or one that stood earlier in the stream; `confirmed` is not to be cancelled."""

    index: int
    batch_id: UUID
    contacts: int
    confirmed: asyncio.Future[None]
    duplicate: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A batch that was refused."""

    index: int
    error: InvalidInput


Taken: TypeAlias = Accepted | Rejected


class BatchStream:
    """The batches of one client stream, in the order in which they come."""

    def __init__(self, intake: Intake, tenant: str, fields: frozenset[str]) -> None:
        """Take where batches go, whose they are, and the configured fields."""
        self._intake = intake
        self._tenant = tenant
        self._fields = fields
        self._index = 0
        self._seen: dict[tuple[UUID, UUID], tuple[bytes, asyncio.Future[None]]] = {}
        self._unconfirmed: deque[tuple[asyncio.Future[None], int]] = deque()
        self._contacts_unconfirmed = 0

    @property
    def has_room(self) -> bool:
        """Whether the next message may be read at once."""
        return self._contacts_unconfirmed < STREAM_CONTACTS_UNCONFIRMED_MAX and self._intake.has_room

    def take(self, raw: bytes) -> Taken:
        """Take one message, a PushContactsRequest or a StreamContactsRequest, which are alike on the wire.

        Raises the error of an earlier batch that the broker did not confirm, and TransientError once DES stops.
        """
        index = self._index
        self._index += 1
        try:
            batch = self._read(raw)
            earlier = self._earlier(batch)
        except InvalidInput as error:
            return Rejected(index, error)
        contacts = batch.contacts
        if earlier is not None:
            return Accepted(index, batch.batch_id, contacts, earlier, duplicate=True)
        confirmed = self._intake.submit(batch)
        self._remember(batch, confirmed)
        self._count(confirmed, contacts)
        return Accepted(index, batch.batch_id, contacts, confirmed)

    async def room(self) -> None:
        """Wait until the next message may be read. Raises the error of a batch that was not confirmed."""
        while self._contacts_unconfirmed >= STREAM_CONTACTS_UNCONFIRMED_MAX:
            await self._settle_oldest()
        await self._intake.room()

    async def settled(self) -> None:
        """Wait until every batch taken is confirmed. Raises the error of one that was not."""
        while self._unconfirmed:
            await self._settle_oldest()

    def _read(self, raw: bytes) -> EncodedBatch:
        """Read a message as closely as it takes. Raises InvalidInput."""
        batch = glance(raw, self._tenant, self._fields) if len(raw) >= GLANCE_BYTES_MIN else None
        return batch or encode_proto(_parse(raw), self._tenant, self._fields)

    def _earlier(self, batch: EncodedBatch) -> asyncio.Future[None] | None:
        """Return the confirm of the same batch earlier in the stream. Raises InvalidInput for other content."""
        seen = self._seen.get((batch.erid, batch.batch_id))
        if seen is None:
            return None
        content_hash, confirmed = seen
        if content_hash != batch.content_hash:
            what = f"batch {batch.batch_id} stood earlier in this stream with other content; give this one its own id"
            raise InvalidInput("BATCH_CONFLICT", what, erid=str(batch.erid), batch_id=str(batch.batch_id))
        return confirmed

    def _remember(self, batch: EncodedBatch, confirmed: asyncio.Future[None]) -> None:
        if len(self._seen) >= STREAM_BATCH_IDS_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[batch.erid, batch.batch_id] = (batch.content_hash, confirmed)

    def _count(self, confirmed: asyncio.Future[None], contacts: int) -> None:
        """Count contacts as unconfirmed, and off what has been confirmed since."""
        unconfirmed = self._unconfirmed
        if unconfirmed and unconfirmed[-1][0] is confirmed:
            contacts_before = unconfirmed.pop()[1]
            unconfirmed.append((confirmed, contacts_before + contacts))
        else:
            unconfirmed.append((confirmed, contacts))
        self._contacts_unconfirmed += contacts
        while unconfirmed and unconfirmed[0][0].done():
            self._settle(*unconfirmed.popleft())

    async def _settle_oldest(self) -> None:
        confirmed, contacts = self._unconfirmed[0]
        await asyncio.wait((confirmed,))  # unlike an await of the future itself, it is not cancelled with us
        self._unconfirmed.popleft()
        self._settle(confirmed, contacts)

    def _settle(self, confirmed: asyncio.Future[None], contacts: int) -> None:
        self._contacts_unconfirmed -= contacts
        error = confirmed.exception()
        if isinstance(error, DesError):
            raise error


def _parse(raw: bytes) -> contact_pb2.ContactBatch:
    try:
        message = ingest_pb2.PushContactsRequest.FromString(raw)
    except DecodeError as error:
        raise InvalidInput("MALFORMED_PROTOBUF", f"the {len(raw):,} bytes hold no {_BATCH_TYPE}") from error
    if not message.HasField("batch"):
        raise InvalidInput("EMPTY_BODY", "the message has no batch; set `batch`")
    return message.batch
