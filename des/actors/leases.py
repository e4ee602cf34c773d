"""Keeps this worker's leases: renews them, takes its fair share, gives back what others should have.

    free ──taken──▶ held ──too many──▶ draining ──released──▶ free
                      └──another's, or not renewed in time──▶ lost

A worker that was paused, or cannot reach Postgres, stops by its own clock before anybody may take over. That is for
good order only: a commit under an old epoch is refused whatever this worker believes.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet

from des.clock import Clock
from des.errors import TransientError
from des.lifecycle import TaskOwner
from des.limits import LEASE_RENEW_S, LEASE_S
from des.portion import Portion
from des.store.contract import Division, LeaseStore, Share
from des.telemetry import Event, logger

log = logger(__name__)


class LeaseKeeper:
    """Runs the leases of a worker. A Service; stop it after the actors: what it held is released then."""

    name = "leases"

    def __init__(
        self,
        leases: LeaseStore,
        clock: Clock,
        *,
        on_gained: Callable[[Mapping[int, int]], None],
        on_lost: Callable[[AbstractSet[int]], None],
        on_release: Callable[[AbstractSet[int]], Awaitable[None]],
        on_portion: Callable[[Portion | None], None] = lambda _: None,
        lease_s: float = LEASE_S,
        renew_s: float = LEASE_RENEW_S,
    ) -> None:
        """Take the leases and whom to tell.

        `on_gained` gets partitions with their epochs, again with another epoch where a lease was lost and won back.
        `on_lost` gets partitions that are another's, or must be taken for it: stop at once. `on_release` gets
        partitions to drain; when it returns they are given back and are no longer this worker's. `on_portion` gets
        the part of the permitted rates that is this worker's, before it gains anything by the same renewal.
        """
        self._leases = leases
        self._clock = clock
        self._on_gained = on_gained
        self._on_lost = on_lost
        self._on_release = on_release
        self._on_portion = on_portion
        self._sharing = ""
        self._lease_s = lease_s
        self._renew_s = renew_s
        self._tasks = TaskOwner(self.name, vital=True)
        self._held: dict[int, int] = {}
        self._draining: set[int] = set()
        self._valid_until = 0.0
        self._turn = asyncio.Lock()

    @property
    def held(self) -> Mapping[int, int]:
        """Partitions that are this worker's, with their epochs; those that are draining are among them."""
        return self._held

    async def start(self) -> None:
        """Begin to take leases."""
        self._tasks.spawn(self._renew_for_ever(), "renew")
        self._tasks.spawn(self._watch_expiry(), "expiry")

    async def stop(self) -> None:
        """Give everything back; where Postgres is away, the leases run out by themselves."""
        running = len(self._tasks) > 0
        await self._tasks.close()
        self._lose(set(self._held))
        self._sharing = ""
        self._on_portion(None)
        if running:
            try:
                await self._leases.leave()
            except TransientError as error:
                log.warning(Event.LEASES_UNRENEWED, error=str(error))

    async def _renew_for_ever(self) -> None:
        while True:
            async with self._turn:  # a release in between would make the answer stale
                divided_anew = await self._renew()
            if not divided_anew:  # the others wait to hear that this worker has taken the new division over
                await self._clock.sleep(self._renew_s)

    async def _renew(self) -> bool:
        """Renew and tell what has changed; answer whether the rates are divided anew."""
        asked_at = self._clock.monotonic()
        try:
            share = await self._leases.acquire_fair_share(self._sharing)
        except TransientError as error:
            log.warning(Event.LEASES_UNRENEWED, error=str(error))
            return False
        # The database counts from when it was asked at the earliest.
        self._valid_until = asked_at + self._lease_s
        if self._clock.monotonic() >= self._drop_at():
            return False
        divided_anew = share.division.sharing != self._sharing
        self._sharing = share.division.sharing
        self._on_portion(self._portion(share.division))
        self._take_over(share)
        return divided_anew

    def _portion(self, division: Division) -> Portion:
        """The part as the limiters take it, in this process's time: at the latest that the database can have meant."""
        if not division.agreed:
            settled_at = None
        elif division.quiet_s is None:
            settled_at = -math.inf
        else:
            settled_at = self._clock.monotonic() - division.quiet_s
        return Portion(division.place, division.workers, settled_at, self._valid_until)

    def _take_over(self, share: Share) -> None:
        """Tell what has changed against what was held."""
        self._lose({partition for partition, epoch in self._held.items() if share.held.get(partition) != epoch})
        known = self._held.keys() | self._draining
        gained = {partition: epoch for partition, epoch in share.held.items() if partition not in known}
        if gained:
            self._held |= gained
            log.info(Event.LEASES_CHANGED, gained=sorted(gained), held=len(self._held))
            self._on_gained(gained)
        surplus = set(share.surplus) - self._draining
        if surplus:
            self._draining |= surplus
            self._tasks.spawn(self._give_back(surplus), "give back")

    async def _give_back(self, partitions: set[int]) -> None:
        """Drain partitions, then release them. What was lost meanwhile is not released: it may be held anew."""
        held = {partition: self._held[partition] for partition in partitions if partition in self._held}
        try:
            await self._on_release(held.keys())
            async with self._turn:
                mine = {partition for partition, epoch in held.items() if self._held.get(partition) == epoch}
                self._lose(mine)
                await self._leases.release(mine)
        except TransientError as error:  # the next renewal finds them held, and too many
            log.warning(Event.LEASES_UNRENEWED, error=str(error))
        finally:
            self._draining -= partitions

    def _lose(self, partitions: set[int]) -> None:
        if partitions:
            for partition in partitions:
                del self._held[partition]
            log.info(Event.LEASES_CHANGED, lost=sorted(partitions), held=len(self._held))
            self._on_lost(partitions)

    def _drop_at(self) -> float:
        """Monotonic time at which what is not renewed is given up: one renewal before others may take it."""
        return self._valid_until - self._renew_s

    async def _watch_expiry(self) -> None:
        while True:
            left_s = self._drop_at() - self._clock.monotonic()
            if left_s <= 0:
                self._lose(set(self._held))
                left_s = self._renew_s
            await self._clock.sleep(left_s)
