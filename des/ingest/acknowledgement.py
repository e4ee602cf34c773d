"""What a client stream is told: the summary of PushContacts, and the acknowledgements of StreamContacts.

Both are sinks of a stream: `add` is synchronous, `room` waits where the client is to be held back.
"""

import asyncio
from collections import deque

from des.errors import DesError, InvalidInput
from des.ingest.stream import Accepted, Rejected, Taken
from des.limits import STREAM_ACKS_UNSENT_MAX, STREAM_REJECTED_BYTES_MAX
from des.v1 import ingest_pb2


class Summary:
    """The answer of PushContacts. True once every batch it counts is confirmed."""

    has_room = True

    def __init__(self) -> None:
        self.message = ingest_pb2.PushContactsResponse()
        self._accepted = 0
        self._duplicate = 0
        self._contacts = 0
        self._rejected_bytes = 0

    def add(self, taken: Taken) -> None:
        """Count. Raises InvalidInput where the rejections are too many for one answer."""
        if isinstance(taken, Rejected):
            self._reject(taken)
        elif taken.duplicate:
            self._duplicate += 1
        else:
            self._accepted += 1
            self._contacts += taken.contacts

    async def room(self) -> None:
        """Return: counting never waits."""

    def finished(self) -> ingest_pb2.PushContactsResponse:
        """Return the answer."""
        self.message.accepted = self._accepted
        self.message.duplicate = self._duplicate
        self.message.contacts = self._contacts
        return self.message

    def _reject(self, taken: Rejected) -> None:
        rejected = rejected_message(taken)
        self._rejected_bytes += rejected.ByteSize()
        if self._rejected_bytes > STREAM_REJECTED_BYTES_MAX:
            what = f"{len(self.message.rejected) + 1:,} batches were rejected, too many for one answer"
            raise InvalidInput("TOO_MANY_REJECTED", f"{what}; the last: {taken.error.message}; use StreamContacts")
        self.message.rejected.append(rejected)


class Acknowledgements:
    """The answers of StreamContacts: one for each batch, as the broker confirms them."""

    def __init__(self) -> None:
        self._ready: deque[ingest_pb2.StreamContactsResponse] = deque()
        self._waiting: dict[asyncio.Future[None], list[Accepted]] = {}
        self._changed = asyncio.Event()
        self._sent = asyncio.Event()
        self.error: DesError | None = None
        """Why a batch was not confirmed; the stream ends with it."""

    @property
    def has_room(self) -> bool:
        """Whether the client reads what it is told."""
        return len(self._ready) < STREAM_ACKS_UNSENT_MAX

    @property
    def outstanding(self) -> bool:
        """Whether a batch was taken and is not acknowledged."""
        return bool(self._ready or self._waiting)

    def add(self, taken: Taken) -> None:
        """Acknowledge a rejected batch at once, any other when its confirm has come."""
        if isinstance(taken, Rejected):
            self._ready.append(_rejection(taken))
            self._changed.set()
            return
        waiting = self._waiting.get(taken.confirmed)
        if waiting is None:
            self._waiting[taken.confirmed] = [taken]
            taken.confirmed.add_done_callback(self._on_confirmed)
        else:
            waiting.append(taken)

    async def room(self) -> None:
        """Wait until the client has read on."""
        while not self.has_room:
            self._sent.clear()
            await self._sent.wait()

    async def changed(self) -> None:
        """Wait for news: something is ready, has failed, or `wake` was called."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self, _: object = None) -> None:
        """Make `changed` return."""
        self._changed.set()

    def next(self) -> ingest_pb2.StreamContactsResponse | None:
        """Return the next answer to send, None where there is none yet."""
        if not self._ready:
            return None
        self._sent.set()
        return self._ready.popleft()

    def _on_confirmed(self, confirmed: asyncio.Future[None]) -> None:
        taken = self._waiting.pop(confirmed)
        error = confirmed.exception()
        if isinstance(error, DesError):
            self.error = self.error or error
        else:
            self._ready.extend(map(_acknowledgement, taken))
        self._changed.set()


def _acknowledgement(taken: Accepted) -> ingest_pb2.StreamContactsResponse:
    status = ingest_pb2.BATCH_STATUS_DUPLICATE if taken.duplicate else ingest_pb2.BATCH_STATUS_ACCEPTED
    return ingest_pb2.StreamContactsResponse(index=taken.index, batch_id=str(taken.batch_id), status=status)


def _rejection(taken: Rejected) -> ingest_pb2.StreamContactsResponse:
    return ingest_pb2.StreamContactsResponse(
        index=taken.index,
        batch_id=taken.error.batch_id,
        status=ingest_pb2.BATCH_STATUS_REJECTED,
        rejected=rejected_message(taken),
    )


def rejected_message(taken: Rejected) -> ingest_pb2.RejectedBatch:
    """Say which batch was refused, why, and where."""
    error = taken.error
    return ingest_pb2.RejectedBatch(
        index=taken.index,
        reason=error.reason,
        message=error.message,
        violations=[ingest_pb2.Violation(field=each.field, description=each.description) for each in error.violations],
        erid=error.erid,
    )
