"""Workers share what a vendor permits: on a real database, against a vendor that counts and refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

from des.actors.leases import LeaseKeeper
from des.clock import SystemClock
from des.config_providers import HttpProviderConfig
from des.contact import Contact, FieldType
from des.ledger import Saving, Settlement
from des.options import UNSAID
from des.portion import Portion
from des.providers.ask import Ask
from des.providers.contract import Outcome, OutcomeKind, Question
from des.providers.dispatcher import Dispatcher
from des.providers.http import HttpProvider
from des.providers.values import Values
from des.providers.waterfall import Step, Waterfall
from des.store.contract import Share
from des.store.leases import Leases
from des.store.postgres import Database
from des.testing.sandbox import sandbox_thread

RATES = ((12, 1.0), (30, 3.0))
FIELD = "professional_email"
STEP = Waterfall({FIELD: ("plain",)}, {"plain": frozenset({FIELD})}).start((FIELD,))[0]


async def adopted(leases: Leases) -> Share:
    """Renew until this worker has told that it divides by the list there is now."""
    share = await leases.acquire_fair_share("")
    return await leases.acquire_fair_share(share.division.sharing)


async def test_a_worker_alone_has_everything_at_once(database: Database) -> None:
    division = (await Leases(database, uuid4()).acquire_fair_share("")).division
    assert (division.place, division.workers, division.agreed, division.quiet_s) == (0, 1, True, None)


async def test_a_division_is_agreed_on_when_all_others_have_told_that_they_go_by_it(database: Database) -> None:
    first, second = Leases(database, uuid4()), Leases(database, uuid4())
    alone = (await adopted(first)).division.sharing
    joined = (await second.acquire_fair_share("")).division
    assert not joined.agreed
    assert joined.sharing != alone
    assert not (await second.acquire_fair_share(joined.sharing)).division.agreed
    told = await first.acquire_fair_share(alone)
    assert told.division.sharing == joined.sharing
    assert not (await second.acquire_fair_share(joined.sharing)).division.agreed, "the first was told, and not heard"
    await first.acquire_fair_share(joined.sharing)
    agreed = (await second.acquire_fair_share(joined.sharing)).division
    assert agreed.agreed
    assert agreed.quiet_s is not None
    assert agreed.quiet_s < 5
    assert {agreed.place, told.division.place} == {0, 1}


async def test_what_one_that_left_has_sent_is_remembered(database: Database) -> None:
    gone, heir = Leases(database, uuid4()), Leases(database, uuid4())
    await adopted(gone)
    await gone.leave()
    division = (await heir.acquire_fair_share("")).division
    assert (division.workers, division.agreed) == (1, True)
    assert division.quiet_s is not None
    assert 0 <= division.quiet_s < 5


async def test_parts_go_round_where_a_rate_permits_less_than_there_are_workers(database: Database) -> None:
    workers = [Leases(database, uuid4(), rates=((1, 0.001),), turn_s=0.02) for _ in range(3)]
    for worker in workers:
        await worker.acquire_fair_share("")
    had_it: set[int] = set()
    async with asyncio.timeout(20):
        while had_it != {0, 1, 2}:
            for number, worker in enumerate(workers):
                division = (await worker.acquire_fair_share("")).division
                if Portion(division.place, division.workers).share_of(1):
                    had_it.add(number)


class Endless:
    """Has a question for every answer."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.tenant, self.erid, self.partition, self.epoch = "t", UUID(int=1), 0, 1
        self.withdraws, self.options = False, UNSAID.options
        self.answers = 0
        self.refusals = 0
        self._dispatcher = dispatcher
        self._heard = asyncio.Event()

    async def hears(self, count: int) -> None:
        """Wait for so many answers more."""
        wanted = self.answers + count
        async with asyncio.timeout(20):
            while self.answers < wanted:
                self._heard.clear()
                await self._heard.wait()

    def submit(self, count: int) -> None:
        assert STEP is not None
        contact = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
        questions = [Question("t", contact, STEP.asks)] * count
        self._dispatcher.submit(Ask("t", self.erid, STEP, self, [None] * count, questions=questions))

    def answered(
        self,
        step: Step,
        items: Sequence[Any],
        outcomes: Sequence[Outcome],
        settlements: Sequence[Settlement] = (),
        savings: Sequence[Saving] = (),
    ) -> None:
        self.answers += len(items)
        self.refusals += sum(outcome.kind is OutcomeKind.RATE_LIMITED for outcome in outcomes)
        self.submit(len(items))
        self._heard.set()

    def over_budget(self, step: Step, items: Sequence[Any], scope: str) -> None:
        raise AssertionError("nothing here is paid")

    def settle(self, settlements: Sequence[Settlement]) -> None:
        raise AssertionError("nothing here is paid")

    def withdrawn(self, step: Step, items: Sequence[Any]) -> None:
        raise AssertionError("nothing is withdrawn")


@contextlib.asynccontextmanager
async def worker(database: Database, url: str) -> AsyncIterator[Endless]:
    """A worker's leases and its way to the vendor, with questions without end."""
    clock = SystemClock()
    config = HttpProviderConfig.model_validate({
        "kind": "http",
        "concurrency": 16,
        "rate": [{"count": count, "per_s": per_s} for count, per_s in RATES],
        "request": {"url": f"{url}/lookup", "query": {"first_name": "{first_name}", "last_name": "{last_name}"}},
        "values": {FIELD: {"path": "data.email"}},
    })  # fmt: skip
    dispatcher = Dispatcher(HttpProvider("plain", config, {FIELD: FieldType.EMAIL}, Values(), clock), clock)
    dispatcher.allot(None)

    async def release(_: object) -> None:
        pass

    keeper = LeaseKeeper(
        Leases(database, uuid4(), lease_s=2.0, rates=RATES),
        clock,
        on_gained=lambda _: None,
        on_lost=lambda _: None,
        on_release=release,
        on_portion=dispatcher.allot,
        lease_s=2.0,
        renew_s=0.2,
    )
    await dispatcher.start()
    await keeper.start()
    endless = Endless(dispatcher)
    endless.submit(64)
    try:
        yield endless
    finally:
        await dispatcher.stop()
        await keeper.stop()


async def test_two_workers_never_pass_the_rate_together_while_one_comes_and_goes(database: Database) -> None:
    with sandbox_thread() as far_end:
        book = far_end.sandbox.desk.books["plain"]
        book.windows = RATES
        async with worker(database, far_end.sandbox.url) as first:
            await first.hears(12)
            async with worker(database, far_end.sandbox.url) as second:
                await second.hears(12)
            await first.hears(30)
        assert book.refused == 0
        assert first.refusals == second.refusals == 0
