"""Is anybody asked about twice?

Ten copies of each person, in two spellings, from five ERIDs, through all three doors at once: gRPC, JSON over HTTP, and
AMQP straight to the exchange. The vendor is one that charges each time; its own book says about how many people it was
asked, and how often.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

import msgspec

from bench import vendor
from bench.figures import Result
from bench.harness import Rig
from des.contact import Contact
from des.message import PROTOBUF
from tests.faults.doors import AmqpDoor, Door, GrpcDoor, HttpDoor
from tests.faults.money_buyers import MoneyBatch

PEOPLE = 1_000
COPIES = 10
ERIDS = 5
BATCH = 50
TARGET = 1.0


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    people = vendor.people(max(BATCH, round(PEOPLE * scale)))
    contacts = len(people) * COPIES
    batches = _batches(rig, people)
    async with vendor.vendor(rig) as there:
        await there.prepare(latency_s=0.05)
        settings = vendor.settings(there.url, batch_max=10, concurrency=16)
        async with rig.service(settings=settings) as service, _doors(service.ready, rig.amqp_url) as doors:
            async with asyncio.TaskGroup() as group:
                for at, door in enumerate(doors):
                    group.create_task(door.push(batches[at :: len(doors)]))
            samples = await rig.database.until_done(contacts)
        book = await there.book()
    sources = await rig.database.sources(vendor.FIELD)
    return Result(
        "dedupe",
        book.calls / len(people),
        TARGET,
        {
            "people": len(people),
            "contacts": contacts,
            "people_asked_about": book.unique_people,
            "calls": book.calls,
            "requests": book.requests,
            "charged": book.charged,
            "seconds": samples[-1].at_s - samples[0].at_s,
            **{f"from_{source}": count for source, count in sources.items()},
        },
        at_least=False,
        further_met=book.unique_people == len(people),
    )


def _batches(rig: Rig, people: Sequence[Contact]) -> Sequence[MoneyBatch]:
    """Everybody ten times, twice for each ERID: as they are and in capitals, mixed anew for each."""
    chance = random.Random(1)
    loud = [msgspec.structs.replace(one, last_name=one.last_name.upper()) for one in people]
    batches: list[MoneyBatch] = []
    for erid in rig.population.erids(ERIDS):
        copies = [*people, *loud]
        chance.shuffle(copies)
        batches += [vendor.batch(erid, copies[at : at + BATCH]) for at in range(0, len(copies), BATCH)]
    chance.shuffle(batches)
    return batches


@contextlib.asynccontextmanager
async def _doors(ready: object, amqp_url: str) -> AsyncIterator[Sequence[Door]]:
    addresses = msgspec.convert(ready, dict[str, str | int])
    grpc, http = (str(addresses[name]) for name in ("grpc", "http"))
    doors = (GrpcDoor(grpc), HttpDoor(http), AmqpDoor(amqp_url, PROTOBUF))
    try:
        yield doors
    finally:
        for door in doors:
            await door.close()
