"""SIGTERM under load: intake closes, mail drains within the grace, the rest is there at the next start."""

import time

from des.failpoints import Failpoint
from des.limits import SHUTDOWN_GRACE_S
from tests.faults.service import KILLED
from tests.faults.trial import Trial


async def test_sigterm_under_load_drains_and_the_next_start_goes_on(life: Trial) -> None:
    await life.load.start()
    assert await life.start()
    for _ in range(3):
        await life.load.until_finished(20)
        began = time.monotonic()
        await life.service.stop()
        assert time.monotonic() - began < SHUTDOWN_GRACE_S
        async with life.database() as database:
            held = await database.fetchval("select count(*) from lease where owner is not null")
        assert held == 0, "a worker that stops gives its leases back"
        assert await life.service.start(), "and its successor need not wait for them"
    await life.load.until_finished(20)
    await life.finish()


async def test_killed_while_it_drains(life: Trial) -> None:
    await life.load.start()
    for _ in range(3):
        assert await life.start(Failpoint.DRAIN_STARTED)
        await life.load.until_finished(20)
        life.service.terminate()
        assert await life.service.ended() == KILLED
    assert await life.start()
    await life.load.until_finished(20)
    await life.finish()
