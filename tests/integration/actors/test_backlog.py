"""The backlog of several workers: what one accepts another may finish, and neither rests for what is done."""

import asyncio
from uuid import UUID, uuid4

from des.actors.backlog import RECOUNT_RESTING_S, RECOUNT_S, Backlog
from des.clock import SystemClock
from des.contact import ContactBatch
from des.store.postgres import Database
from des.store.work import PostgresWorkStore
from des.wire.document import decode_json

HIGH_WATER = 4


class StepClock(SystemClock):
    """Sleeps until it is told to go on."""

    def __init__(self) -> None:
        self.slept: asyncio.Queue[float] = asyncio.Queue()
        self._go_on = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        """Note for how long, and wait to be told."""
        self.slept.put_nowait(seconds)
        await self._go_on.acquire()

    async def step(self) -> float:
        """Go on until the next sleep; answer what that is for."""
        self._go_on.release()
        return await self.slept.get()


def batch(contacts: int) -> ContactBatch:
    people = ",".join(f'{{"full_name": "p{number}"}}' for number in range(contacts))
    erid = UUID(int=uuid4().int)
    document = f'{{"erid": "{erid}", "contact_list": [{people}], "fields_to_be_enriched": ["email"]}}'
    return decode_json(document.encode(), "default", frozenset({"email"}))


async def test_a_worker_rests_for_all_that_is_accepted_and_for_nothing_that_is_finished(database: Database) -> None:
    clock, store = StepClock(), PostgresWorkStore(database, uuid4())
    mine = Backlog(store, clock, HIGH_WATER)
    await mine.start()
    try:
        assert await clock.slept.get() == RECOUNT_S
        mine.add(HIGH_WATER - 1)
        await store.accept([batch(HIGH_WATER - 1)], [], ())
        await store.accept([batch(1)], [], ())  # by another worker
        assert mine.contacts == HIGH_WATER - 1
        assert await clock.step() == RECOUNT_RESTING_S
        assert mine.contacts == HIGH_WATER
        resting = asyncio.ensure_future(mine.below())
        async with database.connection() as connection:  # another worker finishes all of them
            await connection.execute("update enrichment set contacts_done = contacts")
        await clock.step()
        await resting
        assert mine.contacts == 0
    finally:
        await mine.stop()


async def test_what_comes_while_it_is_counted_is_counted_once(database: Database) -> None:
    clock, store = StepClock(), PostgresWorkStore(database, uuid4())
    backlog = Backlog(store, clock)
    await backlog.start()
    try:
        await clock.slept.get()
        for _ in range(3):
            await store.accept([batch(2)], [], ())
            backlog.add(2)
            await clock.step()
        assert backlog.contacts == 6
    finally:
        await backlog.stop()
