"""How long does one contact take when nothing else is going on?

From the call that pushes it by gRPC until a client that watches its enrichment hears it is done (and a read agrees),
with `directory` as the provider that answers. Against the sum of what cannot be left out, each measured raw on the same
servers: a confirmed publish, a delivery (from a publish to the consumer that gets it), a commit of one row. Both in
turns, in rounds of a few dozen; the ratio is the median of the rounds'. A client that asks again and again instead of
watching is given as `polled_median_ms`: its questions are work that the contact has to wait for.

Raw steps that follow each other find everything awake; each step of a contact wakes its process up. `ratio_at_rest` is
to the same raw steps with REST_S before each, and no target.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import aio_pika
import aio_pika.abc
import grpc

from bench.figures import Result, rounds
from bench.harness import Rig
from bench.processes import Measured
from bench.queue import Outgoing
from des.v1.contact_pb2 import ContactBatch
from des.v1.enrichment_pb2 import CreateEnrichmentRequest, GetEnrichmentRequest, WatchEnrichmentRequest
from des.v1.enrichment_pb2_grpc import EnrichmentServiceStub
from des.v1.ingest_pb2 import PushContactsRequest
from des.v1.ingest_pb2_grpc import IngestServiceStub

ROUNDS = 6
SAMPLES_PER_ROUND = 50
WARM_UP = 10
REST_S = 0.01
"""About as long as a contact takes: so long has each server slept when its turn comes."""
TARGET = 4.0
QUEUE = "bench.latency"

_INSERT = """
    insert into contact_twin (tenant, erid, batch_id, position, input, fields)
    values ('default', $1, gen_random_uuid(), 0, $2, $2)
"""
_DOCUMENT = '{"first_name": "Mara", "last_name": "Bolen", "company_name": "Company 1 Ltd"}'

Wait = Callable[[EnrichmentServiceStub, str], Callable[[], None]]
"""Gets ready to wait for an ERID; what it returns waits until that is done."""


class Raw(NamedTuple):
    """Medians in ms."""

    publish_ms: float
    delivery_ms: float
    commit_ms: float


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    samples = max(5, round(SAMPLES_PER_ROUND * scale))
    raw: list[Raw] = []
    at_rest: list[Raw] = []
    watched_ms: list[list[float]] = []
    polled_ms: list[list[float]] = []
    await rig.database.make_twin()
    async with rig.service() as service:
        for _ in range(rounds(ROUNDS, scale)):
            raw.append(await _raw(rig, samples))
            at_rest.append(await _raw(rig, samples // 2, REST_S))
            watched_ms.append(await _pushed(rig, service, samples, _watch))
            polled_ms.append(await _pushed(rig, service, samples, _poll))
    ratios = list(map(_ratio, watched_ms, raw))
    times_ms = sorted(itertools.chain.from_iterable(watched_ms))
    return Result(
        "latency",
        statistics.median(ratios),
        TARGET,
        {
            "median_ms": statistics.median(times_ms),
            "p95_ms": times_ms[int(len(times_ms) * 0.95)],
            "polled_median_ms": statistics.median(itertools.chain.from_iterable(polled_ms)),
            "raw_ms": statistics.median(map(sum, raw)),
            "confirmed_publish_ms": statistics.median(one.publish_ms for one in raw),
            "delivery_ms": statistics.median(one.delivery_ms for one in raw),
            "commit_ms": statistics.median(one.commit_ms for one in raw),
            "ratio_each": ratios,
            "samples": len(times_ms),
            "raw_at_rest_ms": statistics.median(map(sum, at_rest)),
            "ratio_at_rest": statistics.median(map(_ratio, watched_ms, at_rest)),
        },
        at_least=False,
    )


def _ratio(ours_ms: Sequence[float], raw: Raw) -> float:
    return statistics.median(ours_ms) / sum(raw)


async def _raw(rig: Rig, samples: int, rest_s: float = 0.0) -> Raw:
    """Measure each by itself, through a quorum queue that only this connection uses and a table like `contact`."""
    queue = await rig.queue.channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    exchange = rig.queue.channel.default_exchange
    (message,) = rig.population.messages(1, 1, rig.population.erids(1))
    body = aio_pika.Message(message.body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    publish_ms = await _median_ms(lambda: exchange.publish(body, routing_key=QUEUE), samples, rest_s)
    await queue.purge()
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def take(delivery: aio_pika.abc.AbstractIncomingMessage) -> None:
        arrived.put_nowait(time.perf_counter())
        await delivery.ack()

    tag = await queue.consume(take)
    times_ms = []
    for _ in range(samples + WARM_UP):
        await asyncio.sleep(rest_s)
        started = time.perf_counter()
        await exchange.publish(body, routing_key=QUEUE)
        times_ms.append((await arrived.get() - started) * 1e3)
    await queue.cancel(tag)
    await queue.delete(if_unused=False, if_empty=False)
    erid = rig.population.uuid()
    commit_ms = await _median_ms(lambda: rig.database.connection.execute(_INSERT, erid, _DOCUMENT), samples, rest_s)
    return Raw(publish_ms, statistics.median(times_ms[WARM_UP:]), commit_ms)


async def _median_ms(act: Callable[[], Coroutine[Any, Any, object]], samples: int, rest_s: float) -> float:
    times_ms = []
    for _ in range(samples + WARM_UP):
        await asyncio.sleep(rest_s)
        started = time.perf_counter()
        await act()
        times_ms.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times_ms[WARM_UP:])


async def _pushed(rig: Rig, service: Measured, samples: int, wait: Wait) -> list[float]:
    """Milliseconds of each contact; the first WARM_UP are left out."""
    count = samples + WARM_UP
    messages = list(rig.population.messages(count, 1, rig.population.erids(count)))
    times_ms = await asyncio.to_thread(_push_all, service.ready["grpc"], messages, wait)
    return times_ms[WARM_UP:]


def _push_all(address: str, messages: Sequence[Outgoing], wait: Wait) -> list[float]:
    times_ms = []
    with grpc.insecure_channel(address) as channel:
        ingest, enrichments = IngestServiceStub(channel), EnrichmentServiceStub(channel)
        for message in messages:
            request = PushContactsRequest(batch=ContactBatch.FromString(message.body))
            done = wait(enrichments, message.key)
            started = time.perf_counter()
            ingest.PushContacts(iter((request,)))
            done()
            times_ms.append((time.perf_counter() - started) * 1e3)
            if not _is_done(enrichments, message.key):
                raise RuntimeError(f"{message.key} was said to be done, and is not when read")
    return times_ms


def _watch(enrichments: EnrichmentServiceStub, erid: str) -> Callable[[], None]:
    enrichments.CreateEnrichment(CreateEnrichmentRequest(erid=erid))
    changes = enrichments.WatchEnrichment(WatchEnrichmentRequest(erid=erid))
    next(changes)  # as it stands: the watch has begun

    def wait() -> None:
        for change in changes:
            if change.enrichment.progress.contacts_done:
                break
        changes.cancel()

    return wait


def _poll(enrichments: EnrichmentServiceStub, erid: str) -> Callable[[], None]:
    def wait() -> None:
        while not _is_done(enrichments, erid):
            pass

    return wait


def _is_done(enrichments: EnrichmentServiceStub, erid: str) -> bool:
    try:
        return enrichments.GetEnrichment(GetEnrichmentRequest(erid=erid)).enrichment.progress.contacts_done > 0
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:  # not accepted yet
            return False
        raise
