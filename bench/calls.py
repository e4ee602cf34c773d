"""One call per contact through the service, against a loop of aiohttp that makes the same calls and does nothing else.

64 at once to the same bare provider process, batches of 1,000, from the queue to the commit. Measured in turns, each in
processes that are warm. The service runs as docs/operations.md has it scaled out, a process a core, which divide the 64
among themselves: a provider's `concurrency` is that of a process. `ratio_of_one_process` is one process with all 64
against that loop, `ratio_to_a_loop_a_core` the service against as many loops, which divide the 64 as it does. Free and
paid calls are measured so (`http_calls.py`, `paid_calls.py`).
"""

import asyncio
import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import bare
from bench.figures import Figure, Rate, median_ratio, rounds
from bench.harness import CORES, Rig
from bench.processes import Measured, Together

BATCH = 1_000
ERIDS = 100
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
    async with bare.provider(rig) as provider, contextlib.AsyncExitStack() as stack:
        url = provider.ready["url"]
        loop = await stack.enter_async_context(_bare_loop(rig, url, bare.SLOTS))
        loops = [await stack.enter_async_context(_bare_loop(rig, url, bare.slots_each(CORES))) for _ in range(CORES)]
        async with rig.service(settings=bare.settings(url, paid=paid)) as service:
            alone = await _compare(rig, service, ([loop],), counts)
        settings = bare.settings(url, paid=paid, processes=CORES)
        async with rig.scaled_out(settings=settings) as processes:
            together = await _compare(rig, processes, ([loop], loops), counts)
    return together.ratio(0), {
        "ratio_of_one_process": alone.ratio(0),
        "ratio_to_a_loop_a_core": together.ratio(1),
        "processes": CORES,
        "contacts_per_s": _rate(together.ours),
        "contacts_per_s_of_one_process": _rate(alone.ours),
        "bare_calls_per_s": _rate(together.bare[0]),
        "bare_calls_per_s_of_a_loop_a_core": _rate(together.bare[1]),
        "contacts_per_s_each": [one.contacts_per_s for one in together.ours],
        "bare_calls_per_s_each": [one.contacts_per_s for one in together.bare[0]],
        "service_cpu_us_per_contact": _cpu_us(together.ours),
        "service_cpu_us_per_contact_of_one_process": _cpu_us(alone.ours),
        "bare_cpu_us_per_call": _cpu_us(together.bare[0]),
        "contacts": counts.batches * BATCH,
        **await rig.database.shares(),
    }


@dataclass(frozen=True)
class _Comparison:
    """Rounds of the service and of each set of bare loops, in turns."""

    ours: list[Rate]
    bare: tuple[list[Rate], ...]

    def ratio(self, index: int) -> float:
        """Against one of the sets of loops."""
        return median_ratio([one.contacts_per_s for one in self.ours], [one.contacts_per_s for one in self.bare[index]])


def _rate(rates: Sequence[Rate]) -> float:
    return statistics.median(one.contacts_per_s for one in rates)


def _cpu_us(rates: Sequence[Rate]) -> float:
    return statistics.median(one.cpu_us for one in rates)


async def _compare(
    rig: Rig, service: Measured | Together, peers: Sequence[Sequence[Measured]], counts: Counts
) -> _Comparison:
    warm = counts.scaled(0.1)
    await _through_des(rig, service, warm.batches)
    for loops in peers:
        await _bare(loops, warm.bare_calls)
    comparison = _Comparison([], tuple([] for _ in peers))
    for _ in range(counts.times):
        comparison.ours.append(await _through_des(rig, service, counts.batches))
        for loops, rates in zip(peers, comparison.bare, strict=True):
            rates.append(await _bare(loops, counts.bare_calls))
    return comparison


async def _through_des(rig: Rig, service: Measured | Together, batches: int) -> Rate:
    await rig.empty()
    messages = list(rig.population.unique_messages(batches, BATCH, rig.population.erids(ERIDS)))
    return await rig.pushed_through(service, messages, batches * BATCH)


def _bare_loop(rig: Rig, url: str, slots: int) -> contextlib.AbstractAsyncContextManager[Measured]:
    return rig.peer("peers.aiohttp_loop", "--url", url, "--concurrency", str(slots))


async def _bare(loops: Sequence[Measured], calls: int) -> Rate:
    """All of them at once; each makes its part of the calls."""
    cpu_s = Together(loops).cpu_s()
    answers = await asyncio.gather(*(loop.ask(str(calls // len(loops))) for loop in loops))
    return Rate(sum(answer["calls_per_s"] for answer in answers), (Together(loops).cpu_s() - cpu_s) / calls * 1e6)
