"""One whole stack for all acceptance tests of a process: `des dev`, as users start it."""

import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from des.stack.process import private_folder
from tests.acceptance.command import Running


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user Postgres runs as may pass through, which pytest's own are not."""
    folder = private_folder("des-tests-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[Running]:
    """A stack with its own servers."""
    folder = private_folder("des-tests-")
    running = Running("dev", "--json", "--data-dir", folder / "data", log=folder / "dev.log")
    yield running
    if running.process.poll() is None:
        assert running.end(signal.SIGTERM) == 0, running.log.read_text()
    running.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def to_stack(stack: Running) -> Mapping[str, str]:
    """Settings under which commands find the stack."""
    host, _, port = stack.ready["grpc"].rpartition(":")
    return {
        "DES_GRPC__HOST": host,
        "DES_GRPC__PORT": port,
        "DES_DATABASE_URL": stack.ready["database"],
        "DES_AMQP_URL": stack.ready["amqp"],
    }
