"""One client stream: duplicates, refusals, and how far it may be ahead of its confirms."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des import limits
from des.errors import InvalidInput, Overloaded
from des.ingest.acknowledgement import Summary
from des.ingest.intake import Intake
from des.ingest.stream import Accepted, BatchStream, Rejected
from tests.ingest_publisher import HeldPublisher
from tests.wire_samples import ERID, JOHN, KNOWN, message, request


@pytest.fixture
async def publisher() -> HeldPublisher:
    return HeldPublisher()


@pytest.fixture
async def stream(publisher: HeldPublisher) -> AsyncIterator[BatchStream]:
    intake = Intake(publisher)
    await intake.start()
    yield BatchStream(intake, "default", KNOWN)
    publisher.confirm_all()
    await intake.stop()


def raw(name: str = "John", **over: str) -> bytes:
    return request(message([{**JOHN, "first_name": name}], **over)).SerializeToString()


def accepted(stream: BatchStream, payload: bytes) -> Accepted:
    taken = stream.take(payload)
    assert isinstance(taken, Accepted)
    return taken


def rejected(stream: BatchStream, payload: bytes) -> Rejected:
    taken = stream.take(payload)
    assert isinstance(taken, Rejected)
    return taken


async def test_a_broken_message_is_rejected_by_its_index_and_the_stream_goes_on(stream: BatchStream) -> None:
    assert accepted(stream, raw()).index == 0
    reasons = [
        rejected(stream, payload).error.reason
        for payload in (b"", b"\xff", raw(erid="7"), request(message([])).SerializeToString())
    ]
    assert reasons == ["EMPTY_BODY", "MALFORMED_PROTOBUF", "INVALID_ERID", "EMPTY_BATCH"]
    assert accepted(stream, raw("Jane")).index == 5


async def test_the_same_batch_again_is_a_duplicate_confirmed_with_the_first(
    stream: BatchStream, publisher: HeldPublisher
) -> None:
    first, again = accepted(stream, raw()), accepted(stream, raw())
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.batch_id == first.batch_id
    await publisher.arrived(1)
    assert not again.confirmed.done()
    publisher.confirm(0)
    await stream.settled()
    assert again.confirmed.done()


async def test_another_content_under_the_same_id_is_a_conflict(stream: BatchStream) -> None:
    accepted(stream, raw(batch_id=ERID))
    error = rejected(stream, raw("Jane", batch_id=ERID)).error
    assert (error.reason, error.erid, error.batch_id) == ("BATCH_CONFLICT", ERID, ERID)


async def test_the_same_id_in_another_erid_is_another_batch(stream: BatchStream) -> None:
    other = ERID.replace("3", "4")
    assert not accepted(stream, raw(batch_id=ERID)).duplicate
    assert not accepted(stream, raw(batch_id=ERID, erid=other)).duplicate


async def test_it_waits_when_it_is_too_far_ahead_of_its_confirms(stream: BatchStream, publisher: HeldPublisher) -> None:
    for number in range(limits.STREAM_CONTACTS_UNCONFIRMED_MAX // limits.BATCH_CONTACTS_MAX):
        many = [{"first_name": f"n{number}"}] * limits.BATCH_CONTACTS_MAX
        accepted(stream, request(message(many)).SerializeToString())
    assert not stream.has_room
    async with asyncio.TaskGroup() as tasks:
        room = tasks.create_task(stream.room())
        await publisher.arrived(1)
        assert not room.done()
        publisher.confirm_all()
    assert stream.has_room


async def test_a_batch_that_was_not_confirmed_ends_the_stream(stream: BatchStream, publisher: HeldPublisher) -> None:
    accepted(stream, raw())
    await publisher.arrived(1)
    publisher.refuse(0, Overloaded("queue full"))
    with pytest.raises(Overloaded, match="queue full"):
        await stream.settled()


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
