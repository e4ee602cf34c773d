"""Deliveries on the HTTP door: FullEnrich's, from the sandbox and from whoever else tries."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from des.clock import SystemClock
from des.config_providers import FullEnrichConfig
from des.contact import Contact
from des.errors import StoreUnavailable
from des.ingest.webhooks import WebhookRoutes
from des.providers.contract import Outcome, OutcomeKind, Question
from des.providers.dialects.fullenrich import SIGNATURE_HEADER, FullEnrich
from des.providers.values import Values
from des.serving.server import HttpServer
from des.testing.sandbox import SandboxThread, sandbox_thread

JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")
NEMO = Contact(first_name="Nemo", last_name="Outis", company_domain="sayprimer.com")
BODY_BYTES_MAX = 4_096


class Keeper:
    """Keeps what is delivered, after it has failed to the first times."""

    def __init__(self) -> None:
        self.failures = 0
        self.kept: asyncio.Queue[tuple[str, str, Outcome]] = asyncio.Queue()

    async def keep(self, provider: str, handle: str, outcome: Outcome) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable
        self.kept.put_nowait((provider, handle, outcome))


class Door(msgspec.Struct, frozen=True):
    """The listener, who keeps what comes through it, a client, and the provider's settings."""

    keeper: Keeper
    http: aiohttp.ClientSession
    url: str
    provider: FullEnrich

    async def post(self, body: bytes, signature: str | None, name: str = "fullenrich") -> tuple[int, Any]:
        headers = {} if signature is None else {SIGNATURE_HEADER: signature}
        async with self.http.post(f"/v1/webhooks/{name}", data=body, headers=headers) as response:
            return response.status, (await response.json(content_type=None)) if response.status >= 400 else None


@asynccontextmanager
async def door_on(url: str) -> AsyncIterator[Door]:
    keeper = Keeper()
    receivers: dict[str, FullEnrich] = {}
    server = HttpServer(WebhookRoutes(receivers, keeper.keep, body_bytes_max=BODY_BYTES_MAX).routes())
    await server.start()
    door = f"http://127.0.0.1:{server.port}"
    settings = {"kind": "fullenrich", "api_key": "k", "url": url, "webhook_url": f"{door}/v1/webhooks/fullenrich"}
    provider = FullEnrich("fullenrich", FullEnrichConfig.model_validate(settings), Values(), SystemClock())
    receivers["fullenrich"] = provider
    await provider.start()
    async with aiohttp.ClientSession(door) as http:
        yield Door(keeper, http, door, provider)
    await provider.stop()
    await server.stop()


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with sandbox_thread() as running:
        running.sandbox.desk.books["fullenrich"].ready_after_s = 0.05
        running.sandbox.desk.webhooks.retry_s = 0.01
        yield running


@pytest.fixture
async def door(sandbox: SandboxThread) -> AsyncIterator[Door]:
    async with door_on(sandbox.sandbox.url) as door:
        yield door


def signed(document: Any, key: str = "k") -> tuple[bytes, str]:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return body, hmac.new(key.encode(), body, "sha1").hexdigest()


async def test_what_is_asked_is_delivered_whatever_fails_at_first(door: Door) -> None:
    door.keeper.failures = 2
    pending = await door.provider.ask(
        [Question("default", contact, ("professional_email",)) for contact in (JOHN, NEMO)]
    )
    kept = [await door.keeper.kept.get() for _ in pending]
    assert [(name, handle) for name, handle, _ in kept] == [("fullenrich", outcome.handle) for outcome in pending]
    assert [outcome.kind for _, _, outcome in kept] == [OutcomeKind.FOUND, OutcomeKind.MISS]


async def test_a_delivery_is_kept_once(door: Door) -> None:
    mark = {"des": "0:e:US:1.000"}
    delivery = signed({"id": "e1", "status": "FINISHED", "data": [{"custom": mark}]})
    assert [(await door.post(*delivery))[0] for _ in range(2)] == [204, 204]
    assert door.keeper.kept.qsize() == 1
    assert door.keeper.kept.get_nowait()[:2] == ("fullenrich", "e1:0:e:US:1.000")


@pytest.mark.parametrize(
    ("delivery", "name", "status", "reason"),
    [
        ((b"{}", None), "fullenrich", 401, "SIGNATURE_MISSING"),
        (signed(b"{}", key="another"), "fullenrich", 401, "SIGNATURE_WRONG"),
        (signed(b"{"), "fullenrich", 400, "BODY_UNREADABLE"),
        (signed(b"{}"), "nobody", 404, "NOT_FOUND"),
        ((b" " * (BODY_BYTES_MAX + 1), "x"), "fullenrich", 413, "TOO_LARGE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_else_comes_is_refused_by_name(
    door: Door, delivery: tuple[bytes, str | None], name: str, status: int, reason: str
) -> None:
    got, problem = await door.post(*delivery, name)
    assert (got, problem["reason"]) == (status, reason)
    assert door.keeper.kept.empty()


async def test_a_delivery_that_does_not_unpack_is_told_by_name_before_anybody_looks_at_it(door: Door) -> None:
    headers = {"Content-Encoding": "gzip", SIGNATURE_HEADER: "0"}
    async with door.http.post("/v1/webhooks/fullenrich", data=b"no gzip", headers=headers) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "MALFORMED_ENCODING")


async def test_a_delivery_that_no_call_can_wait_for_is_taken_and_left(door: Door) -> None:
    mark = {"des": "0:e:US:1.000"}
    delivery = signed({"id": "e\0" + "x" * 600, "status": "FINISHED", "data": [{"custom": mark}]})
    assert (await door.post(*delivery))[0] == 204
    assert door.keeper.kept.empty()
