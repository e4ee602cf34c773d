"""How near is the whole path to what Postgres takes at most?

Contacts a second from the queue to the commit, with `directory` and `email_pattern`, in batches of 1,000, against a raw
COPY by asyncpg of the very rows that came out. The service is warm and idle; the clock runs from the first publish, so
publishing (2 % of the work) is included. It runs as docs/operations.md has it scaled out: a process a core, the first
in all roles and the others as workers beside it; they share the enrichments. `ratio_of_one_process` is the first alone.
"""

import statistics

from bench.database import COPY_ROWS
from bench.figures import Rate, Result, median_ratio, rounds
from bench.harness import CORES, Rig
from bench.processes import Measured, Together

BATCH = 1_000
ERIDS = 100
BATCHES = 150
ROUNDS = 5
TARGET = 0.5


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    batches = max(2, round(BATCHES * scale))
    await rig.database.make_twin()
    times = rounds(ROUNDS, scale)
    async with rig.service() as service:
        alone = together = await _compare(rig, service, batches, times)
        async with rig.scaled_out(service) as processes:
            if len(processes) > 1:
                together = await _compare(rig, processes, batches, times)
            memory_mb = processes.memory_peaks_mb()
    return Result(
        "end_to_end",
        together.ratio,
        TARGET,
        {
            "ratio_of_one_process": alone.ratio,
            "processes": CORES,
            "contacts_per_s": together.contacts_per_s,
            "contacts_per_s_of_one_process": alone.contacts_per_s,
            "copy_rows_per_s": statistics.median(together.copied),
            "contacts_per_s_each": [one.contacts_per_s for one in together.ours],
            "copy_rows_per_s_each": together.copied,
            "service_cpu_us_per_contact": together.cpu_us,
            "service_cpu_us_per_contact_of_one_process": alone.cpu_us,
            "service_memory_peak_mb_each": memory_mb,
            "contacts": batches * BATCH,
            "rows_per_copy": COPY_ROWS,
            **await rig.database.shares(),
        },
    )


class _Comparison:
    """Rounds of both in turn, and the medians."""

    def __init__(self, ours: list[Rate], copied: list[float]) -> None:
        self.ours = ours
        self.copied = copied
        self.ratio = median_ratio([one.contacts_per_s for one in ours], copied)
        self.contacts_per_s = statistics.median(one.contacts_per_s for one in ours)
        self.cpu_us = statistics.median(one.cpu_us for one in ours)


async def _compare(rig: Rig, service: Measured | Together, batches: int, times: int) -> _Comparison:
    await _once(rig, service, max(2, batches // 5))
    ours: list[Rate] = []
    copied: list[float] = []
    for _ in range(times):
        ours.append(await _once(rig, service, batches))
        copied.append(await rig.database.copy(await rig.database.contact_rows()))
    return _Comparison(ours, copied)


async def _once(rig: Rig, service: Measured | Together, batches: int) -> Rate:
    await rig.empty()
    messages = list(rig.population.messages(batches, BATCH, rig.population.erids(ERIDS)))
    return await rig.pushed_through(service, messages, batches * BATCH)
