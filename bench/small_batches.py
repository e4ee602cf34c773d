"""What does it gain to commit in groups?

Batches of 10 and of 1, one message each, against the FastStream worker in `peers/`, which does the same work on the
same tables with one transaction per message. The queue is filled while nobody consumes; the clock runs from the first
delivery to the last commit. The ratio is the smaller of the two. Neither publishes the events it writes: the service
runs as `worker`, the peer has no relay.
"""

import asyncio
import contextlib
import statistics
from collections.abc import Callable

from bench.figures import Figure, Rate, Result, median_ratio, rounds
from bench.harness import Rig
from bench.processes import Measured

ERIDS = 200
ROUNDS = 2
SIZES = {10: (10_000, 4_000), 1: (20_000, 4_000)}
"""Contacts of a batch: batches for DES, batches for the peer; each takes a few seconds."""
TARGET = 5.0

Worker = Callable[[], contextlib.AbstractAsyncContextManager[Measured]]


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    figures: dict[str, Figure] = {}
    ratios: list[float] = []
    for size, (batches, peer_batches) in SIZES.items():
        ours: list[Rate] = []
        theirs: list[Rate] = []
        for _ in range(rounds(ROUNDS, scale)):
            ours.append(await _drained(rig, lambda: _service(rig), size, max(20, round(batches * scale))))
            theirs.append(await _drained(rig, lambda: _peer(rig), size, max(20, round(peer_batches * scale))))
        rates, peer_rates = [one.contacts_per_s for one in ours], [one.contacts_per_s for one in theirs]
        ratios.append(median_ratio(rates, peer_rates))
        figures |= {
            f"ratio_of_{size}": ratios[-1],
            f"contacts_per_s_of_{size}": statistics.median(rates),
            f"faststream_contacts_per_s_of_{size}": statistics.median(peer_rates),
            f"service_cpu_us_per_contact_of_{size}": statistics.median(one.cpu_us for one in ours),
            f"faststream_cpu_us_per_contact_of_{size}": statistics.median(one.cpu_us for one in theirs),
        }
    return Result("small_batches", min(ratios), TARGET, figures)


def _service(rig: Rig) -> contextlib.AbstractAsyncContextManager[Measured]:
    """The role that does what the peer does: it too leaves its events in the outbox, for a relay of another process."""
    return rig.service(roles=("worker",))


def _peer(rig: Rig) -> contextlib.AbstractAsyncContextManager[Measured]:
    return rig.peer("peers.faststream_worker", "--database-url", rig.database_url, "--amqp-url", rig.amqp_url)


async def _drained(rig: Rig, worker: Worker, size: int, batches: int) -> Rate:
    await rig.empty()
    await rig.queue.publish(rig.population.messages(batches, size, rig.population.erids(ERIDS)))
    contacts = batches * size
    async with asyncio.TaskGroup() as group:
        taken = group.create_task(rig.queue.first_taken(batches))
        async with worker() as process:
            done_before, cpu_s = await rig.database.done(), process.cpu_s()
            samples = await rig.database.until_done(contacts, every_s=0.05)
            cpu_us = (process.cpu_s() - cpu_s) / max(1, contacts - done_before) * 1e6
    return Rate(contacts / (samples[-1].at_s - taken.result()), cpu_us)
