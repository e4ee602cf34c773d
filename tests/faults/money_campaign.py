"""One death after another around paid calls, while the vendor fails in every way; the books are read after each."""

import random
from collections.abc import Callable

from des.failpoints import Failpoint
from tests.faults.money import FAULTS, MoneyTrial

POINTS = {
    Failpoint.CLAIM_BEFORE_COMMIT: 20,
    Failpoint.CLAIM_COMMITTED_NOT_SENT: 20,
    Failpoint.CALL_SENT: 40,
    Failpoint.CALL_ANSWERED_NOT_COMMITTED: 40,
    Failpoint.COMMIT_BEFORE: 15,
    Failpoint.COMMIT_AFTER: 15,
}
"""Points that a paid call passes, and up to which hit the service is let live."""
LONGEST_LIFE_S = 2.0
AT_A_POINT = 0.6


class Deaths:
    """Kills the service of a trial again and again, at a point of a paid call or at any moment."""

    def __init__(self, seed: int, *, at_a_point: float = AT_A_POINT) -> None:
        """Take the seed, and the share of deaths at a point: none where a cap may keep calls from being made."""
        self._random = random.Random(seed)
        self._at_a_point = at_a_point

    async def kill(self, life: MoneyTrial) -> str:
        """Start the service, let it die once; answer how."""
        if self._random.random() < self._at_a_point:
            point, hits_max = self._random.choice(list(POINTS.items()))
            await life.dies_at(point, self._random.randint(1, hits_max))
            return point.value
        assert await life.start()
        await life.dies_after(self._random.uniform(0.0, LONGEST_LIFE_S))
        return "at random"


async def round_of_kills(life: MoneyTrial, deaths: Deaths, kills: int, told: Callable[[str], None]) -> None:
    """Kill so many times under load and faults, reading the books each time; then let everything come to its end."""
    await life.vendor.fail(FAULTS)
    await life.load.start()
    for _ in range(kills):
        told(await deaths.kill(life))
        life.load.check()
        await life.check()
    assert await life.start()
    await life.load.until_finished(10)
    await life.finish()
