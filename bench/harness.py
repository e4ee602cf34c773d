"""What every benchmark stands on: a Postgres and a RabbitMQ of its own, the service as a process of its own.

    async with harness() as rig:
        async with rig.service() as service:
            …

Servers, service, peers and loaders share the machine's cores; nothing leaves loopback; the folder goes with the block.
"""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg

from bench.database import Observer
from bench.figures import Rate
from bench.population import Population
from bench.processes import Measured, Together, running
from bench.queue import Outgoing, Queue
from des.config import FIELDS_DEFAULT
from des.contact import TENANT_DEFAULT, FieldType
from des.providers.directory_import import import_people
from des.stack import PrivatePostgres, PrivateRabbitMQ
from des.stack.process import private_folder
from des.store.directory import Directory
from des.store.migrate import migrate
from des.store.postgres import Database

ROLES = ("ingest", "worker", "relay", "serving")
CORES = len(os.sched_getaffinity(0))


class Rig:
    """The servers, and ways to look at them and to run things on them."""

    def __init__(
        self, folder: Path, urls: tuple[str, str], database: Observer, queue: Queue, population: Population
    ) -> None:
        """Take what `harness` put together; `urls` are Postgres's and RabbitMQ's."""
        self.folder = folder
        self.database_url, self.amqp_url = urls
        self.database = database
        self.queue = queue
        self.population = population

    def service(
        self, roles: Sequence[str] = ROLES, settings: Mapping[str, Any] | None = None
    ) -> contextlib.AbstractAsyncContextManager[Measured]:
        """Run `des serve`. `settings` are top-level ones, as in a settings file, beside addresses and log level."""
        environment = {
            "DES_DATABASE_URL": self.database_url,
            "DES_AMQP_URL": self.amqp_url,
            "DES_GRPC__PORT": "0",
            "DES_HTTP__PORT": "0",
            "DES_LOG__LEVEL": "warning",
            **{f"DES_{name.upper()}": json.dumps(value) for name, value in (settings or {}).items()},
        }
        arguments = ["serve", "--json", "--roles", ",".join(roles)]
        return running("des.cli", arguments, environment, self.folder)

    def peer(self, module: str, *arguments: str) -> contextlib.AbstractAsyncContextManager[Measured]:
        """Run a module of `bench` as a process that says on its first line what it has to say."""
        return running(f"bench.{module}", arguments, {}, self.folder)

    @contextlib.asynccontextmanager
    async def scaled_out(
        self, service: Measured | None = None, settings: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Together]:
        """Run a process a core, as docs/operations.md has it: one in all roles, the others as workers beside it.

        `service` is the first where it runs already; all have the same `settings`. Yields when the partitions are
        shared evenly.
        """
        async with contextlib.AsyncExitStack() as stack:
            first = service if service is not None else await stack.enter_async_context(self.service(settings=settings))
            others = [await stack.enter_async_context(self.service(("worker",), settings)) for _ in range(1, CORES)]
            processes = [first, *others]
            await self.database.shared_by(len(processes))
            yield Together(processes)

    async def pushed_through(self, service: Measured | Together, messages: Sequence[Outgoing], contacts: int) -> Rate:
        """Publish to a service that is idle; the clock runs from the first publish to the last commit."""
        cpu_s, started = service.cpu_s(), time.monotonic()
        await self.queue.publish(messages)
        samples = await self.database.until_done(contacts)
        await self.database.settle()
        return Rate(contacts / (samples[-1].at_s - started), (service.cpu_s() - cpu_s) / contacts * 1e6)

    async def empty(self) -> None:
        """Forget all work, in the queue and in Postgres."""
        await self.queue.purge()
        await self.database.empty()


@contextlib.asynccontextmanager
async def harness() -> AsyncIterator[Rig]:
    """Start the servers, migrate, fill the directory; stop them and remove everything at the end of the block."""
    folder = private_folder("des-bench-")
    postgres, rabbitmq = PrivatePostgres(folder / "postgres"), PrivateRabbitMQ(folder / "rabbitmq")
    try:
        await asyncio.gather(postgres.start(), rabbitmq.start())
        population = Population()
        await migrate(postgres.url)
        await _fill_directory(postgres.url, population)
        async with await aio_pika.connect(rabbitmq.url) as broker:
            connection = await asyncpg.connect(postgres.url)
            try:
                urls = (postgres.url, rabbitmq.url)
                yield Rig(folder, urls, Observer(connection), await Queue.opened(broker), population)
            finally:
                await connection.close()
    finally:
        await asyncio.gather(postgres.kill(), rabbitmq.kill())
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _fill_directory(url: str, population: Population) -> None:
    fields = {name: FieldType(field["type"]) for name, field in FIELDS_DEFAULT.items()}
    database = Database(url)
    await database.start()
    try:
        report = await import_people(population.as_csv(), TENANT_DEFAULT, fields, Directory(database))
    finally:
        await database.stop()
    if report.rejected:
        raise RuntimeError(f"the directory was not taken: {report.problems[:3]}")
