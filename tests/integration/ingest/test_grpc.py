"""IngestService as a client sees it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from des.errors import BrokerUnavailable, ConfigError, Overloaded
from des.ingest.server import GrpcServer
from des.ingest.servicer import SERVICE_NAME
from des.limits import KIB, SMALL_MESSAGE_CONTACTS_MAX
from des.testing.service import check_service_contract
from des.v1 import contact_pb2, ingest_pb2, ingest_pb2_grpc
from tests.ingest_publisher import HeldPublisher
from tests.integration.broker.waiting import until
from tests.integration.ingest.conftest import Doors, doors_on
from tests.wire_samples import ERID, JOHN, message, request


def stub(doors: Doors) -> "ingest_pb2_grpc.IngestServiceAsyncStub":
    return ingest_pb2_grpc.IngestServiceStub(doors.channel)


def batch(name: str = "John", **over: str) -> contact_pb2.ContactBatch:
    return message([{**JOHN, "first_name": name}], **over)


def push(batches: Sequence[contact_pb2.ContactBatch]) -> list[ingest_pb2.PushContactsRequest]:
    return [request(each) for each in batches]


def details(error: grpc.aio.AioRpcError, kind: type[Message]) -> Message:
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        if detail.Is(kind.DESCRIPTOR):
            unpacked = kind()
            detail.Unpack(unpacked)
            return unpacked
    raise AssertionError(f"no {kind.__name__} among the details")


async def test_a_stream_is_answered_once_when_everything_is_confirmed(doors: Doors, held: HeldPublisher) -> None:
    bad = batch(erid="7")
    call = stub(doors).PushContacts(iter(push([batch("a"), batch("b"), bad, batch("a"), batch("c")])))
    await held.arrived(1)
    assert not call.done()
    held.confirm_all()
    answer = await call
    assert (answer.accepted, answer.duplicate, answer.contacts) == (3, 1, 3)
    (rejected,) = answer.rejected
    assert (rejected.index, rejected.reason, rejected.erid) == (2, "INVALID_ERID", "7")
    assert [violation.field for violation in rejected.violations] == ["erid"]


async def test_an_empty_stream_is_answered(doors: Doors) -> None:
    assert await stub(doors).PushContacts(iter(())) == ingest_pb2.PushContactsResponse()


async def test_bytes_that_are_no_message_are_rejected_by_index(doors: Doors, held: HeldPublisher) -> None:
    held.confirm_all()
    raw_push: grpc.aio.StreamUnaryMultiCallable[bytes, ingest_pb2.PushContactsResponse] = doors.channel.stream_unary(
        f"/{SERVICE_NAME}/PushContacts", response_deserializer=ingest_pb2.PushContactsResponse.FromString
    )
    name = request(batch("Zoe")).SerializeToString()
    answer = await raw_push(iter([b"\xff\xff", name, b"", name.replace(b"Zoe", b"\xff\xfe\xfd")]))
    assert answer.accepted == 1
    assert [(each.index, each.reason) for each in answer.rejected] == [
        (0, "MALFORMED_PROTOBUF"),
        (2, "EMPTY_BODY"),
        (3, "MALFORMED_PROTOBUF"),
    ]


async def test_an_alarm_is_resource_exhausted_with_a_time_to_come_back(doors: Doors, held: HeldPublisher) -> None:
    call = stub(doors).PushContacts(iter(push([batch()])))
    await held.arrived(1)
    held.refuse(0, Overloaded("memory alarm", retry_after_s=5.0))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = details(caught.value, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("OVERLOADED", "des.v1")  # type: ignore[attr-defined]  # an ErrorInfo
    retry = details(caught.value, error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 5  # type: ignore[attr-defined]  # a RetryInfo


async def test_a_broker_out_of_reach_is_unavailable(doors: Doors, held: HeldPublisher) -> None:
    call = stub(doors).PushContacts(iter(push([batch()])))
    await held.arrived(1)
    held.refuse(0, BrokerUnavailable())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_every_batch_is_acknowledged_as_the_broker_confirms_it(doors: Doors, held: HeldPublisher) -> None:
    call = stub(doors).StreamContacts()
    large = message([JOHN] * (SMALL_MESSAGE_CONTACTS_MAX + 1))
    await call.write(ingest_pb2.StreamContactsRequest(batch=large))
    await held.arrived(1)
    await call.write(ingest_pb2.StreamContactsRequest(batch=batch("b")))
    await held.arrived(2)
    held.confirm(1)
    second = await call.read()
    held.confirm(0)
    first = await call.read()
    await call.write(ingest_pb2.StreamContactsRequest(batch=large))
    again = await call.read()
    await call.write(ingest_pb2.StreamContactsRequest())
    refused = await call.read()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    answers = [each for each in (first, second, again, refused) if isinstance(each, ingest_pb2.StreamContactsResponse)]
    assert [(each.index, each.status) for each in answers] == [
        (0, ingest_pb2.BATCH_STATUS_ACCEPTED),
        (1, ingest_pb2.BATCH_STATUS_ACCEPTED),
        (2, ingest_pb2.BATCH_STATUS_DUPLICATE),
        (3, ingest_pb2.BATCH_STATUS_REJECTED),
    ]
    assert answers[0].batch_id == answers[2].batch_id != ""


async def test_an_unconfirmed_batch_ends_the_acknowledgements(doors: Doors, held: HeldPublisher) -> None:
    call = stub(doors).StreamContacts()
    await call.write(ingest_pb2.StreamContactsRequest(batch=batch("a")))
    await held.arrived(1)
    held.refuse(0, Overloaded())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stream_is_not_read_faster_than_the_broker_confirms(held: HeldPublisher) -> None:
    batches_in_all, bytes_max = 400, 512 * KIB
    written = 0

    async def batches() -> AsyncIterator[ingest_pb2.PushContactsRequest]:
        nonlocal written
        for number in range(batches_in_all):
            yield request(message([{"full_name": str(number), "company_name": "c" * 1_000}] * 100))
            written += 1

    async with doors_on(held, bytes_max) as doors:
        call = stub(doors).PushContacts(batches())
        await until(lambda: not doors.intake.has_room)
        assert bytes_max <= doors.intake.bytes_held < bytes_max * 1.5
        assert written < batches_in_all
        held.confirm_all()
        assert (await call).accepted == batches_in_all


async def test_a_client_that_leaves_takes_nothing_back_and_leaves_nothing_behind(
    doors: Doors, held: HeldPublisher
) -> None:
    for method in (stub(doors).PushContacts, stub(doors).StreamContacts):
        published = len(held.messages)
        call = method()
        await call.write(request(batch(f"n{published}")))  # type: ignore[arg-type]  # alike on the wire
        await held.arrived(published + 1)
        call.cancel()
        assert doors.intake.bytes_unconfirmed > 0
        held.confirm(published)
        await until(lambda: doors.intake.bytes_unconfirmed == 0)


async def test_a_stop_ends_open_streams_with_unavailable_once_they_are_confirmed(
    doors: Doors, held: HeldPublisher
) -> None:
    streaming, pushing = stub(doors).StreamContacts(), stub(doors).PushContacts()
    await streaming.write(ingest_pb2.StreamContactsRequest(batch=batch("a")))
    await held.arrived(1)
    await streaming.write(ingest_pb2.StreamContactsRequest(batch=batch("b")))
    await pushing.write(request(batch("c")))
    await until(lambda: doors.intake.suppliers == 2)
    health = health_pb2_grpc.HealthStub(doors.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(doors.grpc_server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        held.confirm_all()
        acknowledged = [await streaming.read() for _ in range(2)]
        assert all(isinstance(one, ingest_pb2.StreamContactsResponse) for one in acknowledged)
        for call in (streaming, pushing):
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        watch.cancel()


async def test_a_stop_takes_what_a_stream_has_only_kept(doors: Doors, held: HeldPublisher) -> None:
    first, second = stub(doors).StreamContacts(), stub(doors).StreamContacts()
    await first.write(ingest_pb2.StreamContactsRequest(batch=batch("a")))
    await held.arrived(1)
    await second.write(ingest_pb2.StreamContactsRequest(batch=batch("b")))
    await until(lambda: doors.intake.suppliers == 1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(doors.grpc_server.stop())
        await until(lambda: doors.intake.contacts_taken == 2)
        held.confirm_all()
        assert isinstance(await second.read(), ingest_pb2.StreamContactsResponse)
        assert await second.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_that_says_nothing_hears_that_its_batch_was_refused(doors: Doors, held: HeldPublisher) -> None:
    pushing = stub(doors).PushContacts()
    await pushing.write(request(batch("a")))
    await held.arrived(1)
    await pushing.write(request(batch("b")))
    await until(lambda: doors.intake.suppliers == 1)
    held.refuse(0, Overloaded("queue full"))
    assert await pushing.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_server_tells_of_itself(doors: Doors) -> None:
    health = health_pb2_grpc.HealthStub(doors.channel)
    for name in ("", SERVICE_NAME):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(doors.channel).ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )
    listed = await reflection.read()
    assert SERVICE_NAME in {service.name for service in listed.list_services_response.service}


async def test_the_server_keeps_the_service_contract() -> None:
    await check_service_contract(lambda: GrpcServer([]))


async def test_a_port_that_is_taken_is_told(doors: Doors) -> None:
    with pytest.raises(ConfigError, match=str(doors.grpc_server.port)):
        await GrpcServer([], port=doors.grpc_server.port).start()


async def test_erids_of_any_letter_case_are_one(doors: Doors, held: HeldPublisher) -> None:
    held.confirm_all()
    answer = await stub(doors).PushContacts(iter(push([batch(), batch(erid=ERID.upper())])))
    assert (answer.accepted, answer.duplicate) == (1, 1)
