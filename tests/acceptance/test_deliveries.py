"""A vendor delivers by itself: to a door that is another process than the worker, and nothing is ever looked for."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import msgspec
import pytest

from des.clock import SystemClock
from des.stack.process import free_port
from tests.acceptance.command import Running, des, document

KEY = "secret"
EMAIL = "professional_email"
NEVER_S = 3_600
WITHIN_S = 30.0
LOOK_S = 0.05


class Service:
    """A door, a worker with the reading side, and the sandbox, each a process of its own."""

    def __init__(self, database_url: str, amqp_url: str, door: str, reading: str, sandbox: str) -> None:
        self.database_url = database_url
        self.settings = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": amqp_url}
        self.door, self.reading, self.sandbox = door, reading, sandbox
        self.http = aiohttp.ClientSession()
        self.clock = SystemClock()

    async def push(self, *people: Mapping[str, str]) -> str:
        """Ask for people's addresses; the ERID."""
        erid = str(uuid4())
        batch = {"erid": erid, "contact_list": people, "fields_to_be_enriched": [EMAIL]}
        async with self.http.post(f"{self.door}/v1/enrichments", json=batch) as answer:
            assert answer.status == 202, await answer.text()
        return erid

    async def ended(self, erid: str) -> list[dict[str, Any]]:
        """What every contact of the ERID has, when none waits any more."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                async with self.http.get(f"{self.reading}/v1/enrichments/{erid}") as answer:
                    found = await answer.json()
                results = [one["enriched"][EMAIL] for one in found.get("contact_list", ())]
                if results and all(one["state"] != "pending" for one in results):
                    return results
                await self.clock.sleep(LOOK_S)

    async def fetched(self, query: str) -> Any:
        """First value of a query, as soon as there is one."""
        connection = await asyncpg.connect(self.database_url)
        try:
            async with asyncio.timeout(WITHIN_S):
                while (value := await connection.fetchval(query)) is None:
                    await self.clock.sleep(LOOK_S)
                return value
        finally:
            await connection.close()

    async def deliver(self, body: Any, key: str | None = KEY) -> tuple[int, str]:
        """Deliver as the vendor does; the status, and the reason where it was refused."""
        data = msgspec.json.encode(body)
        headers = {} if key is None else {"x-signature-sha1": hmac.new(key.encode(), data, "sha1").hexdigest()}
        async with self.http.post(f"{self.door}/v1/webhooks/vendor", data=data, headers=headers) as answer:
            return answer.status, "" if answer.status == 204 else (await answer.json())["reason"]


@pytest.fixture
async def service(database_url: str, amqp_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """All of it, running; the worker would look for an answer after an hour."""
    async with AsyncExitStack() as running:

        def run(name: str, *arguments: str, **settings: str) -> dict[str, Any]:
            one = Running(*arguments, "--json", settings=settings, log=tmp_path / f"{name}.log")
            running.enter_context(closing(one))
            return one.ready

        sandbox = run("sandbox", "sandbox", "--people", "100")["url"]
        door = free_port()
        vendor = {"kind": "fullenrich", "url": sandbox, "api_key": KEY, "poll_after_s": NEVER_S, "linger_s": 0}
        settings = {
            "DES_DATABASE_URL": database_url,
            "DES_AMQP_URL": amqp_url,
            "DES_PROVIDERS": json.dumps({"vendor": vendor}),
            "DES_FIELDS": json.dumps({EMAIL: {"type": "email", "waterfall": ["vendor"]}}),
            "DES_HTTP__PUBLIC_URL": f"http://127.0.0.1:{door}",
            "DES_GRPC__PORT": "0",
        }
        reading = run("worker", "serve", "--roles", "worker,relay,serving", **settings, DES_HTTP__PORT="0")["http"]
        run("door", "serve", "--roles", "ingest", **settings, DES_HTTP__PORT=str(door))
        service = Service(database_url, amqp_url, f"http://127.0.0.1:{door}", reading, sandbox)
        running.push_async_callback(service.http.close)
        yield service


JOHN = {"first_name": "John", "last_name": "Doe", "company_domain": "sayprimer.com"}
JANE = {"first_name": "Jane", "last_name": "Doe", "company_domain": "sayprimer.com"}
NEMO = {"first_name": "Nemo", "last_name": "Outis", "company_domain": "sayprimer.com"}


async def test_what_the_vendor_delivers_reaches_the_worker_that_waits_for_it(service: Service) -> None:
    john, nemo = await service.ended(await service.push(JOHN, NEMO))
    assert (john["state"], john["value"], john["cost"]) == ("found", "john.doe@sayprimer.com", 1.0)
    assert nemo["state"] == "not_found"
    audit = await asyncio.to_thread(des, "audit", "--billed", "vendor=1", "--json", settings=service.settings)
    books = document(audit)
    assert books["agree"] is True
    (balance,) = books["balances"]
    assert (balance["charged"], balance["settled"], balance["receipts"], balance["open"]) == (1.0, 1.0, 1.0, 0)


async def test_only_what_is_signed_is_taken_and_once(service: Service) -> None:
    account = {"ready_after_s": NEVER_S}  # the sandbox will not deliver: this test does
    async with service.http.put(f"{service.sandbox}/sandbox/accounts/fullenrich", json=account) as answer:
        assert answer.status == 200
    erid = await service.push(JANE)
    enrichment, _, mark = (await service.fetched("select handle from call where state = 'pending'")).partition(":")
    info = {"most_probable_work_email": {"email": "jane@sayprimer.com", "status": "DELIVERABLE"}}
    person = {"custom": {"des": mark}, "contact_info": info}
    body = {"id": enrichment, "status": "FINISHED", "cost": {"credits": 1}, "data": [person]}

    assert await service.deliver(body, key=None) == (401, "SIGNATURE_MISSING")
    assert await service.deliver(body, key="another") == (401, "SIGNATURE_WRONG")
    stranger = {**body, "id": "unheard-of"}
    assert await service.deliver(stranger) == (204, ""), "its submission may not have been kept yet"
    assert await service.fetched("select count(*) from call where state = 'pending'") == 1

    assert await service.deliver(body) == (204, "")
    (jane,) = await service.ended(erid)
    assert (jane["state"], jane["value"], jane["cost"]) == ("found", "jane@sayprimer.com", 1.0)
    assert await service.deliver(body) == (204, ""), "the vendor only wants to know that it was taken"
    assert await service.fetched("select sum(charged)::bigint from call") == 1_000_000
    audit = await asyncio.to_thread(des, "audit", "--billed", "vendor=2", "--json", settings=service.settings)
    assert audit.returncode == 1, "a bill that is not what was charged"
    assert [one["what"] for one in json.loads(audit.stdout)["differences"]] == ["bill of vendor"]
