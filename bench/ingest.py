"""What does a door cost beside the broker behind it?

Batches of 1,000 through one gRPC client stream until its summary came, against raw confirmed publishes of the same
bytes by aio-pika, 256 in flight. As `single_ratio` batches of 1 through one stream against one confirmed publish each:
intake puts small ones together. The service has the role `ingest` alone and nobody consumes; the queue is purged in
between. Both clients run in the benchmark's process and send bytes that were encoded before. The same is measured of a
door that looks at nothing (`peers/pass_through_door.py`), for what is left to the libraries.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import grpc

from bench.figures import Result, median_ratio, rounds
from bench.harness import Rig
from bench.processes import Measured
from bench.queue import IN_FLIGHT, Outgoing
from des.v1.ingest_pb2 import PushContactsResponse
from des.wire.parts import varint

PUSH = "/des.v1.IngestService/PushContacts"
ERIDS = 20
ROUNDS = 3
BATCHES, BATCH = 4_000, 1_000
SINGLES = 20_000
TARGET, SINGLE_TARGET = 0.5, 1.5


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    batches, singles = max(4, round(BATCHES * scale)), max(100, round(SINGLES * scale))
    times = rounds(ROUNDS, scale)
    async with rig.service(roles=("ingest",)) as service:
        large, small = await _both(rig, service, batches, singles, times)
        memory_mb = service.memory_peak_mb()
    async with rig.peer("peers.pass_through_door", "--amqp-url", rig.amqp_url) as peer:
        passed_large, passed_small = await _both(rig, peer, batches, singles, times)
    return Result(
        "ingest",
        large.ratio,
        TARGET,
        {
            "single_ratio": small.ratio,
            "single_target": SINGLE_TARGET,
            "contacts_per_s": large.ours,
            "published_contacts_per_s": large.theirs,
            "single_batches_per_s": small.ours,
            "single_published_per_s": small.theirs,
            "service_cpu_us_per_contact": large.cpu_us,
            "service_cpu_us_per_single_batch": small.cpu_us,
            "service_memory_peak_mb": memory_mb,
            "pass_through_ratio": passed_large.ratio,
            "pass_through_single_ratio": passed_small.ratio,
            "pass_through_cpu_us_per_contact": passed_large.cpu_us,
            "pass_through_cpu_us_per_single_batch": passed_small.cpu_us,
            "in_flight": IN_FLIGHT,
        },
        further_met=small.ratio >= SINGLE_TARGET,
    )


async def _both(
    rig: Rig, door: Measured, batches: int, singles: int, times: int
) -> tuple["_Comparison", "_Comparison"]:
    await _push(door, list(rig.population.messages(20, BATCH, rig.population.erids(ERIDS))))
    return await _compare(rig, door, batches, BATCH, times), await _compare(rig, door, singles, 1, times)


class _Comparison:
    """Contacts a second of both, the ratio, and µs of the service's CPU per contact."""

    def __init__(self, ours: Sequence[float], theirs: Sequence[float], cpu_us: Sequence[float]) -> None:
        self.ratio = median_ratio(ours, theirs)
        self.ours = statistics.median(ours)
        self.theirs = statistics.median(theirs)
        self.cpu_us = statistics.median(cpu_us)


async def _compare(rig: Rig, service: Measured, batches: int, size: int, times: int) -> _Comparison:
    contacts = batches * size
    ours, theirs, cpu_us = [], [], []
    for _ in range(times):
        messages = list(rig.population.messages(batches, size, rig.population.erids(ERIDS)))
        await rig.queue.purge()
        before_s = service.cpu_s()
        ours.append(contacts / await _push(service, messages))
        cpu_us.append((service.cpu_s() - before_s) / contacts * 1e6)
        await rig.queue.purge()
        theirs.append(contacts / await rig.queue.publish(messages))
    await rig.queue.purge()
    return _Comparison(ours, theirs, cpu_us)


async def _push(service: Measured, messages: Sequence[Outgoing]) -> float:
    """Seconds until the summary came. Raises RuntimeError unless every batch was accepted."""
    requests = [_request(message.body) for message in messages]
    return await asyncio.to_thread(_push_all, service.ready["grpc"], requests)


def _push_all(address: str, requests: Sequence[bytes]) -> float:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result()
        call: Any = channel.stream_unary(PUSH, response_deserializer=PushContactsResponse.FromString)
        started = time.monotonic()
        summary = call(iter(requests))
        took_s = time.monotonic() - started
    if summary.accepted != len(requests):
        raise RuntimeError(f"{summary.accepted} of {len(requests)} batches were accepted: {summary.rejected[:3]}")
    return took_s


def _request(batch: bytes) -> bytes:
    """Make a PushContactsRequest around an encoded batch: field 1, its length, the batch."""
    return b"\x0a" + varint(len(batch)) + batch
