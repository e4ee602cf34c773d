"""The engine: the actors and the components they share, wired and given one life.

accepted ─▶ router ─▶ aggregator ⇄ scheduler, loader, dispatchers ─▶ committer ─▶ on_committed
▲                                                         │
leases ──────┘◀───────── supervisor, recovery ◀── failed, stale ───────┘
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from des import failpoints
from des.actors.aggregator import Aggregator, Parts
from des.actors.committer import Committer
from des.actors.loader import Loader
from des.actors.recovery import Recovery
from des.actors.router import Router
from des.actors.scheduler import Scheduler
from des.actors.supervisor import Supervisor
from des.actors.turns import Actor, Turns
from des.clock import Clock
from des.contact import BatchKey
from des.failpoints import Failpoint
from des.lifecycle import Services
from des.limits import CONTACTS_IN_WORK_MAX, DRAIN_S
from des.portion import Portion
from des.providers.dispatcher import Dispatcher
from des.providers.waterfall import Waterfall
from des.store.contract import Commit, WorkStore
from des.telemetry import Event, logger

log = logger(__name__)

LOOK_S = 0.02
"""How often a release looks whether what it waits for has finished."""


class Engine:
    """Works the partitions whose leases it is told of. A Service: `start`, `stop`."""

    name = "engine"

    def __init__(
        self,
        store: WorkStore,
        clock: Clock,
        waterfall: Waterfall,
        dispatchers: Sequence[Dispatcher],
        *,
        on_committed: Callable[[Commit, int], None],
        contacts_in_work_max: int = CONTACTS_IN_WORK_MAX,
        drain_s: Callable[[], float] = lambda: DRAIN_S,
    ) -> None:
        """Take the store, the plan, each provider's dispatcher, and whom to tell of each commit and its contacts.

        `drain_s`: what contacts in work get to finish when it stops. Calls that are under way then have their deadline
        besides: their answers are settled, and their contacts go on with the next worker.
        """
        self._drain_s = drain_s
        self._clock = clock
        self.scheduler = Scheduler(clock, contacts_in_work_max)
        self.supervisor = Supervisor(clock)
        self.recovery = Recovery(store, clock)
        self.router = Router(self.supervisor, self.recovery.dirty, self.recovery.gained)
        self.recovery.connect(self.router)
        self.turns = Turns(clock, self._turn_failed)
        self.accepting: set[BatchKey] = set()
        self.loader = Loader(store, clock, self.accepting)
        self.committer = Committer(
            store,
            clock,
            on_committed,
            self.router.stale,
            self.router.failed,
            in_work=lambda: self.scheduler.in_work,
        )
        self.dispatchers: Mapping[str, Dispatcher] = {one.traits.name: one for one in dispatchers}
        self.router.connect(
            Parts(waterfall, self.dispatchers, self.committer, self.loader, self.scheduler, self.turns, self.router)
        )
        self._services = Services([self.committer, *dispatchers, self.loader, self.supervisor, self.recovery])

    async def start(self) -> None:
        """Start the components; work begins with the first lease. Raises what a provider's start raises."""
        self.scheduler.open()
        await self._services.start()

    async def stop(self) -> None:
        """Take nothing more into work, let what is in work finish for a while; the rest is in Postgres."""
        self.scheduler.close()
        failpoints.hit(Failpoint.DRAIN_STARTED)
        drained = await self._drained()
        log.info(Event.ENGINE_DRAINED, complete=drained, left=self.scheduler.in_work)
        self.router.lost(list(self.router.owned))
        await self._services.stop()

    def allot(self, portion: Portion | None) -> None:
        """Use this part of each provider's permitted rate, which all workers share; None: nothing until told."""
        for dispatcher in self.dispatchers.values():
            dispatcher.allot(portion)

    async def release(self, partitions: Collection[int]) -> None:
        """Let what is in work of these partitions finish, DRAIN_S at most, and take nothing new of them into work."""
        self.router.rest(partitions)
        waited_s = 0.0
        while self.router.is_busy(partitions) and waited_s < DRAIN_S:
            await self._clock.sleep(LOOK_S)
            waited_s += LOOK_S

    async def _drained(self) -> bool:
        try:
            async with asyncio.timeout(self._drain_s()):
                await self.scheduler.finished()
        except TimeoutError:
            return False
        return True

    def _turn_failed(self, actor: Actor, error: Exception) -> None:
        if isinstance(actor, Aggregator):
            self.router.failed(actor, error)
