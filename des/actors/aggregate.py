"""The working memory of one ERID, and how it changes: pure, synchronous, free of I/O.

    waiting ──granted──▶ in work (asked, answered, asked …) ──done──▶ rows ──committed──▶ forgotten

Its shell (`aggregator.py`) tells it what happened and performs what `take_effects` returns. It holds a window of
contacts; what does not fit stays in Postgres (`more_in_store`) and is loaded when there is room. Everything here is
commutative or keyed by position, and all of it can be rebuilt from Postgres by `store_has_more` on an empty one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import msgspec

from des.contact import Contact, FieldResult, FieldState
from des.errors import Unreadable
from des.limits import BATCH_REFS_PER_ERID_MAX, ERID_WINDOW_CONTACTS_MAX
from des.options import UNSAID, OptionsInForce
from des.providers.checks import settle_check, unverified
from des.providers.contract import Outcome, OutcomeKind
from des.providers.demanding import explained, settle_demanding
from des.providers.waterfall import Check, Settled, Step, Tried, Waterfall, attempts_for, not_found, settle
from des.store.contract import AcceptedBatch, ContactRow

_encode = msgspec.json.Encoder().encode


class Live:
    """A batch (part) in memory: how far it is started and how much of it is not committed yet."""

    __slots__ = ("accepted", "next_index", "remaining")

    def __init__(self, accepted: AcceptedBatch) -> None:
        """Start at its first contact; positions that are committed already are stepped over."""
        self.accepted = accepted
        self.next_index = 0
        self.remaining = len(accepted.batch.contacts) - len(accepted.done)


class Item:
    """One contact in work: where it stands and what it has so far."""

    __slots__ = ("awaits", "charges", "contact", "live", "position", "results", "tried")

    def __init__(self, live: Live, position: int, contact: Contact) -> None:
        """Take the batch it is of, its position there and what was sent."""
        self.live = live
        self.position = position
        self.contact = contact
        self.tried: Tried = ()
        self.results: dict[str, FieldResult] = {}
        self.charges: tuple[UUID, ...] = ()
        self.awaits: tuple[UUID, ...] = ()

    def note(self, outcome: Outcome, call_id: UUID) -> None:
        """Remember the call whose charge the receipt shows, or for want of whose answer a field fails."""
        if outcome.cost:
            self.charges = (*self.charges, call_id)
        else:
            self.awaits = (*self.awaits, call_id)


def address_of(item: Item, field: str) -> Contact:
    """Whom a verifier is asked about: the address alone, which is the same question whoever has it."""
    return Contact(email=item.results[field].value)


class Effects(msgspec.Struct, frozen=True, gc=False):
    """What the shell has to do: ask these contacts of these steps, commit these rows, load more, give back room.

    `rewrites`: rows of contacts that were finished before.
    """

    asks: dict[Step, list[Item]]
    rows: list[ContactRow]
    rewrites: list[ContactRow]
    load: bool
    unused: int


class Aggregate:
    """State of one ERID. Methods say what happened; `take_effects` says what to do about it."""

    def __init__(self, waterfall: Waterfall, options: OptionsInForce = UNSAID) -> None:
        """Begin with nothing, knowing the plan of the waterfalls and the ERID's options."""
        self._waterfall = waterfall
        self._waiting: deque[Live] = deque()
        self._known: dict[int, Live] = {}
        self.room = 0
        self._loading = False
        self._came_while_loading = False
        self._asks: dict[Step, list[Item]] = {}
        self._rows: list[ContactRow] = []
        self._rewrites: list[ContactRow] = []
        self.more_in_store = False
        self._in_store: int | None = None
        self.in_work = 0
        self.held = 0
        self.cancelled = False
        self.options = options

    # ---- what the shell asks -------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is held and nothing is known to wait: it may passivate."""
        return not (self._known or self.more_in_store or self._loading)

    @property
    def wants(self) -> int:
        """Contacts it could take into work now, 0 when it has none waiting or its window is full."""
        if not (self._waiting or self.more_in_store) or self._loading:
            return 0
        return max(0, ERID_WINDOW_CONTACTS_MAX - self.in_work - self.room)

    @property
    def waiting(self) -> int:
        """Contacts not in work yet; a whole window where it is not known how many there are."""
        in_store = 0
        if self.more_in_store:
            if self._in_store is None:
                return ERID_WINDOW_CONTACTS_MAX
            in_store = self._in_store
        return in_store + sum(len(live.accepted.batch.contacts) - live.next_index for live in self._waiting)

    @property
    def known(self) -> list[int]:
        """`seq` of the batches it holds, which a load must leave out."""
        return list(self._known)

    def take_effects(self) -> Effects:
        """Hand over what has to be done since the last time."""
        load = self.room > 0 and self.more_in_store and not self._waiting and not self._loading
        unused = 0
        if load:
            self._loading, self._came_while_loading = True, False
        elif not self._loading and not self._waiting:
            unused, self.room = self.room, 0
        effects = Effects(self._asks, self._rows, self._rewrites, load, unused)
        self._asks, self._rows, self._rewrites = {}, [], []
        return effects

    # ---- what can happen -----------------------------------------------------------------------------------------

    def accepted(self, accepted: AcceptedBatch, now: float) -> None:
        """Hear of a new batch, once. It is kept where there is room for it, else it is left to Postgres.

        What was granted before and is left over is for it: unused, it would be lost to everybody.
        """
        self._learn(accepted.options)
        if self._loading:
            self._came_while_loading = True
        elif self.more_in_store or len(self._waiting) >= BATCH_REFS_PER_ERID_MAX:
            self.store_has_more(contacts=len(accepted.batch.contacts))
        else:
            self._hold(accepted)
            self._start(now)

    def store_has_more(
        self, options: OptionsInForce = UNSAID, contacts: int | None = None, *, in_all: bool = False
    ) -> None:
        """Hear that Postgres may hold open batches, of so many contacts, that are not known here, and of options.

        `in_all`: so many are outstanding, those that are held here among them.
        """
        self._learn(options)
        if self._loading:
            self._came_while_loading = True
            return
        before = self._in_store if self.more_in_store else 0
        if contacts is None:
            self._in_store = None
        elif in_all:
            self._in_store = max(1, contacts - self.held)
        else:
            self._in_store = None if before is None else before + contacts
        self.more_in_store = True

    def granted(self, contacts: int, now: float) -> None:
        """Take up to so many more contacts into work."""
        self.room += contacts
        self._start(now)

    def loaded(self, batches: Sequence[AcceptedBatch], now: float, *, complete: bool) -> None:
        """Receive what a load found; `complete`: Postgres holds no more than that and what was known.

        None of it is known: the load left out what was, while it was under way nothing new was held, and what is
        being accepted at this moment is left to `accepted` (see Loader).
        """
        self._loading = False
        self.more_in_store, self._in_store = not complete or self._came_while_loading, None
        for accepted in batches:
            self._hold(accepted)
        self._start(now)

    def answered(self, step: Step, items: Sequence[Item], outcomes: Sequence[Outcome], now: float) -> None:
        """Move each contact on by what the step's provider said."""
        if self.cancelled:
            return self._answered_when_cancelled(step, items, outcomes, now)
        if isinstance(step, Check):
            return self._checked(step, items, outcomes, now)
        asks, decide = self._asks, self._decide(step)
        for item, outcome in zip(items, outcomes, strict=True):
            settled = decide(step, outcome, item.tried, now)
            if outcome.call_id is not None:
                item.note(outcome, outcome.call_id)
            if not item.results:
                item.results = settled.results
            elif settled.results:
                item.results.update(settled.results)
            if settled.next is None:
                self._finish(item)
                continue
            item.tried = settled.tried
            waiting = asks.get(settled.next)
            if waiting is None:
                asks[settled.next] = [item]
            else:
                waiting.append(item)
        return None

    def over_budget(self, step: Step, items: Sequence[Item], scope: str, now: float) -> None:
        """End what is open of these contacts: a cap left no room for the step's call. What was found stays."""
        for item in items:
            fields = self._left_open(step, item)
            self._end(item, fields, FieldState.OVER_BUDGET, f"CAP_OF_{scope.upper()}", now)

    def withdrawn(self, step: Step, items: Sequence[Item], now: float) -> None:
        """End contacts whose question was withdrawn before it was asked: the enrichment was cancelled."""
        for item in items:
            fields = self._left_open(step, item)
            self._end(item, fields, FieldState.CANCELLED, "CANCELLED", now)

    def committed(self, rows: Sequence[ContactRow]) -> None:
        """Forget rows that are in Postgres now."""
        self.in_work -= len(rows)
        for row in rows:
            seq = row.seq
            live = self._known[seq]
            live.remaining -= 1
            if live.remaining == 0:
                del self._known[seq]
                self.held -= len(live.accepted.batch.contacts)
                if live.accepted.resumed:  # while it was held, more of the same batch may have been resumed
                    self.store_has_more()

    def cancel(self) -> None:
        """End what is not finished as cancelled from now on."""
        self.cancelled = True
        self.store_has_more()

    # ---- inside --------------------------------------------------------------------------------------------------

    @property
    def _minimum(self) -> float:
        """How sure a value must be to be taken."""
        return self.options.options.minimum_confidence or 0.0

    def _decide(self, step: Step) -> Callable[[Step, Outcome, Tried, float], Settled]:
        """What decides on outcomes of this step: `settle` itself where every value is taken as it comes."""
        if self.options.options.minimum_confidence is None and not step.verifies:
            return settle
        return partial(settle_demanding, self._minimum)

    def _checked(self, check: Check, items: Sequence[Item], outcomes: Sequence[Outcome], now: float) -> None:
        """Move contacts on by what a verifier said of a value that was found."""
        for item, outcome in zip(items, outcomes, strict=True):
            next_ = self._settle_check(check, item, outcome, now)
            if next_ is None:
                self._finish(item)
            else:
                self._asks.setdefault(next_, []).append(item)

    def _settle_check(self, check: Check, item: Item, outcome: Outcome, now: float) -> Step | None:
        settled = settle_check(self._minimum, check, outcome, results=item.results, tried=item.tried, now=now)
        item.results, item.tried = settled.results, settled.tried
        if outcome.cost and outcome.call_id is not None:  # nobody waits for a verifier that gave no answer
            item.note(outcome, outcome.call_id)
        return settled.next

    def _left_open(self, step: Step, item: Item) -> list[str]:
        """Fields without a result that a contact has at a step at which it will not be answered."""
        fields = [name for name, _ in step.cursor]
        if isinstance(step, Check):
            item.results, item.tried = unverified(self._minimum, step, item.results, item.tried)
            fields += step.provisional
        return fields

    def _learn(self, options: OptionsInForce) -> None:
        """Keep the newest: what was read before a change may be heard after it."""
        if options.revision > self.options.revision:
            self.options = options

    def _hold(self, accepted: AcceptedBatch) -> None:
        live = Live(accepted)
        if live.remaining == 0:
            return
        self._known[accepted.seq] = live
        self._waiting.append(live)
        self.held += len(accepted.batch.contacts)

    def _start(self, now: float) -> None:
        while self.room > 0 and self._waiting:
            live = self._waiting[0]
            taken = self._start_some(live, now)
            self.room -= taken
            self.in_work += taken
            if live.next_index >= len(live.accepted.batch.contacts):
                self._waiting.popleft()

    def _start_some(self, live: Live, now: float) -> int:
        """Take contacts of one batch into work, as many as there is room for; answer how many."""
        batch, done = live.accepted.batch, live.accepted.done
        begin = live.next_index
        end = min(len(batch.contacts), begin + self.room)
        live.next_index = end
        if live.accepted.resumed:
            self._resume_some(live, range(begin, end), now)
            return end - begin
        first = batch.first_position
        items = [
            Item(live, first + index, batch.contacts[index])
            for index in range(begin, end)
            if not done or first + index not in done
        ]
        if self.cancelled:
            for item in items:
                self._end(item, batch.fields, FieldState.CANCELLED, "CANCELLED", now)
        elif live.accepted.unreadable:
            for item in items:
                self._end(item, batch.fields, FieldState.FAILED, Unreadable.reason, now)
        elif self._waterfall.orders is None:
            self._begin(self._waterfall, items, batch.fields, now)
        else:
            for item in items:
                self._begin(self._waterfall.orders.plan(batch.tenant, item.contact), [item], batch.fields, now)
        return len(items)

    def _begin(self, waterfall: Waterfall, items: Sequence[Item], fields: tuple[str, ...], now: float) -> None:
        """Put contacts at the first step of their waterfall."""
        step, nobody = waterfall.start(fields)
        if nobody:
            for item in items:
                item.results = not_found(nobody, (), now)
        if step is None:
            for item in items:
                self._finish(item)
        elif items:
            self._asks.setdefault(step, []).extend(items)

    def _resume_some(self, live: Live, indexes: range, now: float) -> None:
        """Take resumed contacts into work: each goes on behind the providers that its receipts name."""
        batch, orders = live.accepted.batch, self._waterfall.orders
        for index in indexes:
            resumed = live.accepted.resumed[index]
            item = Item(live, resumed.position, batch.contacts[index])
            item.tried = tuple(
                [((name,), attempt) for name, result in resumed.fields.items() for attempt in result.attempts]
            )
            if self.cancelled:
                self._end(item, tuple(resumed.fields), FieldState.CANCELLED, "CANCELLED", now)
                continue
            waterfall = self._waterfall if orders is None else orders.plan(batch.tenant, item.contact)
            asked = {
                name: {one.provider for one in result.attempts if one.outcome != OutcomeKind.UNKNOWN}
                for name, result in resumed.fields.items()
            }
            step, nobody = waterfall.resume(asked)
            item.results = explained(not_found(nobody, item.tried, now))
            if step is None:
                self._finish(item)
            else:
                self._asks.setdefault(step, []).append(item)

    def _finish(self, item: Item) -> None:
        results = item.results
        accepted = item.live.accepted
        batch = accepted.batch
        rows = self._rewrites if accepted.resumed else self._rows
        rows.append(
            ContactRow(
                batch.batch_id,
                batch.part,
                item.position,
                str(_encode(item.contact), "utf-8"),
                str(_encode(results), "utf-8"),
                tuple([result.state for result in results.values()]),
                accepted.seq,
                item.charges,
                item.awaits,
            )
        )

    def _answered_when_cancelled(
        self, step: Step, items: Sequence[Item], outcomes: Sequence[Outcome], now: float
    ) -> None:
        """Keep what was found (it may have been paid for) and end the rest."""
        decide = self._decide(step)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(step, Check):
                next_ = self._settle_check(step, item, outcome, now)
            else:
                settled = decide(step, outcome, item.tried, now)
                item.results |= settled.results
                item.tried, next_ = settled.tried, settled.next
                if outcome.call_id is not None:
                    item.note(outcome, outcome.call_id)
            if next_ is None:
                self._finish(item)
            else:
                self._end(item, self._left_open(next_, item), FieldState.CANCELLED, "CANCELLED", now)

    def _end(self, item: Item, fields: Sequence[str], state: FieldState, reason: str, now: float) -> None:
        for name in fields:
            if name not in item.results:
                item.results[name] = FieldResult(state, reason=reason, at=now, attempts=attempts_for(name, item.tried))
        self._finish(item)
