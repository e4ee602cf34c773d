"""Private servers come up where they were told, keep what they promised over SIGKILL, and end with their parent."""

import asyncio
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest

from des.errors import ConfigError
from des.stack import PrivatePostgres, PrivateRabbitMQ, StackError, programs
from des.stack.process import ServerProcess, private_folder
from des.testing.service import check_service_contract

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from des.stack import PrivatePostgres, PrivateRabbitMQ

async def main():
    server = {"postgres": PrivatePostgres, "rabbitmq": PrivateRabbitMQ}[sys.argv[1]](Path(sys.argv[2]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = private_folder("des-stack-test-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select count(*) from kept"))
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_when_killed(folder: Path) -> None:
    server = PrivatePostgres(folder / "postgres")
    await server.start()
    try:
        url = server.url
        connection = await asyncpg.connect(url)
        await connection.execute("create table kept (id int); insert into kept select generate_series(1, 1000)")
        await server.kill()
        await server.start()
        connection.terminate()
        assert server.url == url
        assert await count(url) == 1000
        await server.restart()
        assert await count(url) == 1000
    finally:
        await server.stop()


async def test_postgres_is_durable_and_closed_to_strangers(postgres: PrivatePostgres) -> None:
    connection = await asyncpg.connect(postgres.url)
    for setting, expected in {"fsync": "on", "synchronous_commit": "on", "listen_addresses": "127.0.0.1"}.items():
        assert await connection.fetchval("select current_setting($1)", setting) == expected
    await connection.close()
    wrong = urlsplit(postgres.url)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=wrong.port, user="postgres", password="guess", database="des")


async def test_rabbitmq_keeps_what_was_confirmed_when_killed(folder: Path) -> None:
    server = PrivateRabbitMQ(folder / "rabbitmq")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # since it was found free
        server._port = taken.getsockname()[1]
        await server.start()
        assert urlsplit(server.url).port != taken.getsockname()[1]
    try:
        await publish(server.url, "first")
        await server.restart()  # a queue that is seconds old may not survive SIGKILL; this one is on disk
        url = server.url
        await publish(url, "second")
        await server.kill()
        await server.start()
        assert server.url == url
        assert await drain(url, 2) == ["first", "second"]
    finally:
        await server.stop()


async def test_vhosts_and_users_are_usable(rabbitmq: PrivateRabbitMQ) -> None:
    await rabbitmq.add_vhosts(["one", "two"])
    await rabbitmq.add_user("acme", "s3cret/word", vhost="two")
    address = rabbitmq.url.rpartition("@")[2]
    await publish(f"amqp://acme:s3cret%2Fword@{address}two", "hello")
    assert await drain(f"{rabbitmq.url}two", 1) == ["hello"]


async def publish(url: str, text: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(text.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")


async def drain(url: str, messages: int) -> list[str]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.get_queue("kept")
        taken = []
        for _ in range(messages):
            message = await queue.get(timeout=20)
            await message.ack()
            taken.append(message.body.decode())
        return taken


@pytest.mark.parametrize("kind", ["postgres", "rabbitmq"])
def test_a_tied_server_ends_when_its_parent_is_killed(folder: Path, kind: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, kind, str(folder / kind)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        server_pid = int(parent.stdout.readline())
    ended = os.pidfd_open(server_pid)
    parent.kill()
    parent.wait()
    assert readable(ended, timeout_s=30)  # as soon as the process has ended
    os.close(ended)


def readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


async def test_a_server_that_is_not_installed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "postgres_folder", lambda: programs._on_path("no-such-postgres", "postgresql"))
    with pytest.raises(ConfigError, match="apt-get install postgresql"):
        await PrivatePostgres(folder / "postgres").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user runs Postgres as itself and reaches its own folders")
async def test_a_folder_out_of_reach_is_named(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=f"chmod o\\+x {closed}"):
        await PrivatePostgres(closed / "postgres").start()


async def test_a_server_that_does_not_come_up_shows_its_log(folder: Path) -> None:
    server = PrivatePostgres(folder / "postgres")
    await server.start()
    await server.stop()
    with (server.folder / "cluster" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(StackError, match="no_such_setting"):
        await server.start()


async def test_a_port_taken_in_the_meantime_is_given_up(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = PrivatePostgres(folder / "postgres")
        server._port = taken.getsockname()[1]
        await server.start()
        assert urlsplit(server.url).port != taken.getsockname()[1]
    await server.stop()


async def test_postgres_keeps_the_service_contract(folder: Path) -> None:
    server = PrivatePostgres(folder / "postgres")
    await check_service_contract(lambda: server)


DEAF_AT_FIRST = """
import signal
signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.SIG_DFL))
while True:
    signal.pause()
"""


async def test_a_server_that_does_not_hear_the_first_signal_hears_another(folder: Path) -> None:
    """Nor those before it is up: it ignores what its parent does, as a shell's background job does SIGINT."""
    process = ServerProcess("deaf at first", folder / "log", death_signal=None)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.spawn([sys.executable, "-c", DEAF_AT_FIRST], {"PATH": os.defpath}, folder)
    finally:
        signal.signal(signal.SIGINT, before)
    child = process._process
    await process.stop(signal.SIGINT, 60)
    assert child is not None
    assert child.returncode == -signal.SIGINT


async def test_pid_is_of_a_running_server_only(folder: Path) -> None:
    server = PrivateRabbitMQ(folder / "rabbitmq")
    with pytest.raises(StackError, match="not running"):
        _ = server.pid
    await asyncio.gather(server.stop(), server.kill())


def test_signals_of_a_terminal_do_not_reach_a_server(postgres: PrivatePostgres) -> None:
    assert os.getsid(postgres.pid) != os.getsid(0)
