"""Connections that break at the worst moment: the reply to COMMIT is lost, confirms are lost, everything is cut."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.conftest import SEED
from tests.faults.proxy import COMMIT, Proxy
from tests.faults.trial import Servers, Trial, trial

CUTS = 10


@pytest.fixture
async def postgres_proxy(database_url: str) -> AsyncIterator[Proxy]:
    """Between the service and Postgres."""
    proxy = Proxy(database_url)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def rabbitmq_proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    """Between the service and RabbitMQ."""
    proxy = Proxy(amqp_url)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def busy(
    database_url: str, amqp_url: str, tmp_path: Path, postgres_proxy: Proxy, rabbitmq_proxy: Proxy
) -> AsyncIterator[Trial]:
    """A service under load that reaches its servers by way of the proxies."""
    by_proxy = Servers(postgres_proxy.url, rabbitmq_proxy.url)
    async with trial(Servers(database_url, amqp_url), tmp_path, SEED, service_servers=by_proxy) as life:
        await life.load.start()
        assert await life.start()
        yield life


async def test_the_reply_to_a_commit_is_lost(busy: Trial, postgres_proxy: Proxy) -> None:
    moments = random.Random(SEED)
    postgres_proxy.loses = lambda chunk: COMMIT in chunk and moments.random() < 0.1
    while postgres_proxy.lost < CUTS:
        await busy.load.until_finished(10)
    postgres_proxy.loses = lambda _: False
    await busy.finish()
    assert busy.service.log().count('"may_have_landed":true') > 0


async def test_connections_to_postgres_are_cut(busy: Trial, postgres_proxy: Proxy) -> None:
    for _ in range(CUTS):
        await busy.load.until_finished(10)
        postgres_proxy.cut()
    await busy.finish()


async def test_connections_to_rabbitmq_are_cut(busy: Trial, rabbitmq_proxy: Proxy) -> None:
    for _ in range(CUTS):
        await busy.load.until_finished(10)
        rabbitmq_proxy.cut()
    await busy.finish()


async def test_everything_sent_to_rabbitmq_arrives_and_no_confirm_comes_back(
    busy: Trial, rabbitmq_proxy: Proxy
) -> None:
    moments = random.Random(SEED)
    rabbitmq_proxy.loses = lambda _: moments.random() < 0.02
    while rabbitmq_proxy.lost < CUTS:
        await busy.load.until_finished(10)
    rabbitmq_proxy.loses = lambda _: False
    await busy.finish()
