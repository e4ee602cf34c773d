"""Finished contacts of an ERID, in groups, each contact once; with `follow` until the enrichment has ended.

Parts are read in order of acceptance. A follower goes over the parts again when the object has changed, remembers what
it was sent of those that were not finished, and forgets them as the front of finished parts moves on: its memory is
that of the parts in work, not of the ERID. A part in which it meets contacts that were finished and are outstanding
once more (a raised budget, a late answer) holds the front: what it was not sent of that part, it is sent later.
"""

import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from uuid import UUID

from des.clock import Clock
from des.limits import PAGE_CONTACTS_MAX
from des.serving.watcher import Watcher
from des.store.reading import EnrichedContact, Part, ReadingStore, Span

SEQ_MAX = 2**63 - 1
REST_PER_WORK = 4
"""A follower rests this many times as long as its last round took: it reads for a fifth of the time at most."""

Group = Sequence[EnrichedContact]
"""Finished contacts, at least one and at most PAGE_CONTACTS_MAX, in order of acceptance and position."""


class Results:
    """Streams results; holds a database connection only while it reads a group, never while one is being sent."""

    def __init__(self, store: ReadingStore, watcher: Watcher, clock: Clock) -> None:
        """Take the store, the watcher that tells followers of changes, and the clock they rest by."""
        self._store = store
        self._watcher = watcher
        self._clock = clock

    async def groups(self, tenant: str, erid: UUID, *, follow: bool) -> AsyncGenerator[Group, None]:
        """Yield what is finished. Raises NotFound, and TransientError when a follower is cut short by a stop.

        Close it (`contextlib.aclosing`) when leaving early.
        """
        if follow:
            async with contextlib.aclosing(self._followed(tenant, erid)) as groups:
                async for group in groups:
                    yield group
            return
        await self._store.enrichment(tenant, erid)
        async with contextlib.aclosing(self._round(tenant, erid, Sent(SEQ_MAX, once=True))) as groups:
            async for group in groups:
                yield group

    async def _followed(self, tenant: str, erid: UUID) -> AsyncGenerator[Group, None]:
        sent = Sent()
        async with self._watcher.watch(tenant, erid) as watch:
            while True:
                ended = watch.enrichment.ended  # before the round: what had ended before it, the round has seen
                sent.begin(await self._store.finished_up_to(tenant, erid))
                async with contextlib.aclosing(self._round(tenant, erid, sent)) as groups:
                    async for group in groups:
                        yield group
                if ended and not sent.held:
                    return
                await self._clock.sleep(sent.pass_front() * REST_PER_WORK)
                await watch.change()

    async def _round(self, tenant: str, erid: UUID, sent: "Sent") -> AsyncGenerator[Group, None]:
        """Go over the parts once and yield what was not sent yet."""
        after = sent.front
        while True:
            began = self._clock.monotonic()
            parts = await self._store.parts(tenant, erid, after, PAGE_CONTACTS_MAX)
            sent.read_s += self._clock.monotonic() - began
            if not parts:
                return
            after = parts[-1].seq
            sent.hold([part.seq for part in parts if part.reopened])
            for spans in _grouped([part for part in parts if sent.lacks(part)]):
                began = self._clock.monotonic()
                finished, reopened = await self._store.finished(tenant, erid, spans)
                sent.hold(reopened)
                fresh = sent.add(finished)
                sent.read_s += self._clock.monotonic() - began
                if fresh:
                    yield fresh


class Sent:
    """What one reader was sent. Everything of the parts up to `front`; above it, positions are remembered.

    `passing` is where the front will be after this round: finished parts, which need no memory but for the one that is
    being read. `held`: this round has met what keeps the front. `read_s` is the time that it has read for.
    """

    def __init__(self, passing: int = 0, *, once: bool = False) -> None:
        """Begin with nothing; `once`: there is one round, which nothing holds."""
        self.front = 0
        self.passing = passing
        self.held = False
        self.read_s = 0.0
        self._once = once
        self._reading = 0
        self._positions: dict[int, set[int]] = {}

    def begin(self, passing: int) -> None:
        """Begin a round that may move the front up to there."""
        self.passing, self.held = passing, False

    def hold(self, parts: Iterable[int]) -> None:
        """Keep the front below these parts."""
        lowest = min(parts, default=SEQ_MAX)
        if lowest <= self.passing and not self._once:
            self.passing, self.held = lowest - 1, True

    def lacks(self, part: Part) -> bool:
        """Whether the part has finished contacts that were not sent."""
        return len(self._positions.get(part.seq, ())) < part.contacts_done

    def add(self, contacts: Group) -> Group:
        """Return those of the contacts that had not been sent; they are taken to be sent now."""
        fresh = [one for one in contacts if one.position not in self._positions.get(one.seq, ())]
        for contact in fresh:
            if contact.seq != self._reading:
                if self._reading <= self.passing:
                    self._positions.pop(self._reading, None)
                self._reading = contact.seq
            self._positions.setdefault(contact.seq, set()).add(contact.position)
        return fresh

    def pass_front(self) -> float:
        """End a round: move the front and forget what lies behind it. Returns the seconds that were read for."""
        self.front = max(self.front, self.passing)
        for seq in [seq for seq in self._positions if seq <= self.front]:
            del self._positions[seq]
        read_s, self.read_s = self.read_s, 0.0
        return read_s


def _grouped(parts: Sequence[Part]) -> Iterator[list[Span]]:
    """Cut parts into groups of spans that hold at most PAGE_CONTACTS_MAX contacts."""
    spans: list[Span] = []
    room = PAGE_CONTACTS_MAX
    for part in parts:
        first, end = part.first_position, part.first_position + part.contacts
        while first < end:
            taken = min(room, end - first)
            spans.append(Span(part.seq, part.batch_id, first, first + taken - 1))
            first, room = first + taken, room - taken
            if room == 0:
                yield spans
                spans, room = [], PAGE_CONTACTS_MAX
    if spans:
        yield spans
