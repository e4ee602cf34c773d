"""One trial: a service that dies, clients that do not give up, a consumer that listens, and the audit at the end."""

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from des.contact import TENANT_DEFAULT, FieldType
from des.events import ENRICHMENT_COMPLETED, ENRICHMENT_SETTLED
from des.failpoints import Failpoint
from des.providers.directory_import import import_people
from des.store.directory import Directory
from des.store.postgres import Database
from tests.faults import audit
from tests.faults.announced import Announced
from tests.faults.doors import doors
from tests.faults.load import Load
from tests.faults.population import EMAIL, PHONE, Batch, Population, directory_csv
from tests.faults.service import KILLED, Service, provider

log = logging.getLogger(__name__)

END_S = 90.0
"""How long everything may take to come to its end once nothing dies any more."""


class Servers(NamedTuple):
    """Addresses of a migrated database and a virtual host."""

    database_url: str
    amqp_url: str


class Trial:
    """What `trial` put together."""

    def __init__(
        self, service: Service, load: Load, announced: Announced, population: Population, servers: Servers
    ) -> None:
        """Take the parts, and the servers as everybody but the service reaches them."""
        self.service = service
        self.load = load
        self.announced = announced
        self.population = population
        self._servers = servers

    @property
    def batches(self) -> Sequence[Batch]:
        """Everything that was sent."""
        return list(self.load.sent.values())

    async def start(self, failpoint: Failpoint | None = None, count: int = 1) -> bool:
        """Start the service where its predecessor has died; see Service.start."""
        await self.expire_leases()
        return await self.service.start(failpoint, count)

    async def dies_at(self, failpoint: Failpoint, count: int) -> None:
        """Start the service and see it die at the `count`-th hit."""
        await self.start(failpoint, count)
        assert await self.service.ended() == KILLED, self.service.log_tail()

    async def dies_after(self, seconds: float) -> None:
        """Kill the running service in so many seconds."""
        assert await self.service.outlives(seconds), self.service.log_tail()
        await self.service.kill()

    async def expire_leases(self) -> None:
        """Let the leases of the dead run out now: their successor would wait LEASE_S for it."""
        async with self.database() as database:
            await database.execute("update worker set expires_at = clock_timestamp()")

    async def finish(self) -> None:
        """Let everything sent come to its end, stop the service, and audit all of it."""
        await self.load.stop()
        await self.load.until_all_finished(END_S)
        await self._until_announced(ENRICHMENT_SETTLED)
        batches = self.batches
        await audit.audit_objects(self.service.grpc, self.service.http, batches)
        await audit.seal(self.service.http, {batch.erid for batch in batches})
        await self._until_announced(ENRICHMENT_COMPLETED)
        await self.service.stop()
        await self.audit()

    async def audit(self) -> None:
        """Compare everything that lies still with what was sent."""
        async with self.database() as database:
            await audit.audit_contacts(database, self.batches)
            await audit.audit_batches(database, self.batches)
            await audit.audit_counts(database)
            await audit.audit_events(database, self.batches, self.announced)
        await audit.audit_broker(self._servers.amqp_url)

    async def tell(self) -> None:
        """Log where its batches are, and what the service said last: shown where a test has failed."""
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            async with self.database() as database:
                accepted = await database.fetchval("select count(*) from batch")
                finished = await database.fetchval("select count(*) from batch where finished_at is not null")
                waiting = await database.fetchval("select count(*) from outbox")
                log.warning("%d batches accepted, %d finished, %d events wait", accepted, finished, waiting)
        log.warning("%d batches sent, %d acknowledged", len(self.load.sent), len(self.load.acknowledged))
        with contextlib.suppress(OSError):
            log.warning(self.service.log_tail())

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection of our own."""
        connection = await asyncpg.connect(self._servers.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def _until_announced(self, type_: str) -> None:
        """Wait until the last settlement, or completion, of each object is announced: with all its contacts."""
        contacts = dict.fromkeys((batch.erid for batch in self.batches), 0)
        for batch in self.batches:
            contacts[batch.erid] += len(batch.numbers)

        def missing() -> set[str]:
            whole = {
                event.erid
                for event in self.announced.events.values()
                if event.type == type_ and event.data["progress"]["contacts_done"] == contacts.get(event.erid)
            }
            return {str(erid) for erid in contacts.keys() - whole}

        await self.announced.until(lambda: not missing(), END_S, lambda: f"{type_} of {missing()}")


@contextlib.asynccontextmanager
async def trial(
    servers: Servers, folder: Path, seed: int, *, service_servers: Servers | None = None
) -> AsyncIterator[Trial]:
    """Put a trial together on empty servers; the service is not started yet.

    `service_servers`: other addresses of the same servers, which the service alone uses.
    """
    await _fill_directory(servers.database_url)
    announced = Announced(servers.amqp_url)
    async with provider(folder) as provider_url:
        service = Service(folder, settings(service_servers or servers, provider_url))
        population = Population(seed)
        load = Load(doors(service.grpc, service.http, servers.amqp_url), population, announced, seed)
        life = Trial(service, load, announced, population, servers)
        try:
            await announced.start()
            yield life
        finally:
            await life.tell()
            await load.abandon()
            await service.kill()
            for door in load.doors:
                await door.close()
            await announced.stop()


def settings(servers: Servers, provider_url: str) -> dict[str, str]:
    """Environment of a service whose answers depend on nothing but the question."""
    bare = {
        "kind": "http",
        "concurrency": 16,
        "request": {
            "url": f"{provider_url}/find",
            "query": {"first": "{first_name!}", "last": "{last_name!}", "company": "{domain!}"},
        },
        "values": {EMAIL: {"path": "data.email", "confidence_path": "data.score", "confidence_scale": 100}},
    }
    fields = {
        EMAIL: {"type": "email", "waterfall": ["directory", "bare"]},
        PHONE: {"type": "phone", "waterfall": ["directory"]},
    }
    return {
        "DES_DATABASE_URL": servers.database_url,
        "DES_AMQP_URL": servers.amqp_url,
        "DES_LOG__FORMAT": "json",
        "DES_PROVIDERS": json.dumps({"bare": bare}),
        "DES_FIELDS": json.dumps(fields),
    }


async def _fill_directory(database_url: str) -> None:
    types = {EMAIL: FieldType.EMAIL, PHONE: FieldType.PHONE}
    database = Database(database_url)
    await database.start()
    try:
        report: Any = await import_people(directory_csv(), TENANT_DEFAULT, types, Directory(database))
    finally:
        await database.stop()
    assert (report.rejected, report.dropped) == (0, 0), report.problems[:3]
