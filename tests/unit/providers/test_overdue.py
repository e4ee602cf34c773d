"""Calls that are over their limit are cancelled, all others are let alone."""

import asyncio

import pytest

from des.providers.overdue import Overdue, current_task


async def test_a_call_over_the_limit_is_cancelled_and_knows_why() -> None:
    overdue = Overdue(0.01)
    task = current_task()
    overdue.begin(task)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    assert overdue.is_cause(task)
    assert task.cancelling() == 0
    overdue.end(task)


async def test_each_call_has_the_whole_limit() -> None:
    overdue = Overdue(1.0)
    loop = asyncio.get_running_loop()
    for _ in range(4):
        task = current_task()
        overdue.begin(task)
        await asyncio.wait([loop.create_future()], timeout=0.3)
        assert not overdue.is_cause(task)
        overdue.end(task)


async def test_a_cancellation_by_somebody_else_is_not_taken_for_its_own() -> None:
    overdue = Overdue(10.0)
    entered = asyncio.Event()

    async def call() -> bool:
        task = current_task()
        overdue.begin(task)
        entered.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return overdue.is_cause(task)
        finally:
            overdue.end(task)
        return True

    task = asyncio.create_task(call())
    await entered.wait()
    task.cancel()
    assert await task is False
    overdue.stop()


async def test_one_call_over_the_limit_leaves_the_next_one_its_timer() -> None:
    overdue = Overdue(0.03)
    causes = []

    async def call() -> None:
        task = current_task()
        overdue.begin(task)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            causes.append(overdue.is_cause(task))
        finally:
            overdue.end(task)

    first = asyncio.create_task(call())
    await asyncio.wait([first], timeout=0.01)
    await asyncio.gather(first, asyncio.create_task(call()))
    assert causes == [True, True]
