"""Whatever a client library raises while a wire is opened, the next one is opened all the same."""

import asyncio
from collections.abc import Callable

import pytest

from des.broker import supervisor as module
from des.broker.connection import Wire
from des.broker.supervisor import Supervisor
from tests.integration.broker.cable import Cable
from tests.integration.broker.waiting import until

CUTS = 60


def raises_a_bare_exception() -> None:
    raise Exception("Connection closed")  # noqa: TRY002 - as aiormq does for a channel of a connection that has ended


def cancels_what_waits() -> None:
    raise asyncio.CancelledError


class Failing:
    """Takes a wire into use at the third try."""

    def __init__(self, fails: Callable[[], None]) -> None:
        self.tries = 0
        self.losses: list[str] = []
        self._fails = fails

    async def opened(self, _: Wire) -> None:
        """See WireUser."""
        self.tries += 1
        if self.tries < 3:
            self._fails()

    def lost(self, reason: str) -> None:
        """See WireUser."""
        self.losses.append(reason)


@pytest.mark.parametrize("fails", [raises_a_bare_exception, cancels_what_waits])
async def test_whatever_is_raised_while_a_wire_is_opened_the_next_is_opened(
    amqp_url: str, fails: Callable[[], None]
) -> None:
    user = Failing(fails)
    supervisor = Supervisor("test", amqp_url, user)
    await supervisor.start()
    try:
        assert (supervisor.ready, user.tries, len(user.losses)) == (True, 3, 2)
    finally:
        await supervisor.stop()
    assert not supervisor.ready


async def test_a_connection_that_is_cut_at_any_moment_comes_back(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut as soon as it is being opened, a little later each time, and then left alone."""
    monkeypatch.setattr(module, "RECONNECT_FIRST_S", 0.001)
    monkeypatch.setattr(module, "RECONNECT_MOST_S", 0.002)
    cable = Cable(amqp_url)
    await cable.start()
    user = Failing(lambda: None)
    supervisor = Supervisor("test", cable.url, user)
    await supervisor.start()
    try:
        for turns in range(CUTS):
            cable.cut()
            for _ in range(turns * 4):
                await asyncio.get_running_loop().run_in_executor(None, int)
        await until(lambda: supervisor.ready)
    finally:
        await supervisor.stop()
        await cable.stop()
