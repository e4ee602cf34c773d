"""Does a long backlog make the work slower, or the process larger?

Contacts a second with 1,000,000 contacts waiting in 10,000 ERIDs, against 10,000 waiting in 100, local providers,
batches of 100. In both cases what is done is replaced: new batches are published for the same ERIDs, so that as many
wait at the end as at the beginning and both do the same work (publish, accept, work, commit). The clock runs when
everything that waits has been accepted. The short backlog is measured before and after the long one.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench.figures import Result, Sample, slope
from bench.harness import Rig
from bench.processes import Measured
from bench.queue import Outgoing

BATCH = 100
DEEP_CONTACTS, SHALLOW_CONTACTS = 1_000_000, 10_000
CONTACTS_PER_ERID = 100
MEASURED_S = 12.0
WARM_UP_S = 2.0
LOOK_S_MAX, CONTACTS_PER_LOOK_S = 0.2, 500_000
"""Between two looks: short for the short backlog (20 ms), which must not run dry; longer where each reads more rows."""
ACCEPT_TIMEOUT_S = 240.0
TARGET = 0.85
MEMORY_TARGET_MB = 250.0


class Run(NamedTuple):
    """What one depth gave; `waiting` are contacts accepted and not finished, when the clock starts and stops."""

    contacts_per_s: float
    cpu_us: float
    memory_peak_mb: float
    accept_s: float
    waiting: tuple[int, int]


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    measured_s = max(1.0, MEASURED_S * min(1.0, scale))
    shallow = [await _at_depth(rig, SHALLOW_CONTACTS, measured_s)]
    deep = await _at_depth(rig, max(SHALLOW_CONTACTS, round(DEEP_CONTACTS * scale)), measured_s)
    shallow.append(await _at_depth(rig, SHALLOW_CONTACTS, measured_s))
    rate = statistics.mean(each.contacts_per_s for each in shallow)
    return Result(
        "backlog",
        deep.contacts_per_s / rate,
        TARGET,
        {
            "contacts_per_s_deep": deep.contacts_per_s,
            "contacts_per_s_shallow": rate,
            "contacts_per_s_shallow_each": [each.contacts_per_s for each in shallow],
            "memory_peak_mb": deep.memory_peak_mb,
            "memory_target_mb": MEMORY_TARGET_MB,
            "memory_peak_mb_shallow": max(each.memory_peak_mb for each in shallow),
            "waiting_at_start": deep.waiting[0],
            "waiting_at_end": deep.waiting[1],
            "waiting_at_end_shallow": shallow[0].waiting[1],
            "seconds_to_accept_all": deep.accept_s,
            "service_cpu_us_per_contact_deep": deep.cpu_us,
            "service_cpu_us_per_contact_shallow": statistics.mean(each.cpu_us for each in shallow),
        },
        further_met=deep.memory_peak_mb <= MEMORY_TARGET_MB,
    )


async def _at_depth(rig: Rig, contacts: int, measured_s: float) -> Run:
    await rig.empty()
    batches = contacts // BATCH
    erids = rig.population.erids(contacts // CONTACTS_PER_ERID)
    endless = rig.population.messages(batches + 10_000_000, BATCH, erids)
    await rig.queue.publish(itertools.islice(endless, batches))
    async with rig.service() as service, asyncio.timeout(ACCEPT_TIMEOUT_S):
        started = time.monotonic()
        feed = _Feed(rig, endless, contacts)
        while await rig.queue.ready() > 0:
            await feed.step()
        accept_s = time.monotonic() - started
        await feed.run(WARM_UP_S)
        return await _measure(rig, service, feed, measured_s, accept_s)


async def _measure(rig: Rig, service: Measured, feed: "_Feed", measured_s: float, accept_s: float) -> Run:
    waiting_before = await rig.database.waiting()
    cpu_s = service.cpu_s()
    samples = await feed.run(measured_s)
    spent_s = service.cpu_s() - cpu_s
    done = samples[-1].done - samples[0].done
    return Run(
        slope(samples),
        spent_s / max(1, done) * 1e6,
        service.memory_peak_mb(),
        accept_s,
        (waiting_before, await rig.database.waiting()),
    )


class _Feed:
    """Keeps as many contacts outstanding as there were at first."""

    def __init__(self, rig: Rig, messages: Iterator[Outgoing], outstanding: int) -> None:
        self._rig = rig
        self._messages = messages
        self._outstanding = outstanding
        self._published = outstanding
        self._look_s = min(LOOK_S_MAX, outstanding / CONTACTS_PER_LOOK_S)

    async def step(self) -> Sample:
        """Wait a moment, then publish as much as has been done."""
        await asyncio.sleep(self._look_s)
        sample = Sample(time.monotonic(), await self._rig.database.done())
        batches = (self._outstanding + sample.done - self._published) // BATCH
        await self._rig.queue.publish(itertools.islice(self._messages, batches), in_flight=64)
        self._published += batches * BATCH
        return sample

    async def run(self, for_s: float) -> list[Sample]:
        """Keep it up for so long and return what was done when."""
        samples = [await self.step()]
        while samples[-1].at_s - samples[0].at_s < for_s:
            samples.append(await self.step())
        return samples
