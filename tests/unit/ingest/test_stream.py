"""One client stream: duplicates, refusals, and how far it may be ahead of its confirms."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des import limits
from des.errors import InvalidInput, Overloaded
from des.ingest.acknowledgement import Summary
from des.ingest.intake import Intake
from des.ingest.stream import Accepted, BatchStream, Rejected, Taken
from tests.ingest_publisher import HeldPublisher
from tests.wire_samples import ERID, JOHN, KNOWN, message, request


@pytest.fixture
async def publisher() -> HeldPublisher:
    return HeldPublisher()


class Notes:
    """A sink that keeps everything."""

    has_room = True

    def __init__(self) -> None:
        self.taken: list[Taken] = []

    def add(self, taken: Taken) -> None:
        self.taken.append(taken)

    async def room(self) -> None:
        pass


@pytest.fixture
async def intake(publisher: HeldPublisher) -> AsyncIterator[Intake]:
    intake = Intake(publisher)
    await intake.start()
    yield intake
    publisher.confirm_all()
    await intake.stop()


@pytest.fixture
async def notes() -> Notes:
    return Notes()


@pytest.fixture
async def stream(intake: Intake, notes: Notes) -> BatchStream:
    return BatchStream(intake, "default", KNOWN, notes)


def raw(name: str = "John", **over: str) -> bytes:
    return request(message([{**JOHN, "first_name": name}], **over)).SerializeToString()


def large(name: str) -> bytes:
    return request(message([{**JOHN, "first_name": name}] * 600)).SerializeToString()


def accepted(stream: BatchStream, notes: Notes, payload: bytes) -> Accepted:
    taken = take(stream, notes, payload)
    assert isinstance(taken, Accepted)
    return taken


def rejected(stream: BatchStream, notes: Notes, payload: bytes) -> Rejected:
    taken = take(stream, notes, payload)
    assert isinstance(taken, Rejected)
    return taken


def take(stream: BatchStream, notes: Notes, payload: bytes) -> Taken:
    stream.receive(payload)
    stream.take()
    return notes.taken[-1]


async def test_a_broken_message_is_rejected_by_its_index_and_the_stream_goes_on(
    stream: BatchStream, notes: Notes
) -> None:
    assert accepted(stream, notes, raw()).index == 0
    reasons = [
        rejected(stream, notes, payload).error.reason
        for payload in (b"", b"\xff", raw(erid="7"), request(message([])).SerializeToString())
    ]
    assert reasons == ["EMPTY_BODY", "MALFORMED_PROTOBUF", "INVALID_ERID", "EMPTY_BATCH"]
    assert accepted(stream, notes, raw("Jane")).index == 5


async def test_the_same_batch_again_is_a_duplicate_confirmed_with_the_first(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    first, again = accepted(stream, notes, raw()), accepted(stream, notes, raw())
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.batch_id == first.batch_id
    await publisher.arrived(1)
    assert not again.confirmed.done()
    publisher.confirm(0)
    await stream.settled()
    assert again.confirmed.done()


async def test_another_content_under_the_same_id_is_a_conflict(stream: BatchStream, notes: Notes) -> None:
    accepted(stream, notes, raw(batch_id=ERID))
    error = rejected(stream, notes, raw("Jane", batch_id=ERID)).error
    assert (error.reason, error.erid, error.batch_id) == ("BATCH_CONFLICT", ERID, ERID)


async def test_the_same_id_in_another_erid_is_another_batch(stream: BatchStream, notes: Notes) -> None:
    other = ERID.replace("3", "4")
    assert not accepted(stream, notes, raw(batch_id=ERID)).duplicate
    assert not accepted(stream, notes, raw(batch_id=ERID, erid=other)).duplicate


async def test_it_waits_when_it_is_too_far_ahead_of_its_confirms(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    for number in range(limits.STREAM_CONTACTS_UNCONFIRMED_MAX // limits.BATCH_CONTACTS_MAX):
        many = [{"first_name": f"n{number}"}] * limits.BATCH_CONTACTS_MAX
        accepted(stream, notes, request(message(many)).SerializeToString())
    assert not stream.has_room
    async with asyncio.TaskGroup() as tasks:
        room = tasks.create_task(stream.room())
        await publisher.arrived(1)
        assert not room.done()
        publisher.confirm_all()
    assert stream.has_room


async def test_a_batch_that_was_not_confirmed_ends_the_stream(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    accepted(stream, notes, raw())
    await publisher.arrived(1)
    publisher.refuse(0, Overloaded("queue full"))
    with pytest.raises(Overloaded, match="queue full"):
        await stream.settled()


async def test_messages_that_come_while_a_set_is_on_its_way_are_taken_together_for_the_next(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    stream.receive(raw("first"))
    await publisher.arrived(1)
    for number in range(20):
        stream.receive(raw(f"late{number}"))
    stream.receive(b"")
    assert len(notes.taken) == 1
    publisher.confirm(0)
    await publisher.arrived(2)
    assert [one.index for one in notes.taken] == list(range(22))
    assert isinstance(notes.taken[-1], Rejected)


async def test_they_are_taken_before_they_are_too_many(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    stream.receive(raw("first"))
    await publisher.arrived(1)
    for number in range(limits.STREAM_KEPT_MAX):
        stream.receive(raw(f"late{number}"))
    assert len(notes.taken) == limits.STREAM_KEPT_MAX + 1


async def test_one_that_is_large_goes_with_those_before_it_where_no_large_one_is_on_its_way(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    stream.receive(raw("first"))
    await publisher.arrived(1)
    stream.receive(raw("late"))
    stream.receive(large("large"))
    await publisher.arrived(2)
    assert [one.contacts for one in notes.taken if isinstance(one, Accepted)] == [1, 1, 600]


async def test_large_ones_wait_for_one_on_its_way_and_are_taken_together(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    stream.receive(large("first"))
    await publisher.arrived(1)
    stream.receive(large("second"))
    stream.receive(large("third"))
    assert len(notes.taken) == 1
    publisher.confirm(0)
    await publisher.arrived(2)
    assert [one.index for one in notes.taken] == [0, 1, 2]


async def test_large_ones_are_taken_before_they_are_too_many_bytes(
    stream: BatchStream, notes: Notes, publisher: HeldPublisher
) -> None:
    stream.receive(large("first"))
    await publisher.arrived(1)
    many = limits.STREAM_KEPT_BYTES_MAX // len(large("late")) + 1
    for _ in range(many):
        stream.receive(large("late"))
    assert len(notes.taken) == many + 1


async def test_what_is_kept_takes_room(publisher: HeldPublisher, notes: Notes) -> None:
    first, second = raw("first"), raw("second")
    intake = Intake(publisher, bytes_max=len(first) + len(second))
    stream = BatchStream(intake, "default", KNOWN, notes)
    stream.receive(first)
    await publisher.arrived(1)
    room = [stream.has_room]
    stream.receive(second)
    room.append(stream.has_room)
    stream.close()
    room.append(stream.has_room)
    assert room == [True, False, True]
    publisher.confirm_all()
    await intake.stop()


async def test_a_stream_stands_in_line_once(stream: BatchStream, intake: Intake, publisher: HeldPublisher) -> None:
    stream.receive(raw("first"))
    await publisher.arrived(1)
    for number in range(3 * limits.STREAM_KEPT_MAX):
        stream.receive(raw(f"late{number}"))
    assert intake.suppliers == 1


async def test_an_error_that_is_met_when_intake_calls_is_told_and_stays(
    stream: BatchStream, publisher: HeldPublisher
) -> None:
    told = asyncio.Event()
    stream.on_error = told.set
    stream.receive(raw("first"))
    await publisher.arrived(1)
    stream.receive(raw("second"))
    publisher.refuse(0, Overloaded("queue full"))
    await told.wait()
    assert isinstance(stream.error, Overloaded)
    with pytest.raises(Overloaded, match="queue full"):
        stream.take()


async def test_what_a_closed_stream_kept_is_forgotten(
    stream: BatchStream, notes: Notes, intake: Intake, publisher: HeldPublisher
) -> None:
    stream.receive(raw("first"))
    await publisher.arrived(1)
    stream.receive(raw("second"))
    stream.close()
    publisher.confirm_all()
    await intake.drain()
    assert (len(notes.taken), len(publisher.messages)) == (1, 1)


async def test_a_summary_takes_so_many_rejections_and_no_more() -> None:
    summary = Summary()
    error = InvalidInput("INVALID_ERID", "m" * 1_000)
    fit = limits.STREAM_REJECTED_BYTES_MAX // 1_050
    for index in range(fit):
        summary.add(Rejected(index, error))
    with pytest.raises(InvalidInput, match="use StreamContacts") as caught:
        summary.add(Rejected(fit, InvalidInput("INVALID_ERID", "m" * limits.STREAM_REJECTED_BYTES_MAX)))
    assert caught.value.reason == "TOO_MANY_REJECTED"
    assert len(summary.finished().rejected) == fit
    assert summary.finished().ByteSize() < limits.MESSAGE_BYTES_MAX


async def test_an_error_that_is_none_of_ours_is_this_streams_alone(
    intake: Intake, publisher: HeldPublisher, notes: Notes
) -> None:
    class Broken(Notes):
        def add(self, taken: Taken) -> None:
            raise ZeroDivisionError

    broken, stream = BatchStream(intake, "default", KNOWN, Broken()), BatchStream(intake, "default", KNOWN, notes)
    told = asyncio.Event()
    broken.on_error = told.set
    broken.receive(raw("John"))
    stream.receive(raw("Jane"))
    await told.wait()
    await publisher.arrived(1)
    assert isinstance(broken.error, ZeroDivisionError)
    assert len(notes.taken) == 1
