"""What every Service promises about its life, as one check to put it through."""

import asyncio
from collections.abc import Awaitable, Callable

from des.lifecycle import Service


async def check_service_contract(make: Callable[[], Service]) -> None:
    """Put services made by `make` through every order of start and stop. Raises AssertionError or theirs."""
    before = asyncio.all_tasks()
    for life in (_never_started, _stopped_twice, _restarted, _start_cancelled):
        service = make()
        await life(service)
        if left := asyncio.all_tasks() - before:
            names = sorted(task.get_name() for task in left)
            raise AssertionError(f"{service.name} left tasks running after {life.__name__.strip('_')}: {names}")


async def _never_started(service: Service) -> None:
    await service.stop()
    await service.stop()


async def _stopped_twice(service: Service) -> None:
    await service.start()
    await service.stop()
    await service.stop()


async def _restarted(service: Service) -> None:
    for _ in range(3):
        await service.start()
        await service.stop()


async def _start_cancelled(service: Service) -> None:
    """Give a start up after some of its first turns of the event loop; the service must then still work."""
    for turns in (0, 1, 2, 5, 20):
        try:
            async with asyncio.timeout(0.0 if turns == 0 else None) as patience:
                await _counted(service.start, turns, patience)
        except TimeoutError:
            pass
        await service.stop()
    await service.start()
    await service.stop()


async def _counted(start: Callable[[], Awaitable[None]], turns: int, patience: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()

    def turn(left: int) -> None:
        if left == 0:
            patience.reschedule(loop.time())
        else:
            loop.call_soon(turn, left - 1)

    turn(turns)
    await start()
    patience.reschedule(None)
