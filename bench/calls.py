"""One call per contact through the service, against a loop of aiohttp that makes the same calls and does nothing else.

64 at once to the same bare provider process, batches of 1,000, from the queue to the commit. Measured in turns, each in
a process that is warm. Free and paid calls are measured so (`http_calls.py`, `paid_calls.py`).
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from bench import bare
from bench.figures import Figure, Rate, median_ratio, rounds
from bench.harness import Rig
from bench.processes import Measured

BATCH = 1_000
ERIDS = 20
ROUNDS = 3


@dataclass(frozen=True)
class Counts:
    """Batches of DES and calls of the bare loop in one round, and how many rounds."""

    batches: int
    bare_calls: int
    times: int = ROUNDS

    def scaled(self, scale: float) -> "Counts":
        """So many times as many, at least one batch and a call for each slot."""
        batches, bare_calls = round(self.batches * scale), round(self.bare_calls * scale)
        return Counts(max(1, batches), max(bare.SLOTS, bare_calls), rounds(ROUNDS, scale))


async def against_a_bare_loop(rig: Rig, counts: Counts, *, paid: bool) -> tuple[float, Mapping[str, Figure]]:
    """Ratio of contacts/s to calls/s, and the figures behind it."""
    ours: list[Rate] = []
    theirs: list[Rate] = []
    async with (
        bare.provider(rig) as provider,
        rig.service(settings=bare.settings(provider.ready["url"], paid=paid)) as service,
        rig.peer("peers.aiohttp_loop", "--url", provider.ready["url"], "--concurrency", str(bare.SLOTS)) as loop,
    ):
        warm = counts.scaled(0.1)
        await _through_des(rig, service, warm.batches)
        await _bare(loop, warm.bare_calls)
        for _ in range(counts.times):
            ours.append(await _through_des(rig, service, counts.batches))
            theirs.append(await _bare(loop, counts.bare_calls))
    rates, bare_rates = [one.contacts_per_s for one in ours], [one.contacts_per_s for one in theirs]
    return median_ratio(rates, bare_rates), {
        "contacts_per_s": statistics.median(rates),
        "bare_calls_per_s": statistics.median(bare_rates),
        "contacts_per_s_each": rates,
        "bare_calls_per_s_each": bare_rates,
        "service_cpu_us_per_contact": statistics.median(one.cpu_us for one in ours),
        "bare_cpu_us_per_call": statistics.median(one.cpu_us for one in theirs),
        "contacts": counts.batches * BATCH,
        **await rig.database.shares(),
    }


async def _through_des(rig: Rig, service: Measured, batches: int) -> Rate:
    await rig.empty()
    messages = list(rig.population.unique_messages(batches, BATCH, rig.population.erids(ERIDS)))
    return await rig.pushed_through(service, messages, batches * BATCH)


async def _bare(loop: Measured, calls: int) -> Rate:
    cpu_s = loop.cpu_s()
    answer = await loop.ask(str(calls))
    return Rate(answer["calls_per_s"], (loop.cpu_s() - cpu_s) / calls * 1e6)
