"""A trial on servers of the test process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.trial import Servers, Trial, trial

SEED = 20_261_124


@pytest.fixture
async def life(database_url: str, amqp_url: str, tmp_path: Path) -> AsyncIterator[Trial]:
    """A trial that has a database and a virtual host for itself; its service is not started."""
    async with trial(Servers(database_url, amqp_url), tmp_path, SEED) as life:
        yield life
