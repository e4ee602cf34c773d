"""The one door behind all doors: validated batches in, confirmed messages out.

Batches that come while a message is unconfirmed wait in an open set of their tenant, small ones in one and large ones
in another. A set goes out when it is full, or when none of its kind is in flight that was not; a batch as large as a
set goes out by itself. What has few contacts goes to a queue of its own: nobody waits there behind a million.

A message costs as much as some thirty batches of one contact, so where the broker confirms fast, many batches would go
out in too many messages: behind a set of PACED_BATCHES or more, the next of its kind goes a few milliseconds after it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from des import failpoints
from des.broker.contract import INGEST_EXCHANGE, SMALL_EXCHANGE, Publisher
from des.contact import TENANT_DEFAULT
from des.errors import DesError, TransientError
from des.failpoints import Failpoint
from des.lifecycle import TaskOwner
from des.limits import (
    INTAKE_BYTES_MAX,
    INTAKE_PUBLISHES_IN_FLIGHT_MAX,
    SET_BYTES_MAX,
    SET_CONTACTS_MAX,
    SMALL_MESSAGE_CONTACTS_MAX,
)
from des.message import BATCH_SET_TYPE, BATCH_TYPE, PROTOBUF
from des.wire import EncodedBatch, encode_set_of_payloads, split_encoded

SMALL_PACE_S = 0.003
"""One message in 3 ms takes a tenth of a core (200 to 350 µs of CPU each, measured at one to four in flight)."""
LARGE_PACE_S = 0.006
"""Ten batches of a thousand, which fill a set, come in 4 ms: 2 to 13 % more contacts/s than with 3 ms (measured)."""
PACED_BATCHES = 4
"""So many at once are load: who waits for each confirm, alone or with a few others, is never kept."""
SUPPLY_S_MAX = 0.002
"""Longest run of suppliers before the event loop may look at its sockets again; the others are called next time."""


class Kind(NamedTuple):
    """Of a set: whose batches it takes, and whether they are small ones."""

    tenant: str
    small: bool


def _kind_of(batch: EncodedBatch) -> Kind:
    return Kind(batch.tenant, batch.contacts <= SMALL_MESSAGE_CONTACTS_MAX)


class _Set:
    """Encoded batches of one tenant that go out in one message, and the future of its confirm."""

    __slots__ = ("bytes", "confirmed", "contacts", "kind", "payloads", "routing_key", "sent_at")

    def __init__(self, kind: Kind, routing_key: str, confirmed: asyncio.Future[None]) -> None:
        self.kind = kind
        self.routing_key = routing_key
        self.confirmed = confirmed
        self.payloads: list[bytes] = []
        self.bytes = 0
        self.contacts = 0
        self.sent_at = 0.0
        """By the clock of the loop."""

    @property
    def full(self) -> bool:
        return self.contacts >= SET_CONTACTS_MAX or self.bytes >= SET_BYTES_MAX

    def takes(self, batch: EncodedBatch) -> bool:
        contacts, size = self.contacts + batch.contacts, self.bytes + len(batch.payload)
        return not self.payloads or (contacts <= SET_CONTACTS_MAX and size <= SET_BYTES_MAX)

    def add(self, batch: EncodedBatch) -> None:
        self.payloads.append(batch.payload)
        self.bytes += len(batch.payload)
        self.contacts += batch.contacts

    @property
    def exchange(self) -> str:
        """Many small batches together are as large as any."""
        return SMALL_EXCHANGE if self.contacts <= SMALL_MESSAGE_CONTACTS_MAX else INGEST_EXCHANGE

    def encode(self) -> tuple[str, bytes]:
        """Return message type and body; only a set can name a tenant other than the default one."""
        if len(self.payloads) == 1 and self.kind.tenant == TENANT_DEFAULT:
            return BATCH_TYPE, self.payloads[0]
        return BATCH_SET_TYPE, encode_set_of_payloads(self.kind.tenant, self.payloads)


class Intake:
    """Publishes batches with confirms, small ones together. A Service: `stop` drains."""

    name = "intake"

    def __init__(self, publisher: Publisher, *, bytes_max: int = INTAKE_BYTES_MAX) -> None:
        """Take the publisher and the most bytes of payloads that may be taken and unconfirmed."""
        self._publisher = publisher
        self._bytes_max = bytes_max
        self._tasks = TaskOwner(self.name)
        self._open: dict[Kind, _Set] = {}
        self._full: deque[_Set] = deque()
        self._in_flight: set[Kind] = set()
        """Kinds of which a set is in flight that was not full."""
        self._paced: dict[Kind, asyncio.TimerHandle] = {}
        """Kinds of which one was a moment ago, until the next may go."""
        self._full_in_flight = 0
        self._suppliers: dict[Kind, deque[Callable[[], None]]] = {}
        self._bytes_kept = 0
        self._flush_is_due = False
        self._draining = False
        self.contacts_taken = 0
        self.contacts_confirmed = 0
        self.contacts_failed = 0
        """Contacts of messages that were not confirmed; their clients were told to send again."""
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._room.set()
        self._idle.set()
        self.bytes_unconfirmed = 0

    def __repr__(self) -> str:
        in_flight = len(self._in_flight) + self._full_in_flight
        return (
            f"<Intake: {self.bytes_unconfirmed} bytes unconfirmed, {in_flight} messages in flight,"
            f" {self.suppliers} wait to be called>"
        )

    @property
    def suppliers(self) -> int:
        """How many wait to be called for their batches."""
        return sum(map(len, self._suppliers.values()))

    @property
    def has_room(self) -> bool:
        """Whether a door may go on reading."""
        return self.bytes_held < self._bytes_max

    @property
    def bytes_held(self) -> int:
        """Bytes that doors have read and the broker has not confirmed: taken, or kept by a supplier."""
        return self.bytes_unconfirmed + self._bytes_kept

    async def start(self) -> None:
        """Open the door."""
        self._draining = False

    async def stop(self) -> None:
        """Take nothing more, and return when what was taken is confirmed or has failed."""
        try:
            await self.drain()
        finally:
            await self._tasks.close()
            self._give_up()

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is confirmed or has failed."""
        self._draining = True
        self._room.set()  # who waits for it is to learn that the door is closed
        for kind, timer in list(self._paced.items()):
            timer.cancel()
            self._go_on(kind)
        await self._idle.wait()

    async def room(self) -> None:
        """Wait until a door may go on reading."""
        while not self.has_room and not self._draining:
            await self._room.wait()

    def call(self, kind: Kind, supply: Callable[[], None]) -> None:
        """Have `supply` called, once, when batches of that kind that it submits can go out at once.

        It must not raise: others are called after it.
        """
        self._suppliers.setdefault(kind, deque()).append(supply)
        self._flush_soon()

    def keep(self, size: int) -> None:
        """Count bytes that a supplier keeps (positive) or keeps no more: they take room as what it submits does."""
        self._bytes_kept += size
        if not self.has_room:
            self._room.clear()
        elif size < 0:
            self._room.set()

    async def push(self, batch: EncodedBatch) -> None:
        """Return when the broker has confirmed the batch; a caller that is cancelled does not take it back.

        Raises Overloaded, BrokerUnavailable, and TransientError once DES stops.
        """
        await self.room()
        await asyncio.shield(self.submit(batch))

    def submit(self, batch: EncodedBatch) -> asyncio.Future[None]:
        """Take a batch at once; the future is that of its confirm, shared with others and not to be cancelled.

        It takes batches beyond the bound too: `has_room` and `room` are for the caller to heed. Raises
        TransientError once DES stops.
        """
        if self._draining:
            raise TransientError("DES is stopping; send again to another one, or in a moment")
        parts = split_encoded(batch)
        if len(parts) == 1:
            return self._add(parts[0])
        return _all([self._add(part) for part in parts])

    def _add(self, batch: EncodedBatch) -> asyncio.Future[None]:
        self.contacts_taken += batch.contacts
        self.bytes_unconfirmed += len(batch.payload)
        self._idle.clear()
        if not self.has_room:
            self._room.clear()
        group = self._open.get(_kind_of(batch))
        if group is None or not group.takes(batch):
            group = self._open_set(batch)
        group.add(batch)
        if group.full:
            self._full.append(self._open.pop(group.kind))
        self._flush_soon()
        return group.confirmed

    def _open_set(self, batch: EncodedBatch) -> _Set:
        """Open a set for the batch; one of its kind that is open and cannot take it goes out as full."""
        kind = _kind_of(batch)
        closed = self._open.pop(kind, None)
        if closed is not None:
            self._full.append(closed)
        group = _Set(kind, str(batch.erid), asyncio.get_running_loop().create_future())
        self._open[kind] = group
        return group

    def _flush_soon(self) -> None:
        """Flush once the loop has run what is ready: it may well bring more for the same set."""
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = True  # what is supplied goes out with this
        self._call_suppliers()
        self._flush_is_due = False
        while self._full and self._full_in_flight < INTAKE_PUBLISHES_IN_FLIGHT_MAX:
            self._full_in_flight += 1
            self._start(self._full.popleft(), is_full=True)
        ready = [kind for kind in self._open if self._may_go(kind)]
        for kind in ready[: INTAKE_PUBLISHES_IN_FLIGHT_MAX - len(self._in_flight)]:
            self._in_flight.add(kind)
            self._start(self._open.pop(kind), is_full=False)
        if any(map(self._may_go, self._suppliers)):
            self._flush_soon()

    def _may_go(self, kind: Kind) -> bool:
        return kind not in self._in_flight and kind not in self._paced

    def _call_suppliers(self) -> None:
        if not self._suppliers:
            return
        clock = asyncio.get_running_loop().time
        until = clock() + SUPPLY_S_MAX
        for kind in list(filter(self._may_go, self._suppliers)):
            suppliers = self._suppliers[kind]
            while suppliers:
                suppliers.popleft()()
                if clock() > until:
                    self._suppliers[kind] = self._suppliers.pop(kind)  # the others' turn comes before
                    return
            del self._suppliers[kind]

    def _start(self, group: _Set, *, is_full: bool) -> None:
        group.sent_at = asyncio.get_running_loop().time()
        self._tasks.spawn(self._publish(group, is_full=is_full), "publish")
        # After the first step of that task, which writes to the socket.
        asyncio.get_running_loop().call_soon(failpoints.hit, Failpoint.BEFORE_CONFIRM)

    async def _publish(self, group: _Set, *, is_full: bool) -> None:
        try:
            message_type, body = group.encode()
            await self._publisher.publish(
                group.exchange, group.routing_key, body, content_type=PROTOBUF, type=message_type
            )
        except DesError as error:
            _fail(group.confirmed, error)
        else:
            failpoints.hit(Failpoint.CONFIRMED_NOT_ANSWERED)
            group.confirmed.set_result(None)
        finally:
            if not group.confirmed.done():
                _fail(group.confirmed, TransientError("DES has stopped before the broker confirmed; send again"))
            self._finished(group, is_full=is_full)

    def _finished(self, group: _Set, *, is_full: bool) -> None:
        if is_full:
            self._full_in_flight -= 1
        else:
            self._landed(group)
        if group.confirmed.exception() is None:
            self.contacts_confirmed += group.contacts
        else:
            self.contacts_failed += group.contacts
        self.bytes_unconfirmed -= group.bytes
        if self.has_room:
            self._room.set()
        if self.bytes_unconfirmed == 0:
            self._idle.set()
        self._flush()

    def _landed(self, group: _Set) -> None:
        """Let the next of its kind go: now, or a while after this one went."""
        self._in_flight.discard(group.kind)
        loop = asyncio.get_running_loop()
        next_at = group.sent_at + (SMALL_PACE_S if group.kind.small else LARGE_PACE_S)
        if len(group.payloads) >= PACED_BATCHES and not self._draining and loop.time() < next_at:
            self._paced[group.kind] = loop.call_at(next_at, self._go_on, group.kind)

    def _give_up(self) -> None:
        """Fail what has not gone out: there is some only where a drain was cut short."""
        for group in (*self._full, *self._open.values()):
            _fail(group.confirmed, TransientError("DES has stopped before this went to the broker; send again"))
            self.contacts_failed += group.contacts
            self.bytes_unconfirmed -= group.bytes
        self._full.clear()
        self._open.clear()
        self._suppliers.clear()

    def _go_on(self, kind: Kind) -> None:
        del self._paced[kind]
        self._flush()


def _fail(confirmed: asyncio.Future[None], error: DesError) -> None:
    """Fail the future; nobody may be left to ask for its exception, which asyncio would complain about."""
    confirmed.set_exception(error)
    confirmed.exception()


def _all(parts: Sequence[asyncio.Future[None]]) -> asyncio.Future[None]:
    """Return the future of all parts, with the error of one that failed."""
    whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = len(parts)

    def on_done(part: asyncio.Future[None]) -> None:
        nonlocal waiting
        waiting -= 1
        error = part.exception()
        if isinstance(error, DesError) and not whole.done():
            _fail(whole, error)
        elif waiting == 0 and not whole.done():
            whole.set_result(None)

    for part in parts:
        part.add_done_callback(on_done)
    return whole
