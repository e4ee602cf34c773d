"""The object of an ERID, page by page, by HTTP and gRPC."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import grpc
import pytest

from des.contact import Contact
from des.store.postgres import Database
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.population import EMAIL, PHONE, Population, people
from tests.integration.serving.stub import Stub


async def test_an_object_shows_what_was_found_and_what_is_pending(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    await population.finish(erid, batch_id, people(1))
    body = await _get(http, erid)
    assert body["state"] == "open"
    assert body["progress"] == {
        "contacts": 2,
        "contacts_done": 1,
        "batches": 1,
        "batches_done": 0,
        "fields": {"found": 1, "not_found": 1, "failed": 0, "suppressed": 0, "over_budget": 0, "cancelled": 0},
    }
    assert body["fields_to_be_enriched"] == [EMAIL, PHONE]
    assert body["contact_list"] == [
        {
            "first_name": "P0",
            "last_name": "Doe",
            "company_name": "Say Primer",
            "batch_id": str(batch_id),
            "position": 0,
            "enriched": {
                EMAIL: {
                    "state": "found",
                    "value": "p0@example.com",
                    "provider": "directory",
                    "confidence": 0.9,
                    "decide_time": "2025-11-24T16:00:00.250000Z",
                },
                PHONE: {
                    "state": "not_found",
                    "reason": "NO_PROVIDER_KNEW",
                    "decide_time": "2025-11-24T16:00:00.250000Z",
                },
            },
        },
        {
            "first_name": "P1",
            "last_name": "Doe",
            "company_name": "Say Primer",
            "batch_id": str(batch_id),
            "position": 1,
            "enriched": {EMAIL: {"state": "pending"}, PHONE: {"state": "pending"}},
        },
    ]
    assert body["next_page_token"] == ""


async def test_contacts_that_cannot_be_read_back_are_shown_without_what_was_sent(
    http: aiohttp.ClientSession, database: Database, population: Population
) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    async with database.connection() as connection:
        await connection.execute("update batch set payload = 'broken' where batch_id = $1", batch_id)
    pending = {EMAIL: {"state": "pending"}, PHONE: {"state": "pending"}}
    shown = [{"batch_id": str(batch_id), "position": position, "enriched": pending} for position in range(2)]
    assert (await _get(http, erid))["contact_list"] == shown


async def test_grpc_shows_the_same_object(stub: Stub, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, [Contact(full_name="Ada Lovelace", external_id="7"), *people(1)])
    await population.finish(erid, batch_id, people(1), first=1)
    answer = await stub.GetEnrichment(pb.GetEnrichmentRequest(erid=str(erid)))
    pending, done = answer.contact_list
    assert pending.contact.full_name == "Ada Lovelace"
    assert pending.contact.external_id == "7"
    assert {name: result.state for name, result in pending.enriched.items()} == {
        EMAIL: pb.FIELD_STATE_PENDING,
        PHONE: pb.FIELD_STATE_PENDING,
    }
    assert done.position == 1
    assert done.enriched[EMAIL].value == "p0@example.com"
    assert done.enriched[EMAIL].decide_time.ToMilliseconds() == 1_764_000_000_250
    assert answer.enrichment.state == pb.ENRICHMENT_STATE_OPEN
    assert dict(answer.enrichment.progress.fields)["found"] == 1


@pytest.mark.parametrize("size", [1_000, 999, 357])
async def test_paging_shows_each_contact_once_in_order(
    http: aiohttp.ClientSession, population: Population, size: int
) -> None:
    erid = await population.open()
    expected = await _mixed_population(population, erid)
    shown, token, pages = [], "", 0
    while True:
        body = await _get(http, erid, page_size=str(size), page_token=token)
        shown += [(one["batch_id"], one["position"], one["first_name"]) for one in body["contact_list"]]
        token, pages = body["next_page_token"], pages + 1
        if not token:
            break
        assert len(body["contact_list"]) == size
    assert shown == expected
    assert pages == -(-len(expected) // size)


async def test_grpc_pages_meet_the_http_ones(stub: Stub, population: Population) -> None:
    erid = await population.open()
    expected = await _mixed_population(population, erid, large=2_500, single=20)
    shown, token = [], ""
    while True:
        answer = await stub.GetEnrichment(pb.GetEnrichmentRequest(erid=str(erid), page_size=700, page_token=token))
        shown += [(one.batch_id, one.position, one.contact.first_name) for one in answer.contact_list]
        token = answer.next_page_token
        if not token:
            break
    assert shown == expected


async def test_a_page_of_long_contacts_ends_early_and_loses_none(stub: Stub, population: Population) -> None:
    erid = await population.open()
    long = [Contact(first_name=f"P{n}", company_name="é" * 1_000, linkedin_url="x" * 1_000) for n in range(1_000)]
    long = [Contact(one.first_name, "ü" * 1_000, "ö" * 1_000, one.company_name, "ä" * 1_000) for one in long]
    await population.accept(erid, long)
    first = await stub.GetEnrichment(pb.GetEnrichmentRequest(erid=str(erid)))
    assert 0 < len(first.contact_list) < 1_000
    assert first.ByteSize() < 4 * 1024 * 1024
    shown, token = [one.position for one in first.contact_list], first.next_page_token
    while token:
        answer = await stub.GetEnrichment(pb.GetEnrichmentRequest(erid=str(erid), page_token=token))
        shown += [one.position for one in answer.contact_list]
        token = answer.next_page_token
    assert shown == list(range(1_000))


async def test_a_known_state_is_not_sent_again(http: aiohttp.ClientSession, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    async with http.get(f"/v1/enrichments/{erid}") as answer:
        known = {"If-None-Match": f'W/"other", {answer.headers["ETag"]}'}
    async with http.get(f"/v1/enrichments/{erid}", headers=known) as answer:
        assert answer.status == 304
        assert await answer.read() == b""
    await population.finish(erid, batch_id, people(1))
    async with http.get(f"/v1/enrichments/{erid}", headers=known) as answer:
        assert answer.status == 200


async def test_another_tenants_object_is_not_there(
    http: aiohttp.ClientSession, stub: Stub, population: Population
) -> None:
    theirs = Population(population._database, "somebody-else")
    erid = await theirs.open()
    await theirs.finished_batch(erid, people(3))
    for method, path in [
        ("GET", ""), ("GET", "/results"), ("GET", "/results?follow=true"), ("GET", "/events"),
        ("POST", ":seal"), ("POST", ":cancel"),
    ]:  # fmt: skip
        async with http.request(method, f"/v1/enrichments/{erid}{path}") as answer:
            assert (answer.status, (await answer.json(content_type=None))["reason"]) == (404, "NOT_FOUND")
    calls: list[Awaitable[Any]] = [
        stub.GetEnrichment(pb.GetEnrichmentRequest(erid=str(erid))),
        stub.SealEnrichment(pb.SealEnrichmentRequest(erid=str(erid))),
        stub.CancelEnrichment(pb.CancelEnrichmentRequest(erid=str(erid))),
        stub.StreamResults(pb.StreamResultsRequest(erid=str(erid))).read(),
        stub.WatchEnrichment(pb.WatchEnrichmentRequest(erid=str(erid))).read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    async with http.get("/v1/enrichments") as answer:
        assert (await answer.json())["enrichments"] == []


async def test_the_list_is_newest_first_and_pages(http: aiohttp.ClientSession, population: Population) -> None:
    erids = [str(await population.open()) for _ in range(7)]
    shown, token = [], ""
    while True:
        async with http.get("/v1/enrichments", params={"page_size": "3", "page_token": token}) as answer:
            body = await answer.json()
        shown += [one["erid"] for one in body["enrichments"]]
        token = body["next_page_token"]
        if not token:
            break
    assert shown == erids[::-1]


@pytest.mark.parametrize(
    ("path", "reason", "status"),
    [
        ("no-uuid", "INVALID_ERID", 422),
        ("{erid}?page_size=-1", "INVALID_PARAMETER", 422),
        ("{erid}?page_size=ten", "INVALID_PARAMETER", 422),
        ("{erid}?page_size=1&page_size=2", "INVALID_PARAMETER", 422),
        ("{erid}?pagesize=1", "UNKNOWN_PARAMETER", 422),
        ("{erid}?page_token=eHl6", "INVALID_PAGE_TOKEN", 422),
        ("{erid}?page_token=%00%FF", "INVALID_PAGE_TOKEN", 422),
        ("{erid}?page_token=é", "INVALID_PAGE_TOKEN", 422),
        ("{erid}/results?format=parquet", "INVALID_PARAMETER", 422),
        ("{erid}/results?format=csv&follow=true", "INVALID_PARAMETER", 422),
        ("{erid}/nothing", "NOT_FOUND", 404),
        ("{erid}:seal", "METHOD_NOT_ALLOWED", 405),
    ],
)
async def test_what_is_wrong_is_said_by_name(
    http: aiohttp.ClientSession, population: Population, path: str, reason: str, status: int
) -> None:
    erid = await population.open()
    async with http.get("/v1/enrichments/" + path.replace("{erid}", str(erid))) as answer:
        assert answer.content_type == "application/problem+json"
        body = await answer.json(content_type=None)
    assert (body["reason"], answer.status) == (reason, status)


async def test_a_token_of_one_object_does_not_page_another(http: aiohttp.ClientSession, population: Population) -> None:
    erid, other = await population.open(), await population.open()
    await population.accept(erid, people(3))
    token = (await _get(http, erid, page_size="2"))["next_page_token"]
    async with http.get(f"/v1/enrichments/{other}", params={"page_token": token}) as answer:
        assert (await answer.json(content_type=None))["reason"] == "INVALID_PAGE_TOKEN"


async def _mixed_population(
    population: Population, erid: UUID, large: int = 10_000, single: int = 40
) -> list[tuple[str, int, str]]:
    """A large batch in two parts, half of it finished, between batches of one, some finished and some not."""
    expected = []
    for number in range(single):
        batch_id = await population.accept(erid, people(1, number))
        if number % 3:
            await population.finish(erid, batch_id, people(1, number))
        expected.append((str(batch_id), 0, f"P{number}"))
    batch_id, cut = uuid4(), large // 3
    everyone = people(large)
    await population.accept(erid, everyone[:cut], batch_id, parts=2)
    await population.accept(erid, everyone[cut:], batch_id, part=1, first=cut, parts=2)
    await population.finish(erid, batch_id, everyone[:cut])
    await population.finish(erid, batch_id, everyone[cut + 100 : cut + 600], first=cut + 100, part=1)
    return expected + [(str(batch_id), position, f"P{position}") for position in range(large)]


async def _get(http: aiohttp.ClientSession, erid: UUID, **params: str) -> dict[str, Any]:
    async with http.get(f"/v1/enrichments/{erid}", params=params) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body
