"""How soon does one contact start that is pushed behind a million?

A million contacts in 1,000 ERIDs are pushed through the gRPC door, batches of 1,000, to a service whose provider
answers 1,280 times a second: all but a few wait. When the last batch is confirmed, single contacts of other ERIDs of
the same tenant are pushed, one after the other; the clock of each runs from the call that pushes it to the moment at
which the provider is asked about it. Twice: at once, while most of the million is on its way from the broker to
Postgres (`behind_pushed_s`), and again when all of it has been accepted and waits there (`behind_accepted_s`). The
answer is the slowest of all. `direct_s` is one that was published to the exchange right behind the million, by somebody
who knows of nothing but the exchange: it lies in the same queue, and no target is set for it.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence

import grpc

from bench import bare
from bench.counting_provider import MARK
from bench.figures import Result
from bench.harness import Rig
from bench.processes import Measured
from bench.queue import Outgoing
from des.v1.contact_pb2 import Contact, ContactBatch
from des.v1.ingest_pb2 import PushContactsRequest
from des.v1.ingest_pb2_grpc import IngestServiceStub

CONTACTS = 1_000_000
BATCH = 1_000
ERIDS = 1_000
DELAY_MS = 50
SAMPLES = 5
PAUSE_S = 0.3
START_TIMEOUT_S = 120.0
ACCEPT_TIMEOUT_S = 240.0
TARGET_S = 1.0


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    batches = max(10, round(CONTACTS * scale / BATCH))
    async with (
        rig.peer("counting_provider", "--delay-ms", str(DELAY_MS)) as provider,
        rig.service(settings=bare.settings(provider.ready["url"])) as service,
    ):
        big = rig.population.unique_messages(batches, BATCH, rig.population.erids(min(ERIDS, batches)))
        push_s = await asyncio.to_thread(_push_all, service.ready["grpc"], big)
        queued = await rig.queue.ready()
        direct = _single(rig, "Direct")
        started = time.monotonic()
        await rig.queue.publish_one(direct)
        pushed = await _starts(rig, service, provider, "Pushed")
        direct_s = await _started(provider, f"{MARK}Direct") - started
        async with asyncio.timeout(ACCEPT_TIMEOUT_S):
            while await rig.queue.ready() > 0:  # noqa: ASYNC110 - it is another process that takes
                await asyncio.sleep(0.2)
        waiting = await rig.database.waiting()
        accepted = await _starts(rig, service, provider, "Accepted")
    return Result(
        "fairness",
        max(pushed + accepted),
        TARGET_S,
        {
            "behind_pushed_s": pushed,
            "behind_accepted_s": accepted,
            "median_s": statistics.median(pushed + accepted),
            "direct_s": direct_s,
            "contacts": batches * BATCH,
            "seconds_to_push": push_s,
            "messages_in_queue": queued,
            "waiting_in_postgres": waiting,
        },
        at_least=False,
    )


async def _starts(rig: Rig, service: Measured, provider: Measured, what: str) -> list[float]:
    """Seconds until each of some single contacts was asked about."""
    seconds: list[float] = []
    for number in range(SAMPLES):
        name = f"{what}{number}"
        started = time.monotonic()
        await asyncio.to_thread(_push_all, service.ready["grpc"], iter([_single(rig, name)]))
        seconds.append(await _started(provider, MARK + name) - started)
        await asyncio.sleep(PAUSE_S)
    return seconds


async def _started(provider: Measured, name: str) -> float:
    """Wait until the provider was asked about somebody, and return when that was."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            marked: dict[str, float] = (await provider.ask(""))["marked"]
            if name in marked:
                return marked[name]
            await asyncio.sleep(0.02)


def _single(rig: Rig, name: str) -> Outgoing:
    (erid,) = rig.population.erids(1)
    batch = ContactBatch(erid=str(erid), batch_id=str(rig.population.uuid()), fields_to_be_enriched=[bare.FIELD])
    batch.contact_list.append(Contact(first_name=MARK + name, last_name="Doe", company_domain="sayprimer.com"))
    return Outgoing(str(erid), batch.SerializeToString())


def _push_all(address: str, messages: Iterator[Outgoing]) -> float:
    """Push by one stream and return the seconds until its summary."""
    with grpc.insecure_channel(address) as channel:
        requests: Sequence[PushContactsRequest] = [
            PushContactsRequest(batch=ContactBatch.FromString(message.body)) for message in messages
        ]
        started = time.monotonic()
        IngestServiceStub(channel).PushContacts(iter(requests))
        return time.monotonic() - started
