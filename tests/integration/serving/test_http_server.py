"""The listener: health, metrics, the description it gives of itself, and that it keeps to it."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import openapi_spec_validator
import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from prometheus_client import CollectorRegistry, Counter
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from des.clock import SystemClock
from des.errors import ConfigError, StoreUnavailable
from des.ingest.http import IngestRoutes
from des.ingest.intake import Intake
from des.routes import Body, Route
from des.serving.health import HealthRoutes
from des.serving.http import EnrichmentRoutes
from des.serving.openapi import openapi_document
from des.serving.results import Results
from des.serving.server import HttpServer
from des.testing.service import check_service_contract
from tests.ingest_publisher import HeldPublisher
from tests.integration.serving.conftest import Serving
from tests.integration.serving.population import EMAIL, Population, people


async def test_the_document_is_valid_openapi(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as answer:
        document = await answer.json()
    openapi_spec_validator.validate(document)
    assert "/v1/enrichments/{erid}:seal" in document["paths"]
    assert "ObjectDocument" in document["components"]["schemas"]


async def test_the_document_of_a_whole_process_is_valid(serving: Serving) -> None:
    results = Results(serving.store, serving.watcher, SystemClock())
    routes = [
        *IngestRoutes(Intake(HeldPublisher()), frozenset({EMAIL})).routes(),
        *EnrichmentRoutes(serving.store, results, serving.watcher).routes(),
        *HealthRoutes({}, CollectorRegistry()).routes(),
    ]
    document = openapi_document(routes)
    openapi_spec_validator.validate(msgspec.json.decode(msgspec.json.encode(document)))
    assert set(document["paths"]["/v1/enrichments"]) == {"get", "post"}
    assert document["paths"]["/v1/enrichments"]["post"]["requestBody"]["required"]
    assert {"ContactBatchDocument", "AcceptedDocument", "Problem"} <= set(document["components"]["schemas"])


async def test_the_routes_keep_to_the_document(serving: Serving, population: Population) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(3))
    await serving.store.seal("default", erid)  # so that its events and its followed results end
    await asyncio.to_thread(_fuzz, serving.url, str(erid))
    async with aiohttp.ClientSession(serving.url) as http, http.get("/livez") as answer:
        assert await answer.json() == {"live": True}


async def test_readiness_names_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine() -> None:
        pass

    async def away() -> None:
        raise StoreUnavailable("Postgres: connection refused")

    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("des.serving.health.CHECK_DEADLINE_S", 0.05)
    registry = CollectorRegistry()
    Counter("des_tested_things", "Things tested", registry=registry).inc()
    async with _listening(HealthRoutes({"fine": fine, "away": away, "hangs": hangs}, registry).routes()) as http:
        async with http.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {
                "ready": False,
                "checks": {
                    "fine": "ok",
                    "away": "STORE_UNAVAILABLE: Postgres: connection refused",
                    "hangs": "no answer within 0.05 s",
                },
            }
        async with http.get("/metrics") as answer:
            assert "des_tested_things_total 1.0" in await answer.text()
    async with _listening(HealthRoutes({"fine": fine}, registry).routes()) as http, http.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "checks": {"fine": "ok"}})


async def test_every_error_is_a_problem() -> None:
    async def breaks(request: web.Request) -> web.Response:
        raise RuntimeError(request.path)

    async def hangs(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response(text=request.path)

    answers = {200: Body("never")}
    routes = (
        Route("GET", "/breaks", breaks, "breaks", "Breaks", answers),
        Route("GET", "/hangs", hangs, "hangs", "Hangs", answers),
    )
    async with _listening(routes, request_deadline_s=0.05) as http:
        for method, path, status, reason in [
            ("GET", "/breaks", 500, "INTERNAL"),
            ("GET", "/hangs", 503, "UNAVAILABLE"),
            ("GET", "/nowhere", 404, "NOT_FOUND"),
            ("POST", "/breaks", 405, "METHOD_NOT_ALLOWED"),
            ("GET", "/breaks?what=1", 422, "UNKNOWN_PARAMETER"),
        ]:
            async with http.request(method, path) as answer:
                body = await answer.json(content_type="application/problem+json")
                assert (answer.status, body["status"], body["reason"]) == (status, status, reason)
                assert ("Allow" in answer.headers) == (status == 405)
                assert ("Retry-After" in answer.headers) == (status == 503)


async def test_an_address_that_is_taken_is_named(serving: Serving) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1:{serving.http.port}"):
        await HttpServer((), port=serving.http.port).start()


async def test_the_listener_is_a_service() -> None:
    await check_service_contract(lambda: HttpServer(()))


class _listening:  # noqa: N801 - used as a function
    """A listener with these routes and a client of it, for the length of a block."""

    def __init__(self, routes: tuple[Route, ...], request_deadline_s: float = 60.0) -> None:
        self._server = HttpServer(routes, request_deadline_s=request_deadline_s)

    async def __aenter__(self) -> aiohttp.ClientSession:
        await self._server.start()
        self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self._server.port}")
        return self._session

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()
        await self._server.stop()


def _fuzz(url: str, ended: str) -> None:
    """Ask for what the document allows and for what it does not, and hold every answer against it."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation: APIOperation[Any, Any, Any, Any] = found.ok()
        lasting = operation.path.endswith(("/events", "/results"))  # for ever, where an enrichment has not ended
        given_erid = {"erid": ended} if lasting else None
        cases = operation.as_strategy(path_parameters=given_erid)
        if "{erid}" in operation.path:
            cases |= operation.as_strategy(path_parameters={"erid": ended})
            cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        _hold(cases)


def _hold(cases: SearchStrategy[Case[Any]]) -> None:
    @settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def check(case: Case[Any]) -> None:
        # A token is text in the document, and of that text hardly any is a token; nor of texts the name of a field.
        free = {"page_token", "follow"} & set(case.query or ()) or case.operation.path.endswith(":quote")
        case.call_and_validate(timeout=10, excluded_checks=[positive_data_acceptance] if free else None)

    check()
