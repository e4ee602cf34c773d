"""Several workers on one database, seen from outside."""

import asyncio
from collections.abc import Sequence

from des.clock import SystemClock
from tests.faults.trial import Trial

LOOK_S = 0.2
SHARED_WITHIN_S = 30.0

_HELD = """
    select count(*) from lease l join worker w on w.owner = l.owner and w.expires_at > clock_timestamp()
    group by l.owner
"""


async def partitions_held(life: Trial, shares: Sequence[int], within_s: float = SHARED_WITHIN_S) -> None:
    """Wait until the live workers hold so many partitions each."""
    clock = SystemClock()
    held: list[int] = []
    async with life.database() as database, asyncio.timeout(within_s):
        while held != list(shares):
            await clock.sleep(LOOK_S)  # a row in another process's transaction sets no event
            held = [row["count"] for row in await database.fetch(_HELD)]
