"""`kill -9` at random moments under load, starts and a batch in parts included."""

import random

import pytest

from tests.faults.trial import Trial

pytestmark = pytest.mark.slow

KILLS = 8
LONGEST_LIFE_S = 1.5


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_nothing_is_lost_or_doubled(life: Trial, seed: int) -> None:
    moments = random.Random(seed)
    await life.load.start()
    for kill in range(KILLS):
        assert await life.start()
        if kill == KILLS // 2:
            await life.load.send(life.population.parted_batch())
        await life.dies_after(moments.uniform(0.0, LONGEST_LIFE_S))
    assert await life.start()
    await life.load.until_finished(20)
    await life.finish()
    assert life.load.failures > 0
    assert life.load.resends > 0
