"""Quotes by HTTP and gRPC: people counted once, answers at hand, bounds, and what is unknown said to be."""

from typing import Any
from uuid import UUID, uuid4

import aiohttp
import grpc
import msgspec
import pytest

from des.contact import Attempt, FieldResult, FieldState
from des.store.postgres import Database
from des.v1 import contact_pb2
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.population import EMAIL, PHONE, Population, people
from tests.integration.serving.stub import Stub

ERID = str(UUID(int=5, version=4))
JOHN = {"first_name": "John", "last_name": "Doe", "company_domain": "sayprimer.com"}
LOUD = {"first_name": "JOHN", "last_name": "DOE", "company_domain": "SayPrimer.com"}
JANE = {"first_name": "Jane", "last_name": "Doe", "company_domain": "sayprimer.com"}
NOBODY = {"first_name": "!"}
KEY = "n:john doe|sayprimer.com"
CREDIT = 1_000_000


async def quote(http: aiohttp.ClientSession, *contacts: dict[str, str], **over: Any) -> dict[str, Any]:
    body = {"erid": ERID, "contact_list": contacts, "fields_to_be_enriched": [EMAIL], **over}
    async with http.post("/v1/enrichments:quote", json=body) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == 200, told
        return told


async def answered(database: Database, provider: str, operation: str, fields: str, *, age: str = "1 hour") -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into answer (tenant, provider, operation, person, outcome, fields, reference, cost, cost_money,"
            " call_id, answered_at, expires_at) values ('default', $1, $2, $3, 'found', $4, '', $5, $6, $7,"
            " now() - $8::text::interval, now() + interval '1 day')",
            provider,
            operation,
            KEY,
            fields,
            CREDIT,
            CREDIT // 20,
            uuid4(),
            age,
        )


async def test_people_are_counted_once_and_what_is_not_known_says_so(http: aiohttp.ClientSession) -> None:
    told = await quote(http, JOHN, LOUD, JANE, NOBODY)
    assert (told["contacts"], told["people"], told["unidentified"], told["at_hand"]) == (4, 2, 1, 0)
    assert told["suppressed"] is None
    assert told["cost"]["credits"] == {"min": 0.0, "expected": None, "max": 4.0}
    assert told["cost"]["money"]["max"] == pytest.approx(0.2)
    by_provider = {one["provider"]: one for one in told["providers"]}
    assert by_provider.keys() == {"hunter", "phones"}
    assert by_provider["hunter"]["questions"] == {"min": 0.0, "expected": None, "max": 2.0}
    assert by_provider["hunter"]["eta_s"] == pytest.approx(2 / (500 / 60))
    assert by_provider["phones"]["eta_s"] is None
    reasons = [line.partition(":")[0] for line in told["unknown"]]
    assert reasons.count("expected") == 3
    assert {"eta_s", "suppressed"} <= set(reasons)


async def test_answers_at_hand_are_taken_and_spare_their_cost(http: aiohttp.ClientSession, database: Database) -> None:
    await answered(database, "hunter", "email_finder", f'{{"{EMAIL}": {{"value": "j@d.com"}}}}')
    told = await quote(http, JOHN, JANE)
    assert (told["at_hand"], told["saved"]) == (1, {"credits": 1.0, "money": 0.05})
    assert told["cost"]["credits"]["max"] == 2.0, "Jane may cost twice, John nothing"
    aged = await quote(http, JOHN, JANE, options={"max_age_s": 60})
    assert (aged["at_hand"], aged["cost"]["credits"]["max"]) == (0, 4.0)


async def test_the_dearest_way_is_the_most(http: aiohttp.ClientSession) -> None:
    """A telephone number for 8 credits, an address from neither: 1 credit each, the second time by another question."""
    told = await quote(http, JOHN, fields_to_be_enriched=[EMAIL, PHONE])
    assert told["cost"]["credits"]["max"] == 10.0
    assert {one["provider"]: one["questions"]["max"] for one in told["providers"]} == {"hunter": 1.0, "phones": 2.0}


async def test_what_receipts_show_is_to_be_expected(http: aiohttp.ClientSession, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(40))
    await population.finish(erid, batch_id, people(40))
    missed = (Attempt("directory", "miss"),)
    found = FieldResult(FieldState.FOUND, "a@b.c", "hunter", cost=1.0, attempts=missed)
    spared = FieldResult(FieldState.FOUND, "a@b.c", "hunter", saved=1.0, source="answer_store", attempts=missed)
    nothing = FieldResult(
        FieldState.NOT_FOUND, attempts=(*missed, Attempt("hunter", "miss"), Attempt("phones", "miss"))
    )
    async with population._database.connection() as connection:
        for position in range(40):
            result = (found, spared, nothing, nothing)[position % 4]
            await connection.execute(
                "update contact set fields = $2 where position = $1",
                position,
                msgspec.json.encode({EMAIL: result}).decode(),
            )
    told = await quote(http, JOHN, JANE)
    by_provider = {one["provider"]: one for one in told["providers"]}
    assert by_provider["hunter"]["questions"]["expected"] == 2.0
    assert by_provider["hunter"]["cost"]["credits"]["expected"] == 1.0, "half are found, at a credit each"
    assert by_provider["phones"]["questions"]["expected"] == 1.0
    assert told["cost"]["credits"]["expected"] == 1.0


async def test_by_grpc_it_is_the_same_and_nothing_is_written(
    http: aiohttp.ClientSession, stub: Stub, database: Database
) -> None:
    by_http = await quote(http, JOHN, JANE)
    contacts = [contact_pb2.Contact(**contact) for contact in (JOHN, JANE)]
    batch = contact_pb2.ContactBatch(erid=ERID, contact_list=contacts, fields_to_be_enriched=[EMAIL])
    response = await stub.QuoteEnrichment(pb.QuoteEnrichmentRequest(batch=batch))
    assert (response.people, response.cost.credits.max) == (by_http["people"], by_http["cost"]["credits"]["max"])
    assert not response.HasField("suppressed")
    assert not response.cost.credits.HasField("expected")
    assert list(response.unknown) == by_http["unknown"]
    async with database.connection() as connection:
        for table in ("enrichment", "call", "budget", "outbox"):
            assert await connection.fetchval(f"select count(*) from {table}") == 0  # noqa: S608 - names written here


async def test_what_no_door_would_take_is_not_quoted(http: aiohttp.ClientSession, stub: Stub) -> None:
    body = {"erid": ERID, "contact_list": [JOHN], "fields_to_be_enriched": ["colour"]}
    async with http.post("/v1/enrichments:quote", json=body) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (422, "UNKNOWN_FIELD")
    contacts = [contact_pb2.Contact(**JOHN)]
    batch = contact_pb2.ContactBatch(erid=ERID, contact_list=contacts, fields_to_be_enriched=[EMAIL])
    batch.options.priority = 20
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.QuoteEnrichment(pb.QuoteEnrichmentRequest(batch=batch))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
