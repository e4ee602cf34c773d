"""Real servers for the tests: started on first use, one of each a process, gone with it.

`DES_DATABASE_URL` and `DES_AMQP_URL` name servers to use instead. A test gets a migrated database and a virtual host
of its own. A test that leaves an asyncio task behind fails.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from des.stack import PrivatePostgres, PrivateRabbitMQ
from des.stack.process import private_folder
from des.store.migrate import migrate
from des.store.postgres import Database

# Read by gRPC when it is first imported. Its handlers around a fork may crash the child while its threads are at work,
# and servers are forked here while clients stream; the child only ever becomes another program.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

VHOSTS_AT_ONCE = 16
ENDING_S = 2.0
"""What a client library's own tasks may take to notice that their connection was closed."""


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder in which servers may live, short enough and open enough for them."""
    folder = private_folder("des-tests-")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(servers_folder: Path) -> Iterator[PrivatePostgres]:
    """The Postgres of this test process. A test that kills it starts it again before it ends."""
    server = PrivatePostgres(servers_folder / "postgres")
    asyncio.run(server.start())
    yield server
    asyncio.run(server.kill())


@pytest.fixture(scope="session")
def rabbitmq(servers_folder: Path) -> Iterator[PrivateRabbitMQ]:
    """The RabbitMQ of this test process. A test that kills it starts it again before it ends."""
    server = PrivateRabbitMQ(servers_folder / "rabbitmq")
    asyncio.run(server.start())
    yield server
    asyncio.run(server.kill())


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A database from which others can be made."""
    given = os.environ.get("DES_DATABASE_URL")
    return given or str(request.getfixturevalue("postgres").url)


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Iterator[str]:
    """Name of a migrated database that each test's own is copied from."""
    name = f"des_template_{uuid4().hex[:12]}"
    asyncio.run(_execute(postgres_url, f"create database {name}"))
    asyncio.run(migrate(with_path(postgres_url, name)))
    yield name
    asyncio.run(_execute(postgres_url, f"drop database {name} with (force)"))


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A new database with nothing in it."""
    async for url in _new_database(postgres_url, "template1"):
        yield url


@pytest.fixture
async def database_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """A new database with this version's schema."""
    async for url in _new_database(postgres_url, template):
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A started pool on the test's own database."""
    database = Database(database_url)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture(scope="session")
def vhosts() -> list[str]:
    """Names of virtual hosts that no test has used yet."""
    return []


@pytest.fixture
def amqp_url(request: pytest.FixtureRequest, vhosts: list[str]) -> str:
    """A virtual host in which nothing has been declared."""
    given = os.environ.get("DES_AMQP_URL")
    if given:
        return given  # somebody else's broker: tests share its virtual host and run one after another
    server: PrivateRabbitMQ = request.getfixturevalue("rabbitmq")
    if not vhosts:
        vhosts += [f"t{uuid4().hex[:12]}" for _ in range(VHOSTS_AT_ONCE)]
        asyncio.run(server.add_vhosts(vhosts))
    return server.url + vhosts.pop()


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """Fail a test after which an asyncio task still runs: one that ends by itself in a moment is none."""
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDING_S)
    names = sorted(f"{task.get_name()}: {task.get_coro()}" for task in left)
    assert not names, f"tasks left running: {names}"


def with_path(url: str, path: str) -> str:
    """The same server, another database or virtual host."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


async def _new_database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"des_test_{uuid4().hex[:12]}"
    await _execute(server_url, f"create database {name} template {template}")
    yield with_path(server_url, name)
    await _execute(server_url, f"drop database if exists {name} with (force)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
