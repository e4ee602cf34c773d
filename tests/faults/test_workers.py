"""Several workers on one database: they share the partitions, one is killed, one is frozen and wakes up again."""

from collections.abc import AsyncIterator

import pytest

from des.limits import LEASE_S, PARTITIONS
from tests.faults.service import Service
from tests.faults.trial import Trial
from tests.faults.workers import SHARED_WITHIN_S, partitions_held

pytestmark = pytest.mark.slow

TAKEN_OVER_WITHIN_S = LEASE_S + 30.0


@pytest.fixture
async def second(life: Trial) -> AsyncIterator[Service]:
    """Another process of the same service, which takes its share of the work of the first."""
    second = life.service.twin("second")
    await life.load.start()
    assert await life.start()
    assert await second.start()
    await partitions_held(life, [PARTITIONS // 2] * 2, SHARED_WITHIN_S)
    yield second
    await second.kill()


async def test_a_worker_is_killed_and_the_other_takes_over(life: Trial, second: Service) -> None:
    await life.load.until_finished(50)
    await second.kill()
    await partitions_held(life, [PARTITIONS], TAKEN_OVER_WITHIN_S)
    await life.load.until_finished(50)
    await life.finish()


async def test_a_worker_comes_and_goes_and_the_work_moves_with_the_partitions(life: Trial, second: Service) -> None:
    await life.load.until_finished(50)
    await second.stop()
    await partitions_held(life, [PARTITIONS], SHARED_WITHIN_S)
    await life.load.until_finished(50)
    assert await second.start()
    await partitions_held(life, [PARTITIONS // 2] * 2, SHARED_WITHIN_S)
    await life.load.until_finished(50)
    await second.stop()
    await life.finish()


async def test_a_frozen_worker_wakes_up_and_its_commits_are_refused(life: Trial, second: Service) -> None:
    await life.load.until_finished(50)
    second.pause()
    await partitions_held(life, [PARTITIONS], TAKEN_OVER_WITHIN_S)
    await life.load.until_finished(50)
    second.resume()
    await partitions_held(life, [PARTITIONS // 2] * 2, SHARED_WITHIN_S)
    await life.load.until_finished(50)
    await second.stop()
    await life.finish()
    assert '"lost":[' in second.log().partition("signal_received")[0], "it was told that its leases have gone"
