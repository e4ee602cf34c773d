"""A trial of the money: the service dies, the vendor does not, and at every death and at the end the books are read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import msgspec

from des.clock import SystemClock
from des.events import ENRICHMENT_SETTLED
from des.ledger import millionths
from des.sandbox.faults import Fault, FaultPlan, Latency, LatencyKind
from des.store.audit import audit
from des.store.postgres import Database
from tests.faults import money_books
from tests.faults.announced import Announced
from tests.faults.doors import doors
from tests.faults.load import Load
from tests.faults.money_books import ALWAYS, AT_REST, Books, Check, read_books
from tests.faults.money_buyers import PEOPLE, SEED, Buyers
from tests.faults.population import EMAIL
from tests.faults.service import START_S, Service, spawn
from tests.faults.trial import END_S, Servers, Trial

_LATE = """select exists (select from call where state = 'pending') or exists (
        select from awaiting a join call c on c.id = a.call_id where c.state in ('settled', 'released')
    )
    or exists (select from contact where reopened)"""
LOOK_S = 0.1
PRICE = 1.0
DEADLINE_S = 3.0
REPLAY_AFTER_S = 1.0
"""Far below what is safe with a real vendor: this one has billed, or never will, when its caller has died."""

FAULTS = FaultPlan(
    latency=Latency(LatencyKind.EXPONENTIAL, mean_s=0.005, max_s=0.2),
    rates={
        Fault.RATE_LIMIT: 0.002,
        Fault.SERVER_ERROR: 0.02,
        Fault.UNAVAILABLE: 0.02,
        Fault.RESET_BEFORE: 0.02,
        Fault.HANG: 0.005,
        Fault.RESET_AFTER: 0.02,
        Fault.HANG_AFTER: 0.005,
        Fault.CUT_BODY: 0.02,
        Fault.TRUNCATED_JSON: 0.02,
        Fault.NOT_HTTP: 0.02,
        Fault.SLOW_BODY: 0.01,
        Fault.WRONG_ORDER: 0.02,
        Fault.DUPLICATES: 0.02,
        Fault.MISSING: 0.02,
    },
    slow_body_s=0.5,
    retry_after_s=1.0,
)
"""Everything but a spent quota, which parks the provider for a minute by design."""

VENDORS: Mapping[str, Mapping[str, Any]] = {
    "hunter": {"kind": "hunter", "concurrency": 16, "max_duration_s": 3},  # asks again at no charge
    "pdl": {"kind": "pdl", "concurrency": 8, "batch_max": 5},  # charges every time, several people in a call
    "fullenrich": {  # answers later, and longer after it was asked than some contacts wait
        "kind": "fullenrich",
        "batch_max": 5,
        "poll_after_s": 0.2,
        "wait_s": 0.5,
        "replay_after_s": REPLAY_AFTER_S,
    },
}


class Vendor:
    """The sandbox, in a process of its own, by its control routes."""

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession) -> None:
        """Take which of its vendors is meant, and where it is."""
        self.name = name
        self.url = url
        self._session = session

    async def lift_windows(self) -> None:
        """Permit any rate."""
        await self._put(f"accounts/{self.name}", {"windows": []})

    async def fail(self, plan: FaultPlan) -> None:
        """Have requests fail by a plan from now on; `FaultPlan()` ends it."""
        await self._put("faults", plan)

    async def report(self) -> Mapping[str, Any]:
        """Read its account book, with every person."""
        async with self._session.get(f"{self.url}/sandbox/bill") as answer:
            bill: dict[str, Any] = await answer.json()
        return dict(bill[self.name])

    async def _put(self, path: str, body: object) -> None:
        async with self._session.put(f"{self.url}/sandbox/{path}", data=msgspec.json.encode(body)) as answer:
            assert answer.status == 200, await answer.text()


class Unanswered(NamedTuple):
    """A call without an answer, why, and whether its contact has failed for want of it and so waits no more."""

    call_id: UUID
    reason: str
    nobody_waits: bool


class MoneyTrial(Trial):
    """A trial whose audit is that of the books."""

    def __init__(
        self,
        service: Service,
        load: Load,
        announced: Announced,
        buyers: Buyers,
        servers: Servers,
        *,
        vendor: Vendor,
        cap: float | None = None,
    ) -> None:
        """Take the parts of a trial, the vendor, and the most the tenant may spend there."""
        super().__init__(service, load, announced, buyers, servers)
        self.vendor = vendor
        self._buyers = buyers
        self._cap = cap

    async def books(self) -> Books:
        """Read what the vendor, the ledger and the receipts say."""
        async with self.database() as database:
            report = await self.vendor.report()
            return await read_books(database, report, self._buyers.keys, PRICE, self._cap)

    async def check(self, checks: Sequence[Check] = ALWAYS) -> Books:
        """Read the books and fail where one of the checks does."""
        books = await self.books()
        wrong = money_books.violations(books, checks)
        assert not wrong, {name: (len(found), found[:5]) for name, found in wrong.items()}
        return books

    async def finish(self) -> None:
        """Let nothing fail any more, everything sent come to its end, and read the books at rest."""
        await self.vendor.fail(FaultPlan())
        await self.load.stop()
        await self.load.until_all_finished(END_S)
        await self._until_announced(ENRICHMENT_SETTLED)
        await self._until_nothing_is_late()
        await self.service.stop()
        await self.check(AT_REST)
        await self._audit()

    async def _until_nothing_is_late(self) -> None:
        """Wait for answers that came, or will come, after their contacts had ended."""
        clock = SystemClock()
        async with self.database() as database, asyncio.timeout(END_S):
            while await database.fetchval(_LATE):
                await clock.sleep(LOOK_S)

    async def unknown(self) -> list[Unanswered]:
        """Calls without an answer."""
        async with self.database() as database:
            rows = await database.fetch(
                "select c.id, c.reason, exists (select from awaiting a where a.call_id = c.id) as nobody_waits"
                " from call c where c.state = 'unknown'"
            )
        return [Unanswered(*row) for row in rows]

    async def _audit(self) -> None:
        """`des audit` finds nothing wrong either, the vendor's bill included."""
        database = Database(self._servers.database_url)
        await database.start()
        try:
            billed = millionths((await self.vendor.report())["charged"])
            books = await audit(database, billed={self.vendor.name: billed})
        finally:
            await database.stop()
        assert books.agree, books.differences[:5]
        assert not books.without_receipt, books.without_receipt[:5]


@contextlib.asynccontextmanager
async def money_trial(
    servers: Servers, folder: Path, seed: int, vendor: str, cap: float | None = None
) -> AsyncIterator[MoneyTrial]:
    """Put a trial together on empty servers; the service is not started yet."""
    announced = Announced(servers.amqp_url)
    async with sandbox(folder, vendor) as at:
        await at.lift_windows()
        service = Service(folder, settings(servers, at, cap))
        buyers = Buyers(seed)
        load = Load(doors(service.grpc, service.http, servers.amqp_url), buyers, announced, seed)
        try:
            await announced.start()
            yield MoneyTrial(service, load, announced, buyers, servers, vendor=at, cap=cap)
        finally:
            await load.abandon()
            await service.kill()
            for door in load.doors:
                await door.close()
            await announced.stop()


@contextlib.asynccontextmanager
async def sandbox(folder: Path, vendor: str) -> AsyncIterator[Vendor]:
    """Run the sandbox, which outlives the service."""
    arguments = ["--people", str(PEOPLE), "--seed", str(SEED)]
    process = await spawn("des.sandbox", arguments, {}, folder, folder / "sandbox.log")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            ready = msgspec.json.decode(await process.stdout.readline(), type=dict[str, str])
        async with aiohttp.ClientSession() as session:
            yield Vendor(vendor, ready["url"], session)
    finally:
        process.kill()
        await process.wait()


def settings(servers: Servers, vendor: Vendor, cap: float | None) -> dict[str, str]:
    """Environment of a service with one provider: the vendor."""
    provider = {
        **VENDORS[vendor.name],
        "url": vendor.url,
        "api_key": "sandbox",
        "deadline_s": DEADLINE_S,
        "rate": [],
        "price": PRICE,
        "credit_price": 0.05,
        "cap_credits": cap,
    }
    return {
        "DES_DATABASE_URL": servers.database_url,
        "DES_AMQP_URL": servers.amqp_url,
        "DES_LOG__FORMAT": "json",
        "DES_PROVIDERS": json.dumps({vendor.name: provider}),
        "DES_FIELDS": json.dumps({EMAIL: {"type": "email", "waterfall": [vendor.name]}}),
        "DES_WORKER__REPLAY_AFTER_S": str(REPLAY_AFTER_S),
    }
