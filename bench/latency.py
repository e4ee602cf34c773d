"""How long does one contact take when nothing else is going on?

From the call that pushes it by gRPC until `GetEnrichment`, asked again and again, shows it done, with `directory` as
the provider that answers. Against the sum of what cannot be left out, each measured raw on the same servers while they
idle: a confirmed publish, a delivery (from a publish to the consumer that gets it), a commit of one row.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aio_pika
import aio_pika.abc
import grpc

from bench.figures import Result
from bench.harness import Rig
from bench.queue import Outgoing
from des.v1.contact_pb2 import ContactBatch
from des.v1.enrichment_pb2 import GetEnrichmentRequest
from des.v1.enrichment_pb2_grpc import EnrichmentServiceStub
from des.v1.ingest_pb2 import PushContactsRequest
from des.v1.ingest_pb2_grpc import IngestServiceStub

SAMPLES = 300
WARM_UP = 20
TARGET = 4.0
QUEUE = "bench.latency"

_INSERT = """
    insert into contact_twin (tenant, erid, batch_id, position, input, fields)
    values ('default', $1, gen_random_uuid(), 0, $2, $2)
"""
_DOCUMENT = '{"first_name": "Mara", "last_name": "Bolen", "company_name": "Company 1 Ltd"}'


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    samples = max(10, round(SAMPLES * scale))
    await rig.database.make_twin()
    (message, *_) = rig.population.messages(1, 1, rig.population.erids(1))
    publish_ms = await _median_ms(lambda: rig.queue.publish_one(message), samples)
    await rig.queue.purge()
    delivery_ms = await _delivery_ms(rig, message, samples)
    erid = rig.population.uuid()
    commit_ms = await _median_ms(lambda: rig.database.connection.execute(_INSERT, erid, _DOCUMENT), samples)
    async with rig.service() as service:
        messages = list(rig.population.messages(samples + WARM_UP, 1, rig.population.erids(samples + WARM_UP)))
        times_ms, polls = await asyncio.to_thread(_pushed_until_read_ms, service.ready["grpc"], messages)
    times_ms = sorted(times_ms[WARM_UP:])
    raw_ms = publish_ms + delivery_ms + commit_ms
    return Result(
        "latency",
        statistics.median(times_ms) / raw_ms,
        TARGET,
        {
            "median_ms": statistics.median(times_ms),
            "p95_ms": times_ms[int(len(times_ms) * 0.95)],
            "raw_ms": raw_ms,
            "confirmed_publish_ms": publish_ms,
            "delivery_ms": delivery_ms,
            "commit_ms": commit_ms,
            "reads_per_contact": polls / len(messages),
            "samples": samples,
        },
        at_least=False,
    )


async def _median_ms(act: Callable[[], Coroutine[Any, Any, object]], samples: int) -> float:
    times_ms = []
    for _ in range(samples + WARM_UP):
        started = time.perf_counter()
        await act()
        times_ms.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times_ms[WARM_UP:])


async def _delivery_ms(rig: Rig, message: Outgoing, samples: int) -> float:
    """Median from a publish into a quorum queue to its consumer; the wait for the confirm is not part of it."""
    queue = await rig.queue.channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    exchange = rig.queue.channel.default_exchange
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def take(delivery: aio_pika.abc.AbstractIncomingMessage) -> None:
        arrived.put_nowait(time.perf_counter())
        await delivery.ack()

    tag = await queue.consume(take)
    body = aio_pika.Message(message.body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    times_ms = []
    for _ in range(samples + WARM_UP):
        started = time.perf_counter()
        await exchange.publish(body, routing_key=QUEUE)
        times_ms.append((await arrived.get() - started) * 1e3)
    await queue.cancel(tag)
    await queue.delete(if_unused=False, if_empty=False)
    return statistics.median(times_ms[WARM_UP:])


def _pushed_until_read_ms(address: str, messages: list[Outgoing]) -> tuple[list[float], int]:
    """Milliseconds of each contact, and how often all of them were read."""
    with grpc.insecure_channel(address) as channel:
        ingest, enrichments = IngestServiceStub(channel), EnrichmentServiceStub(channel)
        times_ms, polls = [], 0
        for message in messages:
            request = PushContactsRequest(batch=ContactBatch.FromString(message.body))
            started = time.perf_counter()
            ingest.PushContacts(iter((request,)))
            polls += _read_until_done(enrichments, message.key)
            times_ms.append((time.perf_counter() - started) * 1e3)
    return times_ms, polls


def _read_until_done(enrichments: EnrichmentServiceStub, erid: str) -> int:
    for count in range(1, 100_000):
        try:
            if enrichments.GetEnrichment(GetEnrichmentRequest(erid=erid)).enrichment.progress.contacts_done:
                return count
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:  # not accepted yet
                raise
    raise TimeoutError(f"{erid} is not done")
