"""The router: which aggregator an ERID has, and whether this worker may have one.

    gained ──▶ scanned from Postgres ──▶ aggregators, as many as fit ──▶ lost: all of the partition die at once

An ERID has an aggregator only while its partition's lease is held, and only under that lease's epoch. One that fails is
dropped and rebuilt from Postgres once its commits under way have ended; its neighbours go on. Aggregators are made when
there is work and forgotten when there is none, so their number is that of ERIDs with work, up to a bound; beyond it
ERIDs wait in Postgres for a place.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from des.actors.aggregator import Aggregator, Parts
from des.actors.mail import Accepted, Cancel, StoreHasMore
from des.actors.supervisor import Supervisor
from des.limits import AGGREGATORS_MAX, CONTACTS_HELD_MAX, SMALL_AGGREGATORS_MAX
from des.options import UNSAID, OptionsInForce
from des.providers.rota import SMALL_CONTACTS_MAX
from des.store.contract import AcceptedBatch, Erid, Outstanding, partition_of


class Router:
    """Aggregators by ERID, leases by partition."""

    def __init__(
        self, supervisor: Supervisor, on_dirty: Callable[[int], None], on_gained: Callable[[int, int], None]
    ) -> None:
        """Take the supervisor, and whom to tell of a partition with batches nobody knows of, and of one gained."""
        self._supervisor = supervisor
        self._on_dirty = on_dirty
        self._on_gained = on_gained
        self._parts: Parts | None = None
        self._aggregators: dict[Erid, Aggregator] = {}
        self._epochs: dict[int, int] = {}
        self._resting: set[int] = set()
        self._contacts_held = 0
        self._memory = asyncio.Event()
        self._memory.set()
        self._place = asyncio.Event()
        self._place.set()

    def connect(self, parts: Parts) -> None:
        """Take the components that the aggregators use; the circle of router and components closes here."""
        self._parts = parts

    def __len__(self) -> int:
        """Aggregators alive."""
        return len(self._aggregators)

    @property
    def contacts_held(self) -> int:
        """Contacts in memory, in work or waiting."""
        return self._contacts_held

    @property
    def owned(self) -> Mapping[int, int]:
        """Partitions this worker holds, with their epochs."""
        return self._epochs

    # ---- leases --------------------------------------------------------------------------------------------------

    def gained(self, partitions: Mapping[int, int]) -> None:
        """Begin to work these partitions under these epochs, from what Postgres holds."""
        self.lost(partition for partition in partitions if partition in self._epochs)
        self._epochs.update(partitions)
        for partition, epoch in partitions.items():
            self._on_gained(partition, epoch)

    def lost(self, partitions: Iterable[int]) -> None:
        """Stop working these partitions at once."""
        gone = set(partitions)
        for partition in gone:
            self._epochs.pop(partition, None)
            self._resting.discard(partition)
        for aggregator in [one for one in self._aggregators.values() if one.partition in gone]:
            self._drop(aggregator)

    def rest(self, partitions: Iterable[int]) -> None:
        """Take nothing more of these partitions into work; they will be given back."""
        resting = set(partitions)
        self._resting |= resting
        for aggregator in self._aggregators.values():
            if aggregator.partition in resting:
                aggregator.resting = True

    def is_busy(self, partitions: Iterable[int]) -> bool:
        """Whether anything of these partitions is in work."""
        asked = set(partitions)
        return any(one.partition in asked and one.in_work for one in self._aggregators.values())

    # ---- work ----------------------------------------------------------------------------------------------------

    def accepted(self, batches: Sequence[AcceptedBatch]) -> None:
        """Hand new batches to their aggregators while there is memory for them; else they wait in Postgres."""
        for accepted in batches:
            if accepted.partition not in self._epochs:
                continue
            batch = accepted.batch
            contacts = len(batch.contacts)
            places_more = SMALL_AGGREGATORS_MAX if contacts <= SMALL_CONTACTS_MAX else 0
            aggregator = self._aggregator((batch.tenant, batch.erid), accepted.partition, accepted.options, places_more)
            if aggregator is None:
                continue
            if self._contacts_held + contacts > CONTACTS_HELD_MAX:
                aggregator.tell(StoreHasMore(accepted.options, contacts))
            else:
                aggregator.tell(Accepted(accepted))
            if accepted.cancelled:
                aggregator.tell(Cancel())

    def found(self, outstanding: Sequence[Outstanding], *, swept: bool = False) -> None:
        """Make aggregators for ERIDs that were found in Postgres.

        `swept`: nobody has said that there is anything new, so one that holds as many contacts as there are is left
        alone; to have each of them look costs more than all else that is going on.
        """
        for one in outstanding:
            erid = (one.tenant, one.erid)
            partition = partition_of(*erid)
            if partition not in self._epochs:
                continue
            if swept and (known := self._aggregators.get(erid)) is not None and known.held >= one.contacts:
                continue
            aggregator = self._aggregator(erid, partition, one.options)
            if aggregator is None:
                continue
            aggregator.tell(StoreHasMore(one.options, one.contacts, in_all=True))
            if one.cancelled:
                aggregator.tell(Cancel())

    def cancel(self, erid: Erid) -> None:
        """End what is outstanding of an ERID as cancelled, where this worker works it."""
        partition = partition_of(*erid)
        if partition in self._epochs:
            aggregator = self._aggregator(erid, partition)
            if aggregator is not None:
                aggregator.tell(Cancel())

    async def place(self) -> None:
        """Wait until there is a place for another aggregator."""
        await self._place.wait()

    # ---- what aggregators and the committer report -----------------------------------------------------------------

    def passivate(self, aggregator: Aggregator) -> None:
        """Forget an aggregator that holds nothing."""
        if aggregator.units_in_flight or aggregator.loads_in_flight:
            return
        aggregator.dead = True
        self._supervisor.recovered(aggregator.name)
        self._forget(aggregator)

    def held(self, contacts: int) -> None:
        """Hear by how much the contacts held in memory changed."""
        self._contacts_held += contacts
        if self._contacts_held < CONTACTS_HELD_MAX:
            self._memory.set()
        else:
            self._memory.clear()

    async def memory(self) -> None:
        """Wait until there is memory for more contacts than are held."""
        await self._memory.wait()

    def stale(self, aggregator: Aggregator) -> None:
        """Drop an aggregator whose commit was refused: the lease has gone, whatever this worker believed."""
        self._drop(aggregator)

    def failed(self, aggregator: Aggregator, error: Exception) -> None:
        """Drop an aggregator whose turn raised, and have it rebuilt."""
        if aggregator.dead:
            return
        self._drop(aggregator)
        self._supervisor.failed(aggregator, error, self._rebuild)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _aggregator(
        self, erid: Erid, partition: int, options: OptionsInForce = UNSAID, places_more: int = 0
    ) -> Aggregator | None:
        """Find the ERID's aggregator or make one with these options; None where a scan has to come back to it.

        `places_more`: beyond AGGREGATORS_MAX.
        """
        aggregator = self._aggregators.get(erid)
        if aggregator is not None:
            return aggregator
        if self._parts is None or self._supervisor.is_rebuilding(erid):
            return None
        if len(self._aggregators) >= AGGREGATORS_MAX + places_more:
            self._on_dirty(partition)
            return None
        aggregator = Aggregator(erid, partition, self._epochs[partition], self._parts, options)
        aggregator.resting = partition in self._resting
        self._aggregators[erid] = aggregator
        if len(self._aggregators) >= AGGREGATORS_MAX:
            self._place.clear()
        return aggregator

    def _rebuild(self, erid: Erid) -> None:
        partition = partition_of(*erid)
        if partition in self._epochs:
            self._on_dirty(partition)

    def _drop(self, aggregator: Aggregator) -> None:
        if aggregator.dead:
            return
        room = aggregator.die()
        self._forget(aggregator)
        if aggregator.units_in_flight:
            self._supervisor.rebuild(aggregator, self._rebuild)
        if self._parts is not None and room:
            self._parts.scheduler.give_back(room)

    def _forget(self, aggregator: Aggregator) -> None:
        if self._aggregators.get(aggregator.name) is aggregator:
            del self._aggregators[aggregator.name]
        if len(self._aggregators) < AGGREGATORS_MAX:
            self._place.set()
