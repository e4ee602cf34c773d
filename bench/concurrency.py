"""Are the slots of a slow provider always taken?

A provider that answers after 200 ms and has 64 slots can be called 320 times a second at most. The rate is the slope of
contacts committed over time (one call each), from a tenth of the run to nine tenths.
"""

from bench import bare
from bench.figures import Result, between, slope
from bench.harness import Rig

DELAY_MS = 200
BATCH = 1_000
ERIDS = 4
BATCHES = 8
POSSIBLE_PER_S = bare.SLOTS * 1_000 / DELAY_MS
TARGET = 0.95


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    size = max(bare.SLOTS * 4, round(BATCH * scale)) if scale < 1 else BATCH
    batches = max(1, round(BATCHES * scale))
    async with (
        bare.provider(rig, DELAY_MS) as provider,
        rig.service(settings=bare.settings(provider.ready["url"])) as service,
    ):
        cpu_s = service.cpu_s()
        await rig.queue.publish(rig.population.unique_messages(batches, size, rig.population.erids(ERIDS)))
        samples = await rig.database.until_done(batches * size)
        cpu_us = (service.cpu_s() - cpu_s) / (batches * size) * 1e6
    calls_per_s = slope(between(samples, 0.1, 0.9))
    return Result(
        "concurrency",
        calls_per_s / POSSIBLE_PER_S,
        TARGET,
        {
            "calls_per_s": calls_per_s,
            "possible_calls_per_s": POSSIBLE_PER_S,
            "whole_run_calls_per_s": (samples[-1].done - samples[0].done) / (samples[-1].at_s - samples[0].at_s),
            "calls": batches * size,
            **await rig.database.shares(),
            "service_cpu_us_per_call": cpu_us,
        },
    )
