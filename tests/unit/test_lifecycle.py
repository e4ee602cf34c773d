"""Services start downstream first and stop in reverse; a task owner loses no failure and leaves no task."""

import asyncio
import os
import signal

import pytest

from des.lifecycle import Services, TaskOwner, run_until_signal
from des.testing.service import check_service_contract


class Recorder:
    """A service that writes down what happens to it."""

    def __init__(self, name: str, history: list[str], start_error: Exception | None = None) -> None:
        self.name = name
        self._history = history
        self._start_error = start_error

    async def start(self) -> None:
        self._history.append(f"start {self.name}")
        if self._start_error is not None:
            raise self._start_error

    async def stop(self) -> None:
        self._history.append(f"stop {self.name}")


class Stubborn:
    """A service whose stop takes for ever, once it is told to stop."""

    name = "stubborn"

    def __init__(self) -> None:
        self.asked_to_stop = asyncio.Event()

    async def start(self) -> None:
        self.asked_to_stop.clear()

    async def stop(self) -> None:
        self.asked_to_stop.set()
        await asyncio.Event().wait()


class Ticker:
    """A service with a task, as most are."""

    name = "ticker"

    def __init__(self) -> None:
        self._tasks = TaskOwner("ticker")

    async def start(self) -> None:
        ticking = asyncio.Event()
        self._tasks.spawn(self._tick(ticking), "tick")
        await ticking.wait()

    async def stop(self) -> None:
        await self._tasks.close()

    async def _tick(self, ticking: asyncio.Event) -> None:
        ticking.set()
        await asyncio.Event().wait()


async def test_services_start_in_order_and_stop_in_reverse() -> None:
    history: list[str] = []
    services = Services([Recorder("store", history), Recorder("intake", history)])
    await services.start()
    await services.stop()
    assert history == ["start store", "start intake", "stop intake", "stop store"]


async def test_a_failing_start_stops_what_had_begun_and_nothing_else() -> None:
    history: list[str] = []
    bad = Recorder("broker", history, start_error=RuntimeError("no broker"))
    services = Services([Recorder("store", history), bad, Recorder("intake", history)])
    with pytest.raises(RuntimeError, match="no broker"):
        await services.start()
    assert history == ["start store", "start broker", "stop broker", "stop store"]


async def test_a_stop_that_raises_does_not_keep_the_others_from_stopping() -> None:
    history: list[str] = []

    class Broken(Recorder):
        async def stop(self) -> None:
            raise ValueError("will not")

    services = Services([Recorder("store", history), Broken("broken", history)])
    await services.start()
    with pytest.raises(ExceptionGroup) as caught:
        await services.stop()
    assert caught.group_contains(ValueError, match="will not")
    assert history[-1] == "stop store"


async def test_a_stop_longer_than_the_grace_is_cut_short() -> None:
    history: list[str] = []
    services = Services([Recorder("store", history), Stubborn()])
    await services.start()
    await services.stop(grace_s=0.0)
    assert history[-1] == "stop store"


async def test_sigterm_stops_and_a_second_one_hurries() -> None:
    stubborn = Stubborn()
    history: list[str] = []
    services = Services([Recorder("store", history), stubborn])

    async def insist() -> None:
        await stubborn.asked_to_stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    owner = TaskOwner("test")
    owner.spawn(insist(), "insist")
    async with asyncio.timeout(10):
        await run_until_signal(services, grace_s=3600, on_ready=lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert history == ["start store", "stop store"]
    await owner.close()


async def test_a_stop_event_ends_a_start_that_hangs() -> None:
    class Hanging(Recorder):
        async def start(self) -> None:
            stop.set()
            await asyncio.Event().wait()

    history: list[str] = []
    stop = asyncio.Event()
    async with asyncio.timeout(10):
        await run_until_signal(Services([Recorder("store", history), Hanging("slow", history)]), stop=stop)
    assert history == ["start store", "stop slow", "stop store"]


async def test_a_vital_task_that_fails_ends_the_process_in_order() -> None:
    async def fail() -> None:
        raise LookupError("gone")

    def pull() -> None:
        owner.spawn(fail(), "pull")

    history: list[str] = []
    owner = TaskOwner("pump", vital=True)
    with pytest.raises(LookupError):
        async with asyncio.timeout(10):
            await run_until_signal(Services([Recorder("store", history)]), on_ready=pull)
    assert history == ["start store", "stop store"]


async def test_a_task_that_is_not_vital_may_fail() -> None:
    async def fail() -> None:
        stop.set()
        raise LookupError("gone")

    def pull() -> None:
        owner.spawn(fail(), "pull")

    stop = asyncio.Event()
    owner = TaskOwner("pump")
    async with asyncio.timeout(10):
        await run_until_signal(Services([]), stop=stop, on_ready=pull)
    assert len(owner) == 0


async def test_a_failed_task_is_reported_though_nobody_awaits_it() -> None:
    reported: asyncio.Queue[tuple[str, BaseException]] = asyncio.Queue()
    owner = TaskOwner("pump", on_failure=lambda name, error: reported.put_nowait((name, error)))

    async def fail() -> None:
        raise LookupError("gone")

    owner.spawn(fail(), "pull")
    name, error = await reported.get()
    assert name == "pump: pull"
    assert isinstance(error, LookupError)
    assert len(owner) == 0


async def test_closing_lets_tasks_finish_within_the_grace_then_cancels() -> None:
    owner = TaskOwner("pump")
    ended: list[str] = []
    go, lingering = asyncio.Event(), asyncio.Event()

    async def finish() -> None:
        await go.wait()
        ended.append("finished")

    async def linger() -> None:
        lingering.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
            owner.spawn(asyncio.Event().wait(), "started while being cancelled")

    owner.spawn(finish(), "finish")
    owner.spawn(linger(), "linger")
    await lingering.wait()
    go.set()
    await owner.close(grace_s=0.01)
    assert ended == ["finished", "cancelled"]
    assert len(owner) == 0


async def test_a_task_may_close_its_owner() -> None:
    owner = TaskOwner("pump")
    owner.spawn(asyncio.Event().wait(), "other")
    await owner.spawn(owner.close(), "closer")
    assert len(owner) == 0


async def test_a_service_with_a_task_keeps_the_contract() -> None:
    await check_service_contract(Ticker)


async def test_services_together_keep_the_contract() -> None:
    await check_service_contract(lambda: Services([Ticker(), Ticker()]))


async def test_the_contract_tells_on_a_service_that_leaves_a_task() -> None:
    class Leaky(Ticker):
        async def stop(self) -> None:
            return

    leaky = Leaky()
    with pytest.raises(AssertionError, match="left tasks running after stopped_twice"):
        await check_service_contract(lambda: leaky)
    await Ticker.stop(leaky)
