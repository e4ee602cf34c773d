"""The supervisor: an aggregator that was dropped is rebuilt from Postgres once its commits have ended.

One that failed is rebuilt after a growing while. Its neighbours never notice. An ERID that fails again and again is
tried ever more rarely, and never given up: what is accepted is not lost, and the log says why it waits.
"""

from collections.abc import Callable

from des.actors.aggregator import Aggregator
from des.clock import Clock
from des.lifecycle import TaskOwner
from des.store.contract import Erid
from des.telemetry import Event, logger

log = logger(__name__)

REBUILD_FIRST_S = 0.05
REBUILD_MAX_S = 60.0
LOOK_S = 0.02


class Supervisor:
    """Failures by ERID. A Service: `start`, `stop`."""

    name = "supervisor"

    def __init__(self, clock: Clock) -> None:
        """Take the clock."""
        self._clock = clock
        self._failures: dict[Erid, int] = {}
        self._rebuilding: dict[Erid, int] = {}
        self._tasks = TaskOwner(self.name, vital=True)
        self.rebuilt = 0

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Give up the rebuilds that wait; a start finds their ERIDs in Postgres."""
        await self._tasks.close()
        self._rebuilding.clear()

    def is_rebuilding(self, erid: Erid) -> bool:
        """Whether the ERID waits for its rebuild and must have no aggregator until then."""
        return erid in self._rebuilding

    def recovered(self, erid: Erid) -> None:
        """Forget the failures of an ERID that has finished its work."""
        self._failures.pop(erid, None)

    def failed(self, aggregator: Aggregator, error: Exception, rebuild: Callable[[Erid], None]) -> None:
        """Count a failure, and call `rebuild` after a while that grows with their number."""
        erid = aggregator.name
        failures = self._failures[erid] = self._failures.get(erid, 0) + 1
        log.error(Event.ACTOR_FAILED, actor=repr(aggregator), failures=failures, exc_info=error)
        self.rebuilt += 1
        self.rebuild(aggregator, rebuild, min(REBUILD_MAX_S, REBUILD_FIRST_S * 2.0 ** (failures - 1)))

    def rebuild(self, aggregator: Aggregator, rebuild: Callable[[Erid], None], delay_s: float = 0.0) -> None:
        """Call `rebuild` when the dead aggregator's commits have ended: until then Postgres does not show its work."""
        erid = aggregator.name
        self._rebuilding[erid] = self._rebuilding.get(erid, 0) + 1
        self._tasks.spawn(self._rebuild_later(aggregator, rebuild, delay_s), f"rebuild {erid[1]}")

    async def _rebuild_later(self, aggregator: Aggregator, rebuild: Callable[[Erid], None], delay_s: float) -> None:
        erid = aggregator.name
        await self._clock.sleep(delay_s)
        while aggregator.units_in_flight:
            await self._clock.sleep(LOOK_S)
        self._rebuilding[erid] -= 1
        if self._rebuilding[erid] == 0:
            del self._rebuilding[erid]
            log.info(Event.ACTOR_REBUILT, actor=repr(aggregator))
            rebuild(erid)
