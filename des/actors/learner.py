"""The learner: reads what calls have shown of providers, every so often, and has the waterfalls planned by it.

It only reads. What is counted is counted by the commit that settles the calls (`store/learning.sql`).
"""

from collections.abc import Sequence
from typing import Protocol

from des.clock import Clock
from des.errors import TransientError
from des.learning import Standing
from des.lifecycle import TaskOwner
from des.providers.waterfall import Orders
from des.telemetry import Event, logger

log = logger(__name__)

LEARN_EVERY_S = 60.0
"""New standings change an order by little; the table has a row for each field, provider and segment of a tenant."""


class Reads(Protocol):
    """Where standings are read."""

    async def read(self) -> Sequence[Standing]:
        """All of them. Raises StoreUnavailable."""


class Learner:
    """A Service: `start`, `stop`."""

    name = "learner"

    def __init__(self, standings: Reads, orders: Orders, clock: Clock, every_s: float = LEARN_EVERY_S) -> None:
        """Take where to read, whom to tell, and the seconds between two looks."""
        self._standings = standings
        self._orders = orders
        self._clock = clock
        self._every_s = every_s
        self._tasks = TaskOwner(self.name, vital=True)

    async def start(self) -> None:
        """Learn before the first contact is planned, and go on learning."""
        await self._learn()
        self._tasks.spawn(self._run(), "learn")

    async def stop(self) -> None:
        """Stop; harmless when never started and when repeated."""
        await self._tasks.close()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._every_s)
            await self._learn()

    async def _learn(self) -> None:
        try:
            self._orders.learn(await self._standings.read())
        except TransientError as error:
            log.warning(Event.STANDINGS_NOT_READ, error=str(error))  # the order stays as it was
