"""How many requests does a vendor see that takes 100 people in one?

Contacts reach DES as they do in life: in small batches, of several ERIDs, through the queue. Those of any ERID ride one
request. The vendor is People Data Labs of the sandbox, asked with 100 people at most; its own book counts the requests.
Ten a thousand contacts is the least there can be.
"""

from bench import vendor
from bench.figures import Result
from bench.harness import Rig
from bench.queue import Outgoing

CONTACTS = 2_900
BATCH = 20
ERIDS = 25
PEOPLE_PER_REQUEST = 100
LATENCY_S = 0.2
TARGET = 12.0


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    people = vendor.people(max(1_000, round(CONTACTS * scale)))
    erids = rig.population.erids(ERIDS)
    batches = [vendor.batch(erids[at // BATCH % ERIDS], people[at : at + BATCH]) for at in range(0, len(people), BATCH)]
    messages = [Outgoing(str(one.erid), one.message.SerializeToString()) for one in batches]
    async with vendor.vendor(rig) as there:
        await there.prepare(LATENCY_S)
        settings = vendor.settings(there.url, PEOPLE_PER_REQUEST, concurrency=16)
        async with rig.service(settings=settings) as service:
            rate = await rig.pushed_through(service, messages, len(people))
        book = await there.book()
    per_thousand = book.requests / len(people) * 1_000
    return Result(
        "bulk",
        per_thousand,
        TARGET,
        {
            "requests": book.requests,
            "people_asked_about": book.calls,
            "people_per_request": book.calls / book.requests,
            "contacts": len(people),
            "contacts_per_s": rate.contacts_per_s,
            **await rig.database.shares(),
        },
        at_least=False,
    )
