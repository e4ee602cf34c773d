"""What does it gain to commit in groups?

Batches of 10 and of 1, one message each, against the FastStream worker in `peers/`, which does the same work on the
same tables with one transaction per message. The ratio is the smaller of the two. The queue is full when all processes
are ready, and nobody is given anything before; the clock runs from then to the last commit. Neither publishes the
events it writes: the service runs as `worker`, the peer has no relay.

The service runs as docs/operations.md has it scaled out, a process a core. `ratio_of_one_process` is one against the
same peer, `ratio_to_a_worker_a_core` the service against as many peers, which share the queue.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.figures import Figure, Rate, Result, median_ratio, rounds
from bench.harness import CORES, Rig
from bench.processes import Measured, Together

ERIDS = 200
ROUNDS = 2
SIZES = {10: (24_000, 4_000), 1: (30_000, 4_000)}
"""Contacts of a batch: batches for DES, batches for the peer; each takes several seconds."""
TARGET = 5.0

Process = contextlib.AbstractAsyncContextManager[Measured]


@dataclass(frozen=True)
class _Side:
    """So many processes of a kind; `shares` where they divide the enrichments among themselves."""

    start: Callable[[], Process]
    processes: int
    shares: bool = False


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    figures: dict[str, Figure] = {"processes": CORES}
    ratios: dict[str, list[float]] = {"": [], "_of_one_process": [], "_to_a_worker_a_core": []}
    for size, (batches, peer_batches) in SIZES.items():
        ours, theirs = max(20, round(batches * scale)), max(20, round(peer_batches * scale))
        sides = {
            "": (_Side(lambda: _service(rig), CORES, shares=True), ours),
            "_of_one_process": (_Side(lambda: _service(rig), 1, shares=True), ours),
            "faststream": (_Side(lambda: _peer(rig), 1), theirs),
            "faststream_a_core": (_Side(lambda: _peer(rig), CORES), theirs),
        }
        rates: dict[str, list[Rate]] = {name: [] for name in sides}
        for _ in range(rounds(ROUNDS, scale)):
            for name, (side, count) in sides.items():
                rates[name].append(await _drained(rig, side, size, count))
        each = {
            "": _ratio(rates[""], rates["faststream"]),
            "_of_one_process": _ratio(rates["_of_one_process"], rates["faststream"]),
            "_to_a_worker_a_core": _ratio(rates[""], rates["faststream_a_core"]),
        }
        for name, ratio in each.items():
            ratios[name].append(ratio)
            figures[f"ratio{name}_of_{size}"] = ratio
        for name, measured in rates.items():
            label = name if name.startswith("faststream") else f"service{name}"
            figures[f"{label}_contacts_per_s_of_{size}"] = statistics.median(one.contacts_per_s for one in measured)
            figures[f"{label}_cpu_us_per_contact_of_{size}"] = statistics.median(one.cpu_us for one in measured)
    least = {f"ratio{name}": min(each) for name, each in ratios.items() if name}
    return Result("small_batches", min(ratios[""]), TARGET, {**least, **figures})


def _ratio(ours: Sequence[Rate], theirs: Sequence[Rate]) -> float:
    return median_ratio([one.contacts_per_s for one in ours], [one.contacts_per_s for one in theirs])


def _service(rig: Rig) -> Process:
    """The role that does what the peer does: it too leaves its events in the outbox, for a relay of another process."""
    return rig.service(roles=("worker",))


def _peer(rig: Rig) -> Process:
    return rig.peer("peers.faststream_worker", "--database-url", rig.database_url, "--amqp-url", rig.amqp_url)


async def _drained(rig: Rig, side: _Side, size: int, batches: int) -> Rate:
    await rig.empty()
    await rig.queue.publish(rig.population.messages(batches, size, rig.population.erids(ERIDS)))
    contacts = batches * size
    async with contextlib.AsyncExitStack() as stack:
        async with rig.queue.held(batches):
            processes = Together([await stack.enter_async_context(side.start()) for _ in range(side.processes)])
            if side.shares:
                await rig.database.shared_by(side.processes)
            cpu_s = processes.cpu_s()
        started = time.monotonic()
        samples = await rig.database.until_done(contacts, every_s=0.05)
        cpu_us = (processes.cpu_s() - cpu_s) / contacts * 1e6
    return Rate(contacts / (samples[-1].at_s - started), cpu_us)
