"""Leases on a real database: fair shares, takeover, hand-over, and the zombie that wakes up."""

import asyncio
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from uuid import uuid4

from des.actors.leases import LeaseKeeper
from des.clock import SystemClock
from des.limits import PARTITIONS
from des.store.leases import Leases
from des.store.postgres import Database
from des.testing.service import check_service_contract
from tests.integration.broker.waiting import until

ALL = set(range(PARTITIONS))


async def test_one_worker_holds_all_and_renewing_changes_nothing(database: Database) -> None:
    leases = Leases(database, uuid4())
    first = await leases.acquire_fair_share()
    assert set(first.held) == ALL
    assert not first.surplus
    assert await leases.acquire_fair_share() == first


async def test_a_new_worker_gets_what_the_others_give_back_each_under_a_new_epoch(database: Database) -> None:
    workers = [Leases(database, uuid4()) for _ in range(3)]
    old = (await workers[0].acquire_fair_share()).held
    assert not (await workers[1].acquire_fair_share()).held
    assert not (await workers[2].acquire_fair_share()).held
    share = await workers[0].acquire_fair_share()
    assert len(share.held) - len(share.surplus) == 22
    await workers[0].release(share.surplus)
    shares = [await worker.acquire_fair_share() for worker in workers]
    assert sorted(len(share.held) for share in shares) == [20, 22, 22]
    assert set().union(*(share.held for share in shares)) == ALL
    assert all(epoch == old[partition] + 1 for share in shares[1:] for partition, epoch in share.held.items())


async def test_a_clock_that_is_set_back_keeps_no_dead_worker_alive(database: Database) -> None:
    dead, heir = Leases(database, uuid4()), Leases(database, uuid4())
    await dead.acquire_fair_share()
    async with database.connection() as connection:
        await connection.execute("update worker set expires_at = expires_at + interval '1 hour'")
        await heir.acquire_fair_share()
        assert await connection.fetchval("select bool_and(expires_at < now() + interval '20 seconds') from worker")


async def test_many_workers_at_once_never_hold_the_same_partition(database: Database) -> None:
    workers = [Leases(database, uuid4()) for _ in range(8)]
    for _ in range(3):
        shares = await asyncio.gather(*(worker.acquire_fair_share() for worker in workers))
        held = [partition for share in shares for partition in share.held]
        assert len(held) == len(set(held))
        await asyncio.gather(*(worker.release(share.surplus) for worker, share in zip(workers, shares, strict=True)))
    shares = await asyncio.gather(*(worker.acquire_fair_share() for worker in workers))
    assert [len(share.held) for share in shares] == [8] * 8


async def test_the_leases_of_a_dead_worker_are_taken_over_and_it_learns_of_it(database: Database) -> None:
    zombie, heir = Leases(database, uuid4(), lease_s=0.05), Leases(database, uuid4())
    before = (await zombie.acquire_fair_share()).held
    taken: Mapping[int, int] = {}
    async with asyncio.timeout(10):
        while set(taken) != ALL:  # it may die between the count of the living and the taking: the rest comes next turn
            taken = (await heir.acquire_fair_share()).held
    assert set(taken) == ALL
    assert all(taken[partition] == before[partition] + 1 for partition in ALL)
    woken = await zombie.acquire_fair_share()
    assert not woken.held
    await zombie.release(ALL)  # of another's leases it releases none
    assert set((await heir.acquire_fair_share()).held) == ALL


async def test_a_takeover_passes_over_what_a_commit_holds_and_waits_for_nobody(database: Database) -> None:
    paused, heir = Leases(database, uuid4(), lease_s=0.01), Leases(database, uuid4())
    await paused.acquire_fair_share()
    async with database.transaction() as connection:
        await connection.execute("select from lease where partition = 7 for share")
        async with asyncio.timeout(10):
            while set((await heir.acquire_fair_share()).held) != ALL - {7}:
                pass
    assert set((await heir.acquire_fair_share()).held) == ALL


class Worker:
    """A keeper and what it was told."""

    def __init__(self, database: Database, *, lease_s: float = 15.0, renew_s: float = 0.05) -> None:
        self.working: dict[int, int] = {}
        self.drained: set[int] = set()
        self.may_drain = asyncio.Event()
        self.may_drain.set()
        self.keeper = LeaseKeeper(
            Leases(database, uuid4(), lease_s=lease_s),
            SystemClock(),
            on_gained=self._gained,
            on_lost=self._lost,
            on_release=self._release,
            lease_s=lease_s,
            renew_s=renew_s,
        )

    def _gained(self, partitions: Mapping[int, int]) -> None:
        assert not self.working.keys() & partitions.keys()
        self.working |= partitions

    def _lost(self, partitions: AbstractSet[int]) -> None:
        for partition in partitions:
            del self.working[partition]

    async def _release(self, partitions: AbstractSet[int]) -> None:
        self.drained |= partitions
        await self.may_drain.wait()


async def until_with(workers: list[Worker], holds: Callable[[], bool]) -> None:
    """Wait until it holds; at every look, no partition is worked twice."""

    def looked() -> bool:
        working = [partition for worker in workers for partition in worker.working]
        assert len(working) == len(set(working))
        return holds()

    await until(looked)


async def test_keepers_share_hand_over_and_take_back(database: Database) -> None:
    first, second, third = workers = [Worker(database) for _ in range(3)]
    await first.keeper.start()
    await until_with(workers, lambda: set(first.working) == ALL)
    first.may_drain.clear()
    await second.keeper.start()
    await until_with(workers, lambda: len(first.drained) == 32)
    assert not second.working  # not before the first has drained
    assert set(first.working) == ALL
    first.may_drain.set()
    await until_with(workers, lambda: [len(worker.working) for worker in workers[:2]] == [32, 32])
    await third.keeper.start()
    await until_with(workers, lambda: sorted(len(worker.working) for worker in workers) == [20, 22, 22])
    await first.keeper.stop()
    assert not first.working
    await until_with(workers, lambda: len(second.working) + len(third.working) == PARTITIONS)
    await second.keeper.stop()
    await until_with(workers, lambda: set(third.working) == ALL)
    await third.keeper.stop()


async def test_a_worker_that_cannot_renew_stops_before_anybody_takes_over(database: Database) -> None:
    worker = Worker(database, lease_s=0.6, renew_s=0.1)
    await worker.keeper.start()
    await until(lambda: set(worker.working) == ALL)
    async with database.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock(6451984522211)")  # no renewal gets through
        await until(lambda: not worker.working)
        alive = await connection.fetchval("select expires_at > clock_timestamp() from worker")
        assert alive
    await until(lambda: set(worker.working) == ALL)
    await worker.keeper.stop()


async def test_the_keeper_is_a_service(database: Database) -> None:
    await check_service_contract(lambda: Worker(database).keeper)
