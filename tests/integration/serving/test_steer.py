"""Create, seal and cancel: what they change, what they announce, and that repeating them changes nothing."""

import json
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import grpc
import pytest

from des.events import Progress, enrichment_completed
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.population import EMAIL, PHONE, Population, people
from tests.integration.serving.stub import Stub


async def test_create_opens_and_repeats_harmlessly(http: aiohttp.ClientSession) -> None:
    erid = uuid4()
    answers = [await _call(http, "PUT", f"/v1/enrichments/{erid}") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["state"], answers[0]["sealed"], answers[0]["revision"]) == ("open", False, 0)


async def test_grpc_creates_seals_and_cancels(stub: Stub) -> None:
    first, second = str(uuid4()), str(uuid4())
    opened = await stub.CreateEnrichment(pb.CreateEnrichmentRequest(erid=first))
    assert opened.enrichment.state == pb.ENRICHMENT_STATE_OPEN
    sealed = await stub.SealEnrichment(pb.SealEnrichmentRequest(erid=first))
    assert sealed.enrichment.state == pb.ENRICHMENT_STATE_COMPLETED
    await stub.CreateEnrichment(pb.CreateEnrichmentRequest(erid=second))
    cancelled = await stub.CancelEnrichment(pb.CancelEnrichmentRequest(erid=second))
    assert cancelled.enrichment.state == pb.ENRICHMENT_STATE_CANCELLED
    page = await stub.ListEnrichments(pb.ListEnrichmentsRequest(page_size=1))
    assert [one.erid for one in page.enrichments] == [second]
    rest = await stub.ListEnrichments(pb.ListEnrichmentsRequest(page_token=page.next_page_token))
    assert [one.erid for one in rest.enrichments] == [first]


async def test_sealing_what_is_settled_completes_and_announces_it_once(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(2))
    bodies = [await _call(http, "POST", f"/v1/enrichments/{erid}:seal") for _ in range(3)]
    for body in bodies:
        assert (body["state"], body["sealed"], body["revision"]) == ("completed", True, 2)
    progress = Progress(2, 2, 1, 1, bodies[0]["progress"]["fields"])
    event = enrichment_completed("default", erid, 2, progress, [EMAIL, PHONE])
    [(event_id, type_, of, payload)] = await population.outbox()
    assert (event_id, type_, of) == (event.id, "des.enrichment.completed", erid)
    assert json.loads(payload) == json.loads(event.payload)


async def test_sealing_what_is_outstanding_leaves_the_completion_to_the_last_contact(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    body = await _call(http, "POST", f"/v1/enrichments/{erid}:seal")
    assert (body["state"], body["sealed"], body["revision"]) == ("open", True, 0)
    assert await population.outbox() == []
    await population.finish(erid, batch_id, people(2))
    assert (await _call(http, "POST", f"/v1/enrichments/{erid}:seal"))["state"] == "completed"
    assert await population.outbox() == []  # the commit of the last contact announces it


async def test_cancel_seals_and_tells_the_workers(
    http: aiohttp.ClientSession, population: Population, database_url: str
) -> None:
    erid = await population.open()
    await population.accept(erid, people(2))
    listener = await asyncpg.connect(database_url)
    heard: list[str] = []
    await listener.add_listener("des_cancel", lambda *message: heard.append(str(message[-1])))
    for _ in range(2):
        body = await _call(http, "POST", f"/v1/enrichments/{erid}:cancel")
        assert (body["state"], body["sealed"]) == ("cancelled", True)
    await listener.execute("select 1")  # notifications come before the answer
    await listener.close()
    assert [json.loads(one) for one in heard] == [{"tenant": "default", "erid": str(erid)}]


async def test_what_is_completed_is_not_cancelled(http: aiohttp.ClientSession, population: Population) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(1))
    await _call(http, "POST", f"/v1/enrichments/{erid}:seal")
    assert (await _call(http, "POST", f"/v1/enrichments/{erid}:cancel"))["state"] == "completed"


@pytest.mark.parametrize("verb", ["Seal", "Cancel", "Get"])
async def test_an_unknown_erid_is_not_found(stub: Stub, verb: str) -> None:
    request = getattr(pb, f"{verb}EnrichmentRequest")(erid=str(UUID(int=7, version=4)))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, f"{verb}Enrichment")(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def _call(http: aiohttp.ClientSession, method: str, path: str) -> dict[str, Any]:
    async with http.request(method, path) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body
