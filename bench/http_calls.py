"""What does everything around an HTTP call cost?

One call per contact to the bare provider, 64 at once, batches of 1,000, from the queue to the commit, against a loop of
aiohttp that makes the same calls to the same process and does nothing else. Measured in turns, each in a process that
is warm.
"""

import statistics

from bench import bare
from bench.figures import Rate, Result, median_ratio
from bench.harness import Rig
from bench.processes import Measured

BATCH = 1_000
ERIDS = 20
BATCHES = 60
BARE_CALLS = 40_000
ROUNDS = 3
TARGET = 0.9


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    batches, calls = max(1, round(BATCHES * scale)), max(bare.SLOTS, round(BARE_CALLS * scale))
    ours: list[Rate] = []
    theirs: list[Rate] = []
    async with (
        bare.provider(rig) as provider,
        rig.service(settings=bare.settings(provider.ready["url"])) as service,
        rig.peer("peers.aiohttp_loop", "--url", provider.ready["url"], "--concurrency", str(bare.SLOTS)) as loop,
    ):
        await _through_des(rig, service, max(1, batches // 10))
        await _bare(loop, max(bare.SLOTS, calls // 10))
        for _ in range(ROUNDS):
            ours.append(await _through_des(rig, service, batches))
            theirs.append(await _bare(loop, calls))
    rates, bare_rates = [one.contacts_per_s for one in ours], [one.contacts_per_s for one in theirs]
    return Result(
        "http_calls",
        median_ratio(rates, bare_rates),
        TARGET,
        {
            "contacts_per_s": statistics.median(rates),
            "bare_calls_per_s": statistics.median(bare_rates),
            "contacts_per_s_each": rates,
            "bare_calls_per_s_each": bare_rates,
            "service_cpu_us_per_contact": statistics.median(one.cpu_us for one in ours),
            "bare_cpu_us_per_call": statistics.median(one.cpu_us for one in theirs),
            "contacts": batches * BATCH,
            **await rig.database.shares(),
        },
    )


async def _through_des(rig: Rig, service: Measured, batches: int) -> Rate:
    await rig.empty()
    messages = list(rig.population.unique_messages(batches, BATCH, rig.population.erids(ERIDS)))
    return await rig.pushed_through(service, messages, batches * BATCH)


async def _bare(loop: Measured, calls: int) -> Rate:
    cpu_s = loop.cpu_s()
    answer = await loop.ask(str(calls))
    return Rate(answer["calls_per_s"], (loop.cpu_s() - cpu_s) / calls * 1e6)
