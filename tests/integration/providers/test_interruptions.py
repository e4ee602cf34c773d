"""A worker stops, freezes, has no Postgres, meets a cancellation: whatever interrupts it, nothing paid is lost."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from des.actors.committer import Committer
from des.clock import SystemClock
from des.contact import Contact
from des.errors import StoreUnavailable
from des.ledger import Amount, Claim, Key, Verdict, new_call_id
from des.providers.claimer import Claimer
from des.providers.contract import Outcome, OutcomeKind, Question, Replay
from des.providers.paying import Terms
from des.sandbox.server import Sandbox
from des.store.contract import Commit, CommitUnit, partition_of
from des.store.ledger import orphan
from des.store.postgres import Database
from des.store.work import PostgresWorkStore
from tests.faults.money_office import Office, plain_ledger
from tests.integration.broker.waiting import until
from tests.integration.providers.saying import (
    CREDIT,
    ERID,
    FIELD,
    JACK,
    JANE,
    JOHN,
    PARTITION,
    Says,
    at_work,
    states,
)


class Leaks(Says):
    """Lets a cancellation of its own out, again and again, and is well then."""

    def __init__(self, times: int) -> None:
        super().__init__({})
        self.traits = dataclasses.replace(self.traits, slots=2)
        self._times = times

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Fail as asyncio does where a task was cancelled that is awaited."""
        if self._times > 0:
            self._times -= 1
            raise asyncio.CancelledError
        return await super().ask(questions)


async def test_a_cancellation_that_a_provider_lets_out_costs_no_slot(database: Database, sandbox: Sandbox) -> None:
    async with at_work(database, sandbox, Leaks(3)) as office:
        await office.ask(ERID, [JOHN, JANE, JACK, Contact(first_name="Jo", last_name="Doe", company_domain="acme.com")])
        await office.finished(4)
        assert await states(office) == {"settled": 1, "unknown": 3}


class TakesItsTime(Says):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Wait."""
        self.asked.set()
        await self.answers.wait()
        return await super().ask(questions)


async def test_what_is_answered_while_a_worker_stops_is_settled(database: Database, sandbox: Sandbox) -> None:
    """Its actors are gone by then, and the commit is the last that is stopped."""
    vendor = TakesItsTime()
    async with at_work(database, sandbox, vendor) as office:
        await office.ask(ERID, [JOHN, JANE])
        await vendor.asked.wait()
        await office.holds(lambda: office.dispatcher.in_flight > 0)
        office.lose_leases()
        asyncio.get_running_loop().call_soon(vendor.answers.set)
    async with database.connection() as connection:
        rows = await connection.fetch("select state, charged::int as charged from call")
    assert {row["state"] for row in rows} <= {"settled", "released"}, "nothing is left for a person to look after"
    assert sum(row["charged"] for row in rows) == 2 * CREDIT * sum(row["state"] == "settled" for row in rows) > 0


class Out(PostgresWorkStore):
    """Takes no commit while it is out."""

    out = False
    tries = 0

    async def commit(self, *units: Any, **how: Any) -> Commit:
        """See WorkStore."""
        if self.out:
            self.tries += 1
            raise StoreUnavailable("out")
        return await super().commit(*units, **how)


class Nobody:
    """Whose units are committed."""

    units_in_flight = 1

    def committed(self, _: object) -> None:
        """Hear of it."""


async def test_nothing_is_bought_while_no_commit_lands(database: Database) -> None:
    owner = uuid4()
    async with database.connection() as connection:
        await connection.execute("update lease set owner = $1, epoch = 1", owner)
    store = Out(database, owner)
    committer = Committer(store, SystemClock(), lambda *_: None, print, print, in_work=lambda: 0)
    claimer = Claimer(plain_ledger(database, owner))
    claimer.landing = committer.landing
    await committer.start()
    await claimer.start()
    try:
        store.out = True
        unit = CommitUnit("default", ERID, PARTITION, 1, ())
        committer.submit(unit, cast("Any", Nobody()))
        await until(lambda: store.tries > 0)
        claim = Claim(new_call_id(), Key("default", "says", FIELD, "p"), ERID, PARTITION, 1, Amount(CREDIT))
        claiming = asyncio.ensure_future(claimer.claim([claim]))
        await until(lambda: store.tries > 2)
        assert not claiming.done()
        store.out = False
        (decision,) = await claiming
        assert decision.verdict is Verdict.CLAIMED
    finally:
        await claimer.stop()
        await committer.stop()


class Replayed(Says):
    """Sent a question twice: the first sending fails when it is told to, the second is answered."""

    def __init__(self, first: Outcome) -> None:
        super().__init__({})
        self.traits = dataclasses.replace(self.traits, replay=Replay.FREE_FOR_LIFE)
        self.asked = 0
        self.fails = asyncio.Event()
        self.answers = asyncio.Event()
        self._first = first

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Say it when it is time."""
        self.asked += 1
        if self.asked > 1:
            await self.answers.wait()
            return await super().ask(questions)
        await self.fails.wait()
        return [self._first] * len(questions)


async def has_the_last_word(successor: Office, frozen: Office, vendor: Replayed) -> None:
    """Fail where the call that the successor has sent again ends by what the frozen worker hears of its own sending."""
    await successor.holds(lambda: vendor.asked == 2)
    vendor.fails.set()
    await frozen.holds(lambda: not frozen.dispatcher.in_flight and frozen.engine.committer.groups > 0)
    assert await states(successor) == {"claimed": 1}
    vendor.answers.set()
    await successor.finished(1)
    assert await states(successor) == {"settled": 1}
    assert await successor.value("select array[spent, reserved] from budget where scope = 'tenant'") == [2 * CREDIT, 0]


@pytest.mark.parametrize("first", [OutcomeKind.TRANSIENT, OutcomeKind.UNKNOWN, OutcomeKind.QUOTA_EXHAUSTED])
async def test_what_a_frozen_worker_did_not_hear_says_nothing_of_its_successors_call(
    database: Database, sandbox: Sandbox, first: OutcomeKind
) -> None:
    vendor = Replayed(Outcome(first))
    async with at_work(database, sandbox, vendor) as frozen:
        await frozen.ask(ERID, [JOHN])
        await frozen.holds(lambda: vendor.asked == 1)
        async with at_work(database, sandbox, vendor, epoch=2) as successor:
            await has_the_last_word(successor, frozen, vendor)
            (result,) = await successor.results()
    assert result.cost == 2.0


async def test_a_frozen_worker_is_told_from_another_with_the_same_epoch(database: Database, sandbox: Sandbox) -> None:
    """Epochs are those of partitions: that of a successor in another partition may be the same number."""
    other = next(UUID(int=n) for n in range(2, 500) if partition_of("default", UUID(int=n)) != PARTITION)
    vendor = Replayed(Outcome(OutcomeKind.TRANSIENT))
    frozen, successor = (
        Office(database, sandbox, vendor, plain_ledger, terms=Terms(), partitions=[partition])
        for partition in (PARTITION, partition_of("default", other))
    )
    await frozen.start()
    await successor.start()
    try:
        await frozen.ask(ERID, [JOHN])
        await frozen.holds(lambda: vendor.asked == 1)
        third = uuid4()
        await frozen.execute("update lease set owner = $1, epoch = 2 where partition = $2", third, PARTITION)
        await orphan(database, third, PARTITION, 2)
        await successor.ask(other, [JOHN])
        await has_the_last_word(successor, frozen, vendor)
    finally:
        await frozen.stop()
        await successor.stop()
