"""Options and costs as callers see and change them: by HTTP and gRPC, with the same reasons."""

from typing import Any
from uuid import UUID, uuid4

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from des.client import Client, RemoteError
from des.contact import FieldResult, FieldState
from des.ledger import Amount
from des.store.postgres import Database
from des.store.reading import EnrichmentState
from des.v1 import contact_pb2
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.conftest import Serving
from tests.integration.serving.population import EMAIL, PHONE, Population, encoded, people
from tests.integration.serving.stub import Stub

FIRST = contact_pb2.EnrichmentOptions(priority=1)
CAPPED = {"budget": {"credits": 10.5}, "priority": 7}


async def call(http: aiohttp.ClientSession, method: str, erid: UUID, body: Any = None) -> tuple[int, dict[str, Any]]:
    async with http.request(method, f"/v1/enrichments/{erid}", json=body) as answer:
        return answer.status, await answer.json()


async def test_created_with_options_and_changed_by_http(http: aiohttp.ClientSession) -> None:
    erid = uuid4()
    status, created = await call(http, "PUT", erid, {"options": CAPPED})
    assert (status, created["options"]) == (200, CAPPED)
    nothing = {"credits": 0.0, "money": 0.0}
    assert created["spend"] == {"reserved": nothing, "spent": nothing, "saved": nothing}
    change = {"options": {"budget": {"credits": None, "money": 3}, "max_age_s": 60}}
    expected = {"budget": {"money": 3.0}, "priority": 7, "max_age_s": 60.0}
    for _ in range(2):
        status, updated = await call(http, "PATCH", erid, change)
        assert (status, updated["resumed_contacts"], updated["options"]) == (200, 0, expected)
    assert (await call(http, "GET", erid))[1]["options"] == expected


async def test_create_with_other_options_is_a_conflict_on_both_doors(http: aiohttp.ClientSession, stub: Stub) -> None:
    erid = uuid4()
    await call(http, "PUT", erid, {"options": CAPPED})
    status, problem = await call(http, "PUT", erid, {"options": {"priority": 1}})
    assert (status, problem["reason"], problem["erid"]) == (409, "CONFLICTING_OPTIONS", str(erid))
    request = pb.CreateEnrichmentRequest(erid=str(erid), options=FIRST)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateEnrichment(request)
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.ALREADY_EXISTS, "CONFLICTING_OPTIONS")


@pytest.mark.parametrize(
    ("body", "reason", "place"),
    [
        ({"options": {"priority": 10}}, "INVALID_OPTION", "options.priority"),
        ({"options": {"budget": {"credits": -1}}}, "INVALID_OPTION", "options.budget.credits"),
        ({"options": {"colour": 1}}, "UNKNOWN_KEY", "options.colour"),
        ({"budget": 1}, "UNKNOWN_KEY", "budget"),
        ({"options": "none"}, "WRONG_TYPE", "options"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_is_wrong_is_named(
    http: aiohttp.ClientSession, method: str, body: Any, reason: str, place: str
) -> None:
    status, problem = await call(http, method, uuid4(), body)
    assert (status, problem["reason"], problem["violations"][0]["field"]) == (422, reason, place)


async def test_what_cannot_be_changed_says_why(http: aiohttp.ClientSession, stub: Stub) -> None:
    erid = uuid4()
    change = {"options": {"priority": 1}}
    status, problem = await call(http, "PATCH", erid, change)
    assert (status, problem["reason"]) == (404, "NOT_FOUND")
    await call(http, "PUT", erid)
    async with http.post(f"/v1/enrichments/{erid}:cancel"):
        status, problem = await call(http, "PATCH", erid, change)
    assert (status, problem["reason"]) == (409, "ENRICHMENT_CANCELLED")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UpdateEnrichment(pb.UpdateEnrichmentRequest(erid=str(erid), options=FIRST))
    assert (caught.value.code(), reason_of(caught.value)) == (
        grpc.StatusCode.FAILED_PRECONDITION, "ENRICHMENT_CANCELLED",
    )  # fmt: skip


async def test_the_client_creates_updates_clears_and_is_refused(serving: Serving) -> None:
    erid = uuid4()
    async with Client(f"127.0.0.1:{serving.grpc.port}") as des:
        await des.create(erid, contact_pb2.EnrichmentOptions(budget=contact_pb2.Budget(credits=5), priority=3))
        wanted = contact_pb2.EnrichmentOptions(budget=contact_pb2.Budget(money=2))
        response = await des.update(erid, wanted, clear=["priority", "budget.credits"])
        assert response.enrichment.options == wanted
        with pytest.raises(RemoteError) as refused:
            await des.update(erid, contact_pb2.EnrichmentOptions(), clear=["colour"])
        assert refused.value.reason == "INVALID_OPTION"


async def test_what_is_spent_shows_and_is_news(serving: Serving, database: Database, population: Population) -> None:
    erid = await population.open()
    async with serving.watcher.watch("default", erid) as watch:
        async with database.connection() as connection:
            await connection.execute(
                "insert into budget"
                " (tenant, scope, name, reserved, reserved_money, spent, spent_money, saved, saved_money)"
                " values ('default', 'erid', $1, 1, 2, 3, 4, 5, 6), ('default', 'tenant', '', 9, 9, 9, 9, 9, 9)",
                str(erid),
            )
        news = await watch.change(within_s=5)
    assert news is not None
    assert (news.spend.reserved, news.spend.spent, news.spend.saved) == (Amount(1, 2), Amount(3, 4), Amount(5, 6))
    assert (await serving.store.enrichments("default", None, 1))[0].spend == news.spend


async def test_a_raised_budget_shows_what_goes_on(
    http: aiohttp.ClientSession, serving: Serving, database: Database, population: Population
) -> None:
    """One field is found and one over budget: the one stays, the other is pending, and the object is open."""
    erid = await population.open()
    await call(http, "PUT", erid, {"options": {"budget": {"credits": 1}}})
    batch_id = await population.accept(erid, people(2))
    await population.finish(erid, batch_id, people(2))
    over = {
        EMAIL: FieldResult(FieldState.FOUND, "a@b.c", "hunter"),
        PHONE: FieldResult(FieldState.OVER_BUDGET, reason="CAP_OF_ERID"),
    }
    async with database.connection() as connection:
        await connection.execute("update contact set fields = $1 where position = 1", encoded(over))
        await connection.execute(
            "update enrichment set fields_over_budget = 1, fields_not_found = 1, sealed = true, completed = true"
        )
        await connection.execute("update batch set parts = 1")
    _, updated = await call(http, "PATCH", erid, {"options": {"budget": {"credits": 2}}})
    assert (updated["resumed_contacts"], updated["state"]) == (1, "open")
    progress = updated["progress"]
    assert (progress["contacts_done"], progress["batches_done"], progress["fields"]["over_budget"]) == (1, 0, 0)
    contacts = (await call(http, "GET", erid))[1]["contact_list"]
    assert {name: result["state"] for name, result in contacts[1]["enriched"].items()} == {
        EMAIL: "found",
        PHONE: "pending",
    }
    async with http.get(f"/v1/enrichments/{erid}/results") as answer:
        assert len((await answer.text()).splitlines()) == 1, "what is outstanding is no result"
    assert (await serving.store.enrichment("default", erid)).state is EnrichmentState.OPEN


def reason_of(error: grpc.aio.AioRpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    assert status is not None
    status.details[0].Unpack(info)
    return str(info.reason)
