"""How near is the whole path to what Postgres takes at most?

Contacts a second from the queue to the commit, with `directory` and `email_pattern`, in batches of 1,000, against a raw
COPY by asyncpg of the very rows that came out. The service is warm and idle; the clock runs from the first publish, so
publishing (2 % of the work) is included.
"""

import statistics

from bench.database import COPY_ROWS
from bench.figures import Rate, Result, median_ratio
from bench.harness import Rig
from bench.processes import Measured

BATCH = 1_000
ERIDS = 20
BATCHES = 150
ROUNDS = 5
TARGET = 0.5


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    batches = max(2, round(BATCHES * scale))
    ours: list[Rate] = []
    copied: list[float] = []
    await rig.database.make_twin()
    async with rig.service() as service:
        await _once(rig, service, max(2, batches // 5))
        for _ in range(ROUNDS):
            ours.append(await _once(rig, service, batches))
            copied.append(await rig.database.copy(await rig.database.contact_rows()))
        memory_mb = service.memory_peak_mb()
    rates = [one.contacts_per_s for one in ours]
    return Result(
        "end_to_end",
        median_ratio(rates, copied),
        TARGET,
        {
            "contacts_per_s": statistics.median(rates),
            "copy_rows_per_s": statistics.median(copied),
            "contacts_per_s_each": rates,
            "copy_rows_per_s_each": copied,
            "service_cpu_us_per_contact": statistics.median(one.cpu_us for one in ours),
            "service_memory_peak_mb": memory_mb,
            "contacts": batches * BATCH,
            "rows_per_copy": COPY_ROWS,
            **await rig.database.shares(),
        },
    )


async def _once(rig: Rig, service: Measured, batches: int) -> Rate:
    await rig.empty()
    messages = list(rig.population.messages(batches, BATCH, rig.population.erids(ERIDS)))
    return await rig.pushed_through(service, messages, batches * BATCH)
