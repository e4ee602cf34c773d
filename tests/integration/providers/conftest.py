"""What the tests of this folder share that need a sandbox nobody calls: an office has one."""

from collections.abc import Iterator

import pytest

from des.sandbox.server import Sandbox
from des.testing.sandbox import sandbox_thread
from tests.faults.money_office import PEOPLE, SEED


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """An office has one; nobody calls it here."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox
