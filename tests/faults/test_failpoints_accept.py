"""`kill -9` at each named point between a client and table `batch`."""

import pytest

from des.failpoints import Failpoint
from tests.faults.trial import Trial


@pytest.mark.parametrize(
    ("failpoint", "counts"),
    [
        (Failpoint.BEFORE_CONFIRM, (1, 7, 30)),
        (Failpoint.CONFIRMED_NOT_ANSWERED, (1, 7, 30)),
        (Failpoint.ACCEPT_BEFORE_COMMIT, (1, 2, 9)),
        (Failpoint.ACCEPT_COMMITTED_NOT_ACKED, (1, 2, 9)),
    ],
)
async def test_killed_there_nothing_is_lost_or_doubled(
    life: Trial, failpoint: Failpoint, counts: tuple[int, ...]
) -> None:
    await life.load.start()
    for count in counts:
        await life.dies_at(failpoint, count)
    assert await life.start()
    await life.load.until_finished(20)
    await life.finish()
