"""The campaign of `./dev bench kills`, short."""

from collections import Counter

import pytest

from tests.faults.campaign import Deaths, round_of_kills
from tests.faults.trial import Trial

pytestmark = pytest.mark.slow

KILLS = 12


async def test_deaths_of_every_kind_one_after_another(life: Trial) -> None:
    how: list[str] = []
    await round_of_kills(life, Deaths(seed=3), KILLS, how.append)
    assert len(how) == KILLS
    assert len(Counter(how)) > 3
