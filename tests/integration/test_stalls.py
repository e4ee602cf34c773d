"""Why contacts wait, from the vendor's refusal to what a reader of the object sees; on a real database and vendors."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from des.actors.engine import Engine
from des.actors.stalls import StallTeller
from des.cli.received import enrichment_of
from des.clock import SystemClock
from des.config_providers import HttpProviderConfig
from des.contact import FieldState, FieldType
from des.providers.dispatcher import Dispatcher
from des.providers.http import HttpProvider
from des.providers.values import Values
from des.providers.waterfall import Waterfall
from des.sandbox.faults import Fault, FaultPlan
from des.serving.document import enrichment_document
from des.serving.message import enrichment_message
from des.stall import StallReason, StallRow
from des.store.contract import Commit
from des.store.leases import Leases
from des.store.postgres import Database
from des.store.reading import Enrichment
from des.store.serving import EnrichmentStore
from des.store.stalls import PostgresStalls
from des.store.work import PostgresWorkStore
from des.testing.sandbox import SandboxThread, sandbox_thread
from des.wire import decode_contacts
from des.wire.document import decode_json

EMAIL, PHONE = "professional_email", "phone_number"
FIELDS = frozenset({EMAIL, PHONE})
AGAIN_S = 3.0


@pytest.fixture
def vendors() -> Iterator[tuple[SandboxThread, SandboxThread]]:
    """One that gives addresses and one that gives phone numbers."""
    with sandbox_thread(seed=1) as addresses, sandbox_thread(seed=1) as phones:
        yield addresses, phones


def asks(name: str, field: str, path: str, url: str) -> Dispatcher:
    config = HttpProviderConfig.model_validate({
        "kind": "http",
        "concurrency": 4,
        "request": {
            "url": f"{url}/lookup",
            "query": {"first_name": "{first_name}", "last_name": "{last_name}", "company": "{domain}"},
        },
        "values": {field: {"path": path}},
    })  # fmt: skip
    clock = SystemClock()
    types = {EMAIL: FieldType.EMAIL, PHONE: FieldType.PHONE}
    return Dispatcher(HttpProvider(name, config, types, Values(), clock), clock)


class Desk:
    """A worker with both vendors, and a reader of the object."""

    def __init__(self, database: Database, vendors: tuple[SandboxThread, SandboxThread]) -> None:
        self.addresses, self.phones = vendors
        self.owner = uuid4()
        self.reader = EnrichmentStore(database, decode_contacts)
        self.leases = Leases(database, self.owner)
        self.store = PostgresWorkStore(database, self.owner)
        dispatchers = [
            asks("addresses", EMAIL, "data.email", self.addresses.sandbox.url),
            asks("phones", PHONE, "data.phone", self.phones.sandbox.url),
        ]
        clock = SystemClock()
        waterfall = Waterfall(
            {EMAIL: ("addresses",), PHONE: ("phones",)},
            {"addresses": frozenset({EMAIL}), "phones": frozenset({PHONE})},
        )
        self.engine = Engine(self.store, clock, waterfall, dispatchers, on_committed=self._on_committed)
        self.teller = StallTeller(PostgresStalls(database, self.owner), clock, dispatchers, self.engine.scheduler.park)
        self.committed = 0
        self._changed = asyncio.Event()

    def _on_committed(self, _: Commit, contacts: int) -> None:
        self.committed += contacts
        self._changed.set()

    async def start(self) -> None:
        share = await self.leases.acquire_fair_share("")
        await self.engine.start()
        self.engine.router.gained(share.held)

    async def push(self, fields: Sequence[str], contacts: int) -> UUID:
        erid = uuid4()
        people = self.addresses.sandbox.population.people[:contacts]
        body = {
            "erid": str(erid),
            "contact_list": [
                {"first_name": one.first_name, "last_name": one.last_name, "company_domain": one.company.domain}
                for one in people
            ],
            "fields_to_be_enriched": fields,
        }
        batch = decode_json(msgspec.json.encode(body), "default", FIELDS)
        self.engine.router.accepted((await self.store.accept([batch], [], range(64))).new)
        return erid

    async def commits(self, contacts: int) -> None:
        async with asyncio.timeout(20):
            while self.committed < contacts:
                self._changed.clear()
                await self._changed.wait()

    async def stalled(self, erid: UUID, *, is_to_be: bool, contacts: int = 1) -> Enrichment:
        """Look as the task does once a second, until the object says that so many of it wait, or that none does."""
        async with asyncio.timeout(20):
            while True:
                await self.teller.look()
                enrichment = await self.reader.enrichment("default", erid)
                waiting = sum(stall.contacts for stall in enrichment.stalls)
                if waiting >= contacts if is_to_be else not enrichment.stalls:
                    return enrichment


@pytest.fixture
async def desk(database: Database, vendors: tuple[SandboxThread, SandboxThread]) -> AsyncIterator[Desk]:
    desk = Desk(database, vendors)
    await desk.start()
    yield desk
    await desk.teller.stop()
    await desk.engine.stop()


async def test_a_refused_rate_parks_its_contacts_alone_and_reads_as_no_miss(desk: Desk) -> None:
    desk.addresses.sandbox.desk.plan(FaultPlan(rates={Fault.RATE_LIMIT: 1.0}, retry_after_s=AGAIN_S))
    parked = await desk.push([EMAIL], 5)
    seen = await desk.stalled(parked, is_to_be=True, contacts=5)
    (stall,) = seen.stalls
    assert (stall.provider, stall.stalled_reason, stall.contacts) == ("addresses", StallReason.RATE_LIMITED, 5)
    assert stall.until is not None
    assert timedelta(0) < stall.until - datetime.now(UTC) <= timedelta(seconds=AGAIN_S)
    assert seen.progress.contacts_done == 0

    free = await desk.push([PHONE], 5)
    await desk.commits(5)
    assert not (await desk.reader.enrichment("default", free)).stalls

    desk.addresses.sandbox.desk.plan(FaultPlan())
    await desk.commits(10)
    done = await desk.stalled(parked, is_to_be=False)
    assert done.progress.fields[FieldState.FOUND] + done.progress.fields[FieldState.NOT_FOUND] <= 5
    assert done.progress.fields[FieldState.FOUND] > 0
    assert done.progress.fields[FieldState.FAILED] == 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.QUOTA, StallReason.QUOTA_EXHAUSTED), (Fault.SERVER_ERROR, StallReason.BREAKER_OPEN)],
)
async def test_the_reason_is_the_vendors(desk: Desk, fault: Fault, reason: StallReason) -> None:
    desk.addresses.sandbox.desk.plan(FaultPlan(rates={fault: 1.0}))
    seen = await desk.stalled(await desk.push([EMAIL], 30), is_to_be=True)
    assert {stall.stalled_reason for stall in seen.stalls} == {reason}
    assert seen.progress.fields[FieldState.NOT_FOUND] == 0


async def test_a_stall_looks_alike_by_every_surface_and_changes_what_a_watcher_sees(desk: Desk) -> None:
    desk.addresses.sandbox.desk.plan(FaultPlan(rates={Fault.QUOTA: 1.0}))
    erid = await desk.push([EMAIL], 3)
    before = await desk.reader.enrichment("default", erid)
    seen = await desk.stalled(erid, is_to_be=True, contacts=3)
    assert seen.fingerprint != before.fingerprint
    message = enrichment_message(seen)
    assert enrichment_of(message).stalls == seen.stalls
    document = msgspec.json.decode(msgspec.json.encode(enrichment_document(seen)))
    (stall,) = document["stalls"]
    assert (stall["provider"], stall["stalled_reason"], stall["contacts"]) == ("addresses", "QUOTA_EXHAUSTED", 3)
    watched = await desk.reader.watched([("default", erid)])
    assert watched["default", erid].stalls == seen.stalls
    (listed,) = await desk.reader.enrichments("default", None, 10)
    assert listed.stalls == seen.stalls


async def test_what_a_dead_worker_told_is_seen_no_more(database: Database) -> None:
    reader = EnrichmentStore(database, decode_contacts)
    erid, owner = uuid4(), uuid4()
    await reader.create("default", erid)
    leases, stalls = Leases(database, owner), PostgresStalls(database, owner)
    row = StallRow("default", erid, "hunter", StallReason.UNAUTHORIZED, None, 7)
    await stalls.tell([row], [])
    assert not (await reader.enrichment("default", erid)).stalls, "a worker without leases has nothing to say"
    await leases.acquire_fair_share("")
    await stalls.tell([row], [])
    assert [stall.contacts for stall in (await reader.enrichment("default", erid)).stalls] == [7]
    await stalls.tell([msgspec.structs.replace(row, contacts=9)], [])
    assert [stall.contacts for stall in (await reader.enrichment("default", erid)).stalls] == [9]
    await leases.leave()
    assert not (await reader.enrichment("default", erid)).stalls


async def test_nothing_is_written_while_nothing_has_changed(desk: Desk, database: Database) -> None:
    desk.addresses.sandbox.desk.plan(FaultPlan(rates={Fault.QUOTA: 1.0}))
    erid = await desk.push([EMAIL], 3)
    await desk.stalled(erid, is_to_be=True, contacts=3)

    async def version() -> object:
        async with database.connection() as connection:
            return await connection.fetchval("select xmin::text from stall where erid = $1", erid)

    before = await version()
    for _ in range(3):
        await desk.teller.look()
    assert await version() == before
