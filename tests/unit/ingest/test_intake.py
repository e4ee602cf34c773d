"""Intake: one message at once, small batches together while confirms are out, nothing taken back, nothing lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from des.broker.contract import INGEST_EXCHANGE, SMALL_EXCHANGE
from des.contact import ContactBatch
from des.errors import BrokerUnavailable, Overloaded, TransientError
from des.ingest import intake as intake_module
from des.ingest.intake import PACED_BATCHES, Intake, Kind
from des.limits import (
    INTAKE_PUBLISHES_IN_FLIGHT_MAX,
    MESSAGE_BYTES_MAX,
    SET_CONTACTS_MAX,
    SMALL_MESSAGE_CONTACTS_MAX,
)
from des.message import BATCH_SET_TYPE, BATCH_TYPE
from des.testing.service import check_service_contract
from des.wire import TenantResolver, decode_delivery
from tests.ingest_publisher import HeldPublisher, encoded
from tests.wire_samples import KNOWN

TENANTS = TenantResolver({}, own_user="des")


@pytest.fixture
async def publisher() -> HeldPublisher:
    return HeldPublisher()


@pytest.fixture
async def intake(publisher: HeldPublisher) -> AsyncIterator[Intake]:
    intake = Intake(publisher)
    await intake.start()
    yield intake
    publisher.confirm_all()
    await intake.stop()


def received(publisher: HeldPublisher, number: int) -> list[ContactBatch]:
    units = decode_delivery(publisher.messages[number].delivery, TENANTS, KNOWN)
    return [unit for unit in units if isinstance(unit, ContactBatch)]


async def send_one(intake: Intake, publisher: HeldPublisher, contacts: int = 1) -> None:
    """Have a set in flight."""
    intake.submit(encoded("early", contacts=contacts))
    await publisher.arrived(1)


async def test_it_keeps_the_service_contract() -> None:
    await check_service_contract(lambda: Intake(HeldPublisher()))


async def test_a_batch_goes_out_at_once_as_itself(intake: Intake, publisher: HeldPublisher) -> None:
    batch = encoded("John")
    confirmed = intake.submit(batch)
    await publisher.arrived(1)
    sent = publisher.messages[0].delivery
    assert (sent.type, sent.routing_key, sent.body) == (BATCH_TYPE, str(batch.erid), batch.payload)
    assert not confirmed.done()
    publisher.confirm(0)
    await confirmed
    assert intake.bytes_unconfirmed == 0


async def test_what_has_few_contacts_goes_to_a_queue_of_its_own_and_never_rides_with_the_large(
    intake: Intake, publisher: HeldPublisher
) -> None:
    large = SMALL_MESSAGE_CONTACTS_MAX + 1
    await send_one(intake, publisher, large)
    intake.submit(encoded("large", contacts=large))
    intake.submit(encoded("John"))
    await publisher.arrived(2)
    sent = [one.delivery for one in publisher.messages]
    assert [one.queue for one in sent] == [INGEST_EXCHANGE, SMALL_EXCHANGE]
    assert [len(batch.contacts) for batch in received(publisher, 1)] == [1]


async def test_small_batches_that_are_many_together_are_as_large_as_any(
    intake: Intake, publisher: HeldPublisher
) -> None:
    await send_one(intake, publisher)
    for number in range(SMALL_MESSAGE_CONTACTS_MAX + 1):
        intake.submit(encoded(f"late{number}"))
    publisher.confirm(0)
    await publisher.arrived(2)
    assert publisher.messages[1].delivery.queue == INGEST_EXCHANGE


async def test_batches_that_come_while_confirms_are_out_share_the_next_message(
    intake: Intake, publisher: HeldPublisher
) -> None:
    await send_one(intake, publisher)
    waiting = [intake.submit(encoded(f"late{number}")) for number in range(100)]
    publisher.confirm(0)
    await publisher.arrived(2)
    assert publisher.messages[-1].delivery.type == BATCH_SET_TYPE
    assert [batch.contacts[0].first_name for batch in received(publisher, -1)] == [f"late{n}" for n in range(100)]
    assert not any(future.done() for future in waiting)
    publisher.confirm(-1)
    await asyncio.gather(*waiting)


async def test_who_has_batches_to_supply_is_called_once_when_small_ones_can_go_out(
    intake: Intake, publisher: HeldPublisher
) -> None:
    calls = list[str]()

    def supply() -> None:
        calls.append("called")
        intake.submit(encoded("supplied"))

    await send_one(intake, publisher)
    intake.call(Kind("default", small=True), supply)
    intake.submit(encoded("waits"))
    other = intake.submit(encoded("other", tenant="another"))
    await publisher.arrived(2)
    assert not calls
    publisher.confirm_all()
    await other
    await publisher.arrived(3)
    assert calls == ["called"]
    assert [batch.contacts[0].first_name for batch in received(publisher, 2)] == ["waits", "supplied"]


async def test_who_has_large_batches_to_supply_does_not_wait_for_small_ones(
    intake: Intake, publisher: HeldPublisher
) -> None:
    calls = list[str]()

    def supply_large() -> None:
        calls.append("large")
        intake.submit(encoded("large", contacts=200))

    await send_one(intake, publisher)
    intake.call(Kind("default", small=True), lambda: calls.append("small"))
    intake.call(Kind("default", small=False), supply_large)
    await publisher.arrived(2)
    assert calls == ["large"]
    assert [len(batch.contacts) for batch in received(publisher, 1)] == [200]


@pytest.mark.parametrize(("batches", "goes"), [(PACED_BATCHES - 1, True), (PACED_BATCHES, False)])
async def test_behind_many_batches_the_next_set_goes_a_while_after_them(
    intake: Intake, publisher: HeldPublisher, monkeypatch: pytest.MonkeyPatch, batches: int, goes: bool
) -> None:
    monkeypatch.setattr(intake_module, "SMALL_PACE_S", 3600.0)
    confirmed = [intake.submit(encoded(f"early{number}")) for number in range(batches)]
    await publisher.arrived(1)
    intake.submit(encoded("late"))
    publisher.confirm(0)
    await asyncio.gather(*confirmed)
    full = intake.submit(encoded("full", "another", contacts=SET_CONTACTS_MAX))  # as a sign that it has looked around
    await publisher.arrived(2)
    late = [batch.contacts[0].first_name for n in range(1, len(publisher.messages)) for batch in received(publisher, n)]
    assert ("late" in late) is goes
    publisher.confirm_all()
    await full
    await intake.drain()
    assert len(publisher.messages) == 3


async def test_suppliers_that_take_long_are_called_in_several_turns(
    intake: Intake, publisher: HeldPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "SUPPLY_S_MAX", 1e-9)
    turns = list[int]()

    def supply() -> None:
        turns.append(intake.suppliers)
        if not intake.suppliers:
            intake.submit(encoded("last"))

    for _ in range(3):
        intake.call(Kind("default", small=True), supply)
    await publisher.arrived(1)
    assert turns == [2, 1, 0]


async def test_suppliers_of_one_kind_that_take_long_let_others_have_their_turn(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "SUPPLY_S_MAX", 1e-9)
    turns = list[str]()
    over = asyncio.Event()

    def supply_again() -> None:
        turns.append("busy")
        if len(turns) < 20:
            intake.call(Kind("busy", small=False), supply_again)
        else:
            over.set()

    intake.call(Kind("busy", small=False), supply_again)
    intake.call(Kind("busy", small=False), supply_again)
    intake.call(Kind("other", small=True), lambda: turns.append("other"))
    await over.wait()
    assert turns[:2] == ["busy", "other"]


async def test_batches_of_one_turn_of_the_loop_share_a_message(intake: Intake, publisher: HeldPublisher) -> None:
    for number in range(10):
        intake.submit(encoded(f"n{number}"))
    await publisher.arrived(1)
    assert len(received(publisher, 0)) == 10


async def test_a_full_set_does_not_wait_for_those_that_are_not(intake: Intake, publisher: HeldPublisher) -> None:
    await send_one(intake, publisher, 200)
    intake.submit(encoded("many", contacts=SET_CONTACTS_MAX))
    await publisher.arrived(2)
    intake.submit(encoded("some", contacts=200))
    intake.submit(encoded("many", contacts=SET_CONTACTS_MAX - 200))
    intake.submit(encoded("others", contacts=300))
    await publisher.arrived(3)
    assert [len(batch.contacts) for batch in received(publisher, -1)] == [200, SET_CONTACTS_MAX - 200]


async def test_a_tenants_small_batch_does_not_wait_for_anothers_large_ones(
    intake: Intake, publisher: HeldPublisher
) -> None:
    for number in range(INTAKE_PUBLISHES_IN_FLIGHT_MAX + 5):
        intake.submit(encoded(f"large{number}", "big", contacts=SET_CONTACTS_MAX))
    intake.submit(encoded("John", "small"))
    await publisher.arrived(INTAKE_PUBLISHES_IN_FLIGHT_MAX + 1)
    assert [batch.tenant for batch in received(publisher, -1)] == ["small"]


async def test_tenants_never_share_a_message(intake: Intake, publisher: HeldPublisher) -> None:
    for tenant in ("a", "b", "a", "default", "b"):
        intake.submit(encoded("John", tenant))
    await publisher.arrived(3)
    assert sorted([batch.tenant for batch in received(publisher, number)] for number in range(3)) == [
        ["a", "a"],
        ["b", "b"],
        ["default"],
    ]


async def test_a_large_batch_goes_out_in_parts_and_is_confirmed_by_all_of_them(
    intake: Intake, publisher: HeldPublisher
) -> None:
    confirmed = intake.submit(encoded("John", contacts=25_000))
    await publisher.arrived(3)
    parts = [part for number in range(3) for part in received(publisher, number)]
    assert sorted((part.part, part.parts, part.first_position) for part in parts) == [
        (0, 3, 0),
        (1, 3, 10_000),
        (2, 3, 20_000),
    ]
    assert all(len(published.delivery.body) <= MESSAGE_BYTES_MAX for published in publisher.messages)
    publisher.confirm(0, 2)
    assert await asyncio.wait((confirmed,), timeout=0.01) == (set(), {confirmed})
    publisher.confirm(1)
    await confirmed


@pytest.mark.parametrize("error", [Overloaded("alarm", 5.0), BrokerUnavailable()])
async def test_a_refusal_reaches_everyone_in_the_message(
    intake: Intake, publisher: HeldPublisher, error: TransientError
) -> None:
    pushes = asyncio.gather(*(intake.push(encoded(f"n{n}")) for n in range(3)), return_exceptions=True)
    await publisher.arrived(1)
    publisher.refuse(0, error)
    assert await pushes == [error] * 3
    assert intake.bytes_unconfirmed == 0


async def test_it_counts_the_contacts_it_has_taken_and_what_became_of_them(
    intake: Intake, publisher: HeldPublisher
) -> None:
    confirmed, refused = intake.submit(encoded("John", contacts=3)), intake.submit(encoded("Jane", "other", contacts=2))
    await publisher.arrived(2)
    assert (intake.contacts_taken, intake.contacts_confirmed, intake.contacts_failed) == (5, 0, 0)
    publisher.confirm(0)
    publisher.refuse(1, Overloaded("queue full"))
    await asyncio.wait((confirmed, refused))
    await intake.drain()
    assert (intake.contacts_taken, intake.contacts_confirmed, intake.contacts_failed) == (5, 3, 2)


async def test_a_part_that_is_refused_fails_its_batch(intake: Intake, publisher: HeldPublisher) -> None:
    confirmed = intake.submit(encoded("John", contacts=25_000))
    await publisher.arrived(3)
    publisher.confirm(0, 1)
    publisher.refuse(2, Overloaded())
    with pytest.raises(Overloaded):
        await confirmed


async def test_a_caller_that_leaves_does_not_take_its_batch_back(intake: Intake, publisher: HeldPublisher) -> None:
    async with asyncio.TaskGroup() as callers:
        stays = callers.create_task(intake.push(encoded("stays")))
        leaves = callers.create_task(intake.push(encoded("leaves")))
        await publisher.arrived(1)
        leaves.cancel()
        publisher.confirm(0)
    assert leaves.cancelled()
    assert stays.done()
    assert len(received(publisher, 0)) == 2


async def test_above_its_bound_it_takes_nothing_more(publisher: HeldPublisher) -> None:
    first, second = encoded("first"), encoded("second")
    intake = Intake(publisher, bytes_max=len(first.payload))
    async with asyncio.TaskGroup() as callers:
        callers.create_task(intake.push(first))
        callers.create_task(intake.push(second))
        await publisher.arrived(1)
        assert not intake.has_room
        assert intake.bytes_unconfirmed == len(first.payload)
        publisher.confirm(0)
        await publisher.arrived(2)
        publisher.confirm(1)
    await intake.stop()


async def test_a_drain_confirms_what_was_taken_and_takes_nothing_more(intake: Intake, publisher: HeldPublisher) -> None:
    await send_one(intake, publisher)
    late = intake.submit(encoded("late"))
    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(intake.drain())
        assert await asyncio.wait((drain,), timeout=0.01) == (set(), {drain})
        with pytest.raises(TransientError):
            await intake.push(encoded("too late"))
        publisher.confirm_all()
    assert late.done()
    assert intake.bytes_unconfirmed == 0


async def test_a_stop_that_is_cut_short_fails_what_has_not_gone_out(publisher: HeldPublisher) -> None:
    intake = Intake(publisher)
    await intake.start()
    await send_one(intake, publisher)
    waiting = intake.submit(encoded("late"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await intake.stop()
    assert isinstance(waiting.exception(), TransientError)
    assert intake.bytes_unconfirmed == 0


async def test_a_stop_that_is_cut_short_leaves_nobody_waiting(publisher: HeldPublisher) -> None:
    intake = Intake(publisher)
    await intake.start()
    confirmed = intake.submit(encoded("John"))
    await publisher.arrived(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await intake.stop()
    with pytest.raises(TransientError):
        await confirmed
