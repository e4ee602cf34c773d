"""The Python client against the real doors."""

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest

from des.client import Client, RemoteError
from des.errors import Overloaded
from des.surface import rich_status
from des.v1 import contact_pb2
from des.v1 import enrichment_pb2 as pb
from tests.ingest_publisher import HeldPublisher
from tests.integration.ingest.conftest import doors_on
from tests.integration.serving.conftest import Serving
from tests.integration.serving.population import EMAIL, Population, people


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[Client]:
    async with Client(f"127.0.0.1:{serving.grpc.port}") as client:
        yield client


async def test_it_reads_the_whole_object(client: Client, population: Population) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(1_500))
    await population.accept(erid, people(700, 1_500))
    assert [one.contact.first_name async for one in client.contacts(erid)] == [f"P{n}" for n in range(2_200)]
    assert (await client.get(erid, page_size=1)).enrichment.progress.contacts_done == 1_500


async def test_it_watches_and_follows_until_the_end(client: Client, population: Population) -> None:
    erid = uuid4()
    assert (await client.create(erid)).state == pb.ENRICHMENT_STATE_OPEN
    batch_id = await population.accept(erid, people(2))
    results = client.results(erid, follow=True)
    await population.finish(erid, batch_id, people(1))
    assert (await anext(results)).enriched[EMAIL].value == "p0@example.com"
    assert (await client.seal(erid)).sealed
    await population.finish(erid, batch_id, people(1, 1), first=1)
    assert [one.position async for one in results] == [1]
    assert [one.state async for one in client.watch(erid)] == [pb.ENRICHMENT_STATE_COMPLETED]


async def test_it_cancels_and_lists(client: Client) -> None:
    first, second = uuid4(), uuid4()
    await client.create(first)
    await client.create(second)
    assert (await client.cancel(second)).state == pb.ENRICHMENT_STATE_CANCELLED
    assert [one.erid async for one in client.enrichments()] == [str(second), str(first)]


async def test_leaving_a_stream_early_ends_it(serving: Serving, client: Client, population: Population) -> None:
    erid = await population.open()
    watch = client.watch(erid)
    await anext(watch)
    await watch.aclose()
    await client.create(uuid4())  # the same connection goes on


async def test_errors_have_their_reason(client: Client) -> None:
    with pytest.raises(RemoteError) as caught:
        await client.get(uuid4())
    assert (caught.value.reason, caught.value.retryable) == ("NOT_FOUND", False)
    with pytest.raises(RemoteError) as caught:
        await client.get("no uuid")
    assert caught.value.reason == "INVALID_ERID"
    assert [violation.field for violation in caught.value.violations] == ["erid"]


async def test_nobody_there_is_retryable() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(RemoteError) as caught:
            await client.get(uuid4())
    assert (caught.value.reason, caught.value.retryable) == ("UNAVAILABLE", True)


async def test_it_pushes_from_iterables_of_either_kind() -> None:
    publisher = HeldPublisher(holding=False)
    batch = contact_pb2.ContactBatch(
        erid=str(uuid4()),
        contact_list=[contact_pb2.Contact(full_name="Ada Lovelace")],
        fields_to_be_enriched=[EMAIL],
    )

    async def stream() -> AsyncIterator[contact_pb2.ContactBatch]:
        yield batch
        yield contact_pb2.ContactBatch(erid="no uuid")

    async with doors_on(publisher) as doors, Client(f"127.0.0.1:{doors.grpc_server.port}") as client:
        assert (await client.push([batch, batch])).duplicate == 1
        summary = await client.push(stream())
    assert (summary.accepted, summary.contacts) == (1, 1)
    assert [one.reason for one in summary.rejected] == ["INVALID_ERID"]


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ("Received message larger than max (17825800 vs. 16777216)", False),
        ("Concurrent RPC limit exceeded!", True),
    ],
)
def test_what_grpc_itself_refuses_is_tried_again_only_where_that_may_help(error: str, *, retryable: bool) -> None:
    nothing = grpc.aio.Metadata()
    refused = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, nothing, nothing, details=error)
    assert RemoteError(refused).retryable == retryable


def test_what_des_is_too_busy_for_is_tried_again_when_it_says() -> None:
    status = rich_status(Overloaded("later", retry_after_s=2.5))
    trailer = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    refused = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), trailer, details=status.message
    )
    error = RemoteError(refused)
    assert (error.reason, error.retryable, error.retry_after_s) == ("OVERLOADED", True, 2.5)
