"""How much of a permitted rate is used, and is it ever passed?

A provider permits 60 requests in any second, 240 in any 4 seconds and 600 in any 12, so that each of the three windows
is at times the one that holds, and 50 a second in the long run (R). It counts what comes and answers 429 to what is
above. More contacts wait than it permits; the rate is taken between the first request and the first one of a later
window, which can come after a whole number of the longest windows at the earliest. A single 429 is a target missed:
nobody else uses the provider, so that it would be DES's own fault.
"""

import json

from bench import bare
from bench.figures import Result
from bench.harness import Rig

WINDOWS = ((60, 1.0), (240, 4.0), (600, 12.0))
PERMITTED, PER_S = WINDOWS[-1]
PERMITTED_PER_S = PERMITTED / PER_S
ROUNDS = 4
"""Longest windows that the rate is taken over."""
DELAY_MS = 20
BATCH = 100
ERIDS = 10
TARGET = 0.97


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    rounds = max(1, round(ROUNDS * scale))
    counted = rounds * PERMITTED
    batches = counted // BATCH + 1
    arguments = ("--delay-ms", str(DELAY_MS), "--windows", json.dumps(WINDOWS))
    async with rig.peer("counting_provider", *arguments) as provider:
        settings = bare.settings(provider.ready["url"])
        settings["providers"]["bare"]["rate"] = [{"count": count, "per_s": per_s} for count, per_s in WINDOWS]
        async with rig.service(settings=settings) as service:
            cpu_s = service.cpu_s()
            await rig.queue.publish(rig.population.unique_messages(batches, BATCH, rig.population.erids(ERIDS)))
            await rig.database.until_done(batches * BATCH)
            cpu_us = (service.cpu_s() - cpu_s) / (batches * BATCH) * 1e6
            report = await provider.ask(f"0 {counted}")
    first_at, later_at = report["at"]
    per_s = counted / (later_at - first_at)
    return Result(
        "rate_limit",
        per_s / PERMITTED_PER_S,
        TARGET,
        {
            "requests_per_s": per_s,
            "permitted_per_s": PERMITTED_PER_S,
            "refused": report["refused"],
            "requests": report["requests"],
            "seconds": later_at - first_at,
            "service_cpu_us_per_request": cpu_us,
        },
        further_met=report["refused"] == 0,
    )
