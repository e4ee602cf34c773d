"""`kill -9` at each named point between table `batch` and the events."""

import pytest

from des.failpoints import Failpoint
from tests.faults.trial import Trial


@pytest.mark.parametrize(
    ("failpoint", "counts"),
    [
        (Failpoint.CALL_SENT, (1, 20, 200)),
        (Failpoint.CALL_ANSWERED_NOT_COMMITTED, (1, 20, 200)),
        (Failpoint.COMMIT_BEFORE, (1, 2, 15)),
        (Failpoint.COMMIT_AFTER, (1, 2, 15)),
        (Failpoint.OUTBOX_BEFORE_PUBLISH, (1, 2, 5)),
        (Failpoint.EVENT_PUBLISHED_NOT_REMOVED, (1, 2, 5)),
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


async def test_an_event_published_and_not_removed_comes_again_under_its_id(life: Trial) -> None:
    await life.load.start()
    await life.dies_at(Failpoint.EVENT_PUBLISHED_NOT_REMOVED, 1)
    assert await life.start()
    await life.load.until_finished(1)
    await life.finish()
    assert max(life.announced.times.values()) > 1
