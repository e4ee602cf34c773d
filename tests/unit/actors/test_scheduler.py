"""Who is let into work next: room, turns, small ones first, and what is parked."""

import asyncio

from des.actors.scheduler import CHUNK_CONTACTS, SMALL_ROOM, Scheduler
from des.clock import SystemClock
from des.limits import CONTACTS_PARKED_MAX
from tests.integration.broker.waiting import one_turn

ROOM = 16_384


class Line:
    """An ERID with contacts waiting; stands in line again as long as it has some, as an aggregator does."""

    def __init__(self, scheduler: Scheduler, contacts: int, tenant: str = "t", priority: int = 4) -> None:
        self.tenant, self.priority = tenant, priority
        self.in_line = False
        self.waiting = contacts
        self.grants: list[int] = []
        self._scheduler = scheduler

    @property
    def wants(self) -> int:
        return min(2_000, self.waiting)

    def granted(self, contacts: int) -> None:
        self.grants.append(contacts)
        self.waiting -= contacts

    def stand(self) -> "Line":
        self._scheduler.want(self)
        return self


def scheduler_full_of_others() -> tuple[Scheduler, list[Line]]:
    """All the room that large ones get is taken, and a thousand large ones stand in line."""
    scheduler = Scheduler(SystemClock(), ROOM)
    large = [Line(scheduler, 100_000).stand() for _ in range(1_000)]
    return scheduler, large


def test_a_small_one_is_let_in_at_once_behind_a_thousand_large_ones() -> None:
    scheduler, large = scheduler_full_of_others()
    assert scheduler.in_work <= ROOM - SMALL_ROOM + CHUNK_CONTACTS
    assert not large[-1].grants
    assert Line(scheduler, 1).stand().grants == [1]
    assert Line(scheduler, 32).stand().grants == [32]


def test_the_room_for_small_ones_ends_too_and_what_is_given_back_goes_to_them_first() -> None:
    scheduler, large = scheduler_full_of_others()
    before = [sum(line.grants) for line in large]
    small = [Line(scheduler, 32).stand() for _ in range(100)]
    assert scheduler.in_work == ROOM
    waiting = [line for line in small if not line.grants]
    assert waiting
    for line in waiting:
        scheduler.give_back(32)
        assert line.grants == [32]
    assert [sum(line.grants) for line in large] == before


def test_small_ones_of_one_tenant_do_not_keep_another_tenants_large_one() -> None:
    scheduler = Scheduler(SystemClock(), ROOM)
    filling = [Line(scheduler, 2_000, "a").stand() for _ in range(20)]
    assert any(not line.grants for line in filling)
    other = Line(scheduler, 5_000, "b").stand()
    scheduler.give_back(2_000)
    assert other.grants


def test_a_higher_priority_is_let_in_before_others_of_its_tenant() -> None:
    scheduler, large = scheduler_full_of_others()
    urgent = Line(scheduler, 100_000, priority=9).stand()
    scheduler.give_back(CHUNK_CONTACTS)
    assert urgent.grants == [CHUNK_CONTACTS]
    assert not large[-1].grants


def test_contacts_that_wait_for_a_paused_provider_take_no_room_from_others() -> None:
    scheduler, large = scheduler_full_of_others()
    before = sum(sum(line.grants) for line in large)
    scheduler.park(5_000)
    assert sum(sum(line.grants) for line in large) >= before + 4_000
    scheduler.park(10 * ROOM)
    assert scheduler.in_work <= ROOM + CONTACTS_PARKED_MAX
    scheduler.park(0)
    now = scheduler.in_work
    scheduler.give_back(1_000)
    assert scheduler.in_work == now - 1_000, "first it has to come down to the room there is"


async def test_what_is_parked_keeps_nobody_who_waits_for_the_end() -> None:
    scheduler = Scheduler(SystemClock(), ROOM)
    Line(scheduler, 10).stand()
    waiting = asyncio.ensure_future(scheduler.finished())
    await one_turn()
    assert not waiting.done()
    scheduler.park(10)
    async with asyncio.timeout(5):
        await waiting


def test_one_that_has_grown_since_it_stood_in_line_is_not_forgotten() -> None:
    scheduler, _ = scheduler_full_of_others()
    small = [Line(scheduler, 32).stand() for _ in range(100)]
    late = Line(scheduler, 20).stand()
    assert not late.grants
    late.waiting = 5_000
    for line in small:
        scheduler.give_back(sum(line.grants))
    assert late.grants
