"""RabbitMQ and Postgres killed and restarted under load, alone, together, and with DES."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des.stack import PrivatePostgres, PrivateRabbitMQ
from tests.faults.trial import Trial

pytestmark = pytest.mark.slow

QUEUES_SETTLE_S = 2.0
"""A quorum queue made within the last second may come back without a leader (seen with 3.10)."""


@pytest.fixture
async def busy(
    life: Trial, database_url: str, amqp_url: str, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ
) -> AsyncIterator[Trial]:
    """A service under load on servers that may be killed; they are started again at the end."""
    if postgres.url.rpartition("/")[0] not in database_url or rabbitmq.url not in amqp_url:
        pytest.skip("the servers are somebody else's")
    await life.load.start()
    assert await life.start()
    assert await life.service.outlives(QUEUES_SETTLE_S)
    yield life
    await asyncio.gather(postgres.start(), rabbitmq.start())


async def test_rabbitmq_is_killed(busy: Trial, rabbitmq: PrivateRabbitMQ) -> None:
    await rabbitmq.kill()
    await rabbitmq.start()
    await busy.load.until_finished(50)
    await busy.finish()


async def test_rabbitmq_is_restarted(busy: Trial, rabbitmq: PrivateRabbitMQ) -> None:
    await rabbitmq.restart()
    await busy.load.until_finished(50)
    await busy.finish()


async def test_postgres_is_killed(busy: Trial, postgres: PrivatePostgres) -> None:
    for _ in range(3):
        await postgres.kill()
        await postgres.start()
        await busy.load.until_finished(50)
    await busy.finish()


async def test_postgres_is_restarted(busy: Trial, postgres: PrivatePostgres) -> None:
    for _ in range(3):
        await postgres.restart()
        await busy.load.until_finished(50)
    await busy.finish()


async def test_everything_is_killed_at_once(busy: Trial, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ) -> None:
    await asyncio.gather(busy.service.kill(), postgres.kill(), rabbitmq.kill())
    await asyncio.gather(postgres.start(), rabbitmq.start())
    assert await busy.start()
    await busy.load.until_finished(50)
    await busy.finish()
