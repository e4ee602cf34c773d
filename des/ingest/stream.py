"""One client stream of batches: each is decoded, refused, recognised as a duplicate, or handed to intake.

Messages are kept as they come and taken together, when the next message to the broker can go out or many are there:
what is looked at together takes two thirds of the time or less, and while nothing can go out nobody waits for it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import msgspec
from google.protobuf.message import DecodeError

from des.errors import DesError, InvalidInput
from des.ingest.intake import Intake, Kind
from des.limits import (
    STREAM_BATCH_IDS_MAX,
    STREAM_CONTACTS_UNCONFIRMED_MAX,
    STREAM_KEPT_BYTES_MAX,
    STREAM_KEPT_MAX,
    STREAM_SMALL_BYTES_MAX,
)
from des.v1 import contact_pb2, ingest_pb2
from des.wire import EncodedBatch, encode_proto
from des.wire.glance import glance

GLANCED_BYTES_MIN: Final = 1_500
"""Less is read closely in the time that a glance takes whatever it looks at, some 70 µs (measured: eight batches of a
contact, or three of ten)."""
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


class Sink(Protocol):
    """Takes note of what became of each message."""

    @property
    def has_room(self) -> bool:
        """Whether the next message may be read at once."""

    def add(self, taken: Taken) -> None:
        """Take note. Raises InvalidInput where the stream cannot go on."""

    async def room(self) -> None:
        """Wait until the next message may be read."""


class BatchStream:
    """The batches of one client stream, in the order in which they come."""

    def __init__(self, intake: Intake, tenant: str, fields: frozenset[str], sink: Sink) -> None:
        """Take where batches go, whose they are, the configured fields, and who notes what became of each."""
        self._intake = intake
        self._tenant = tenant
        self._fields = fields
        self._sink = sink
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._waiting = set[Kind]()
        """Kinds of what is kept, until it is asked for."""
        self._index = 0
        self._seen: OrderedDict[tuple[int, int], tuple[bytes, asyncio.Future[None]]] = OrderedDict()
        self._unconfirmed: deque[tuple[asyncio.Future[None], int]] = deque()
        self._contacts_unconfirmed = 0
        self.error: Exception | None = None
        """Why it cannot go on."""
        self.on_error: Callable[[], object] = lambda: None
        """Called where `called` has met an error."""

    @property
    def has_room(self) -> bool:
        """Whether the next message may be read at once."""
        return (
            self._contacts_unconfirmed < STREAM_CONTACTS_UNCONFIRMED_MAX
            and self._intake.has_room
            and self._sink.has_room
        )

    def receive(self, request: bytes) -> None:
        """Keep one message, a PushContactsRequest or a StreamContactsRequest, which are alike on the wire.

        Raises what `take` raises.
        """
        size = len(request)
        self._kept.append(request)
        self._kept_bytes += size
        self._intake.keep(size)
        if self._kept_bytes >= STREAM_KEPT_BYTES_MAX or len(self._kept) >= STREAM_KEPT_MAX:
            self.take()
        else:
            kind = Kind(self._tenant, small=size <= STREAM_SMALL_BYTES_MAX)
            if kind not in self._waiting:
                self._waiting.add(kind)
                self._intake.call(kind, partial(self._asked_for, kind))

    def take(self) -> None:
        """Take the messages that are kept.

        Raises the error of an earlier batch that the broker did not confirm, TransientError once DES stops, and what
        the sink raises.
        """
        requests = self._let_go()
        if self.error is not None:
            raise self.error
        if not requests:
            return
        try:
            self._take(requests)
        except Exception as error:
            self.error = error
            raise

    def called(self) -> None:
        """Take the messages that are kept for somebody who is not to hear of an error: it stays, and is told."""
        try:
            self.take()
        except Exception:  # noqa: BLE001 - whatever it was, it is this stream's alone, and kept
            self.on_error()

    def close(self) -> None:
        """Forget the messages that are kept: their client was not told that they were taken."""
        self._let_go()

    async def room(self) -> None:
        """Wait until the next message may be read. Raises the error of a batch that was not confirmed."""
        await self._sink.room()
        while self._contacts_unconfirmed >= STREAM_CONTACTS_UNCONFIRMED_MAX:
            await self._settle_oldest()
        await self._intake.room()

    async def settled(self) -> None:
        """Wait until every batch taken is confirmed. Raises the error of one that was not."""
        while self._unconfirmed:
            await self._settle_oldest()

    def _asked_for(self, kind: Kind) -> None:
        self._waiting.discard(kind)
        self.called()

    def _let_go(self) -> list[bytes]:
        """Keep nothing more; answer what was kept."""
        self._intake.keep(-self._kept_bytes)
        requests, self._kept, self._kept_bytes = self._kept, [], 0
        return requests

    def _take(self, requests: Sequence[bytes]) -> None:
        for request, glanced in zip(requests, self._glanced_at(requests), strict=True):
            index = self._index
            self._index += 1
            try:
                batch = glanced or encode_proto(_parse(request), self._tenant, self._fields)
                earlier = self._earlier(batch)
            except InvalidInput as error:
                self._sink.add(Rejected(index, error))
                continue
            confirmed = earlier
            if confirmed is None:
                confirmed = self._intake.submit(batch)
                self._remember(batch, confirmed)
                self._count(confirmed, batch.contacts)
            self._sink.add(Accepted(index, batch.batch_id, batch.contacts, confirmed, duplicate=earlier is not None))

    def _glanced_at(self, requests: Sequence[bytes]) -> Sequence[EncodedBatch | None]:
        if sum(map(len, requests)) < GLANCED_BYTES_MIN:
            return [None] * len(requests)
        return glance(requests, self._tenant, self._fields)

    def _earlier(self, batch: EncodedBatch) -> asyncio.Future[None] | None:
        """Return the confirm of the same batch earlier in the stream. Raises InvalidInput for other content."""
        seen = self._seen.get((batch.erid.int, batch.batch_id.int))
        if seen is None:
            return None
        content_hash, confirmed = seen
        if content_hash != batch.content_hash:
            what = f"batch {batch.batch_id} stood earlier in this stream with other content; give this one its own id"
            raise InvalidInput("BATCH_CONFLICT", what, erid=str(batch.erid), batch_id=str(batch.batch_id))
        return confirmed

    def _remember(self, batch: EncodedBatch, confirmed: asyncio.Future[None]) -> None:
        if len(self._seen) >= STREAM_BATCH_IDS_MAX:
            self._seen.popitem(last=False)
        # By their numbers: a UUID is hashed in Python.
        self._seen[batch.erid.int, batch.batch_id.int] = (batch.content_hash, confirmed)

    def _count(self, confirmed: asyncio.Future[None], contacts: int) -> None:
        """Count contacts as unconfirmed, and off what has been confirmed since."""
        unconfirmed = self._unconfirmed
        if unconfirmed and unconfirmed[-1][0] is confirmed:
            contacts_before = unconfirmed.pop()[1]
            unconfirmed.append((confirmed, contacts_before + contacts))
        else:
            unconfirmed.append((confirmed, contacts))
            self._settle()
        self._contacts_unconfirmed += contacts

    async def _settle_oldest(self) -> None:
        # Unlike an await of the future itself, this does not cancel it with us. A `take` may settle it meanwhile.
        await asyncio.wait((self._unconfirmed[0][0],))
        self._settle()

    def _settle(self) -> None:
        """Count off the oldest that are done. Raises the error of one that was not confirmed."""
        unconfirmed = self._unconfirmed
        while unconfirmed and unconfirmed[0][0].done():
            confirmed, contacts = unconfirmed.popleft()
            self._contacts_unconfirmed -= contacts
            error = confirmed.exception()
            if isinstance(error, DesError):
                raise error


def _parse(raw: bytes) -> contact_pb2.ContactBatch:
    try:
        message = ingest_pb2.PushContactsRequest.FromString(raw)
    except DecodeError as error:
        what = f"the {len(raw):,} bytes hold no {_BATCH_TYPE}; send one in `batch`"
        raise InvalidInput("MALFORMED_PROTOBUF", what) from error
    if not message.HasField("batch"):
        raise InvalidInput("EMPTY_BODY", "the message has no batch; set `batch`")
    return message.batch
