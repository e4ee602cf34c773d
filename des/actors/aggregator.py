"""The aggregator actor: the shell around one ERID's aggregate. Reads mail, lets the aggregate decide, performs effects.

Its turn is synchronous: every effect is handed to a component with a bound of its own (dispatcher, committer, loader,
scheduler), whose reply comes back as mail. So it holds nothing open, can be dropped at any moment, and loses only time.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

import msgspec

from des.actors.aggregate import Aggregate, Item, address_of
from des.actors.mail import (
    Accepted,
    Answered,
    Cancel,
    Committed,
    Granted,
    Loaded,
    Mail,
    OverBudget,
    StoreHasMore,
    Withdrawn,
)
from des.actors.scheduler import Scheduler
from des.actors.turns import Turns
from des.ledger import Saving, Settlement
from des.options import PRIORITY_DEFAULT, UNSAID, Options, OptionsInForce
from des.providers.ask import Ask
from des.providers.contract import Outcome, Question
from des.providers.waterfall import Step, Waterfall
from des.store.contract import AcceptedBatch, CommitUnit, ContactRow, Erid, Want


class Asks(Protocol):
    """A provider's dispatcher."""

    def submit(self, ask: Ask) -> None:
        """Queue questions."""

    def withdraw(self, asker: "Aggregator") -> None:
        """Give back its questions that are not asked yet."""

    def abandon(self, asker: "Aggregator") -> None:
        """Give back those whose answer is waited for beside calls that are out."""


class Commits(Protocol):
    """The committer."""

    def submit(self, unit: CommitUnit, aggregator: "Aggregator") -> None:
        """Queue a unit; `committed` or `refused` is called on the aggregator."""


class Loads(Protocol):
    """The loader."""

    def request(self, want: Want, aggregator: "Aggregator") -> None:
        """Queue a load; `loaded` is called on the aggregator."""


class Keeper(Protocol):
    """Who keeps the aggregators: the router."""

    def passivate(self, aggregator: "Aggregator") -> None:
        """Forget an aggregator that holds nothing."""

    def held(self, contacts: int) -> None:
        """Hear by how much the contacts held in memory changed."""


class Parts(msgspec.Struct, frozen=True):
    """The components an aggregator's effects go to, shared by all of them."""

    waterfall: Waterfall
    dispatchers: Mapping[str, Asks]
    committer: Commits
    loader: Loads
    scheduler: Scheduler
    turns: Turns
    keeper: Keeper


class Aggregator:
    """The actor of one ERID under one epoch of its partition's lease."""

    __slots__ = (
        "_aggregate",
        "_held",
        "_mailbox",
        "_parts",
        "_savings",
        "_settlements",
        "dead",
        "epoch",
        "erid",
        "in_line",
        "loads_in_flight",
        "partition",
        "queued",
        "resting",
        "tenant",
        "units_in_flight",
        "withdraws",
    )

    def __init__(self, erid: Erid, partition: int, epoch: int, parts: Parts, options: OptionsInForce = UNSAID) -> None:
        """Take the ERID, its partition with the epoch it is held under, the shared components, and its options."""
        self.tenant, self.erid = erid
        self.partition = partition
        self.epoch = epoch
        self.queued = False
        self.in_line = False
        self.dead = False
        self.resting = False
        self.withdraws = False
        self.units_in_flight = 0
        self.loads_in_flight = 0
        self._parts = parts
        self._aggregate = Aggregate(parts.waterfall, options)
        self._mailbox: list[Mail] = []
        self._settlements: list[Settlement] = []
        self._savings: list[Saving] = []
        self._held = 0

    def __repr__(self) -> str:
        """Show what an operator asks first."""
        return f"Aggregator({self.tenant}/{self.erid}, partition {self.partition}, in work {self._aggregate.in_work})"

    @property
    def name(self) -> Erid:
        """Its tenant and ERID."""
        return self.tenant, self.erid

    @property
    def options(self) -> Options:
        """How its ERID is to be worked."""
        return self._aggregate.options.options

    @property
    def wants(self) -> int:
        """Contacts it could take into work now."""
        return 0 if self.dead or self.resting else self._aggregate.wants

    @property
    def waiting(self) -> int:
        """Contacts that are not in work yet."""
        return self._aggregate.waiting

    @property
    def priority(self) -> int:
        """Of its ERID, by its options."""
        priority = self._aggregate.options.options.priority
        return PRIORITY_DEFAULT if priority is None else priority

    @property
    def held(self) -> int:
        """Contacts it holds in memory, those included that are being committed."""
        return self._held

    @property
    def in_work(self) -> int:
        """Contacts in work."""
        return self._aggregate.in_work

    def tell(self, mail: Mail) -> None:
        """Put mail into the mailbox. Its size is bounded by what the aggregate has asked for and the router holds."""
        if self.dead:
            return
        self._mailbox.append(mail)
        if not self.queued:
            self._parts.turns.ready(self)

    # ---- replies of the components, each as mail -------------------------------------------------------------------

    def granted(self, contacts: int) -> None:
        """Hear from the scheduler."""
        self.tell(Granted(contacts))

    def answered(
        self,
        step: Step,
        items: Sequence[Item],
        outcomes: Sequence[Outcome],
        settlements: Sequence[Settlement] = (),
        savings: Sequence[Saving] = (),
    ) -> None:
        """Hear from a dispatcher. What a call cost is committed with what it found, or alone when this is dead."""
        if self.dead:
            self.settle(settlements)
        elif settlements or savings:
            self._settlements += settlements
            self._savings += savings
        self.tell(Answered(step, items, outcomes))

    def over_budget(self, step: Step, items: Sequence[Item], scope: str) -> None:
        """Hear from a dispatcher that a cap left no room for a call."""
        self.tell(OverBudget(step, items, scope))

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Have calls settled that found nothing for a contact of this ERID: at once, alive or dead."""
        if settlements:
            self._submit((), settlements)

    def withdrawn(self, step: Step, items: Sequence[Item]) -> None:
        """Hear from a dispatcher that these were not asked."""
        self.tell(Withdrawn(step, items))

    def loaded(self, batches: Sequence[AcceptedBatch], *, complete: bool) -> None:
        """Hear from the loader."""
        self.loads_in_flight -= 1
        self.tell(Loaded(batches, complete))

    def committed(self, rows: Sequence[ContactRow]) -> None:
        """Hear from the committer; also after death, since a rebuild waits for it."""
        self.units_in_flight -= 1
        self.tell(Committed(rows))

    # ---- the turn ------------------------------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Read all mail, then perform what the aggregate wants done."""
        if self.dead:
            return
        mailbox, self._mailbox = self._mailbox, []
        finished = 0
        for mail in mailbox:
            finished += self._read(mail, now)
        self._perform()
        if finished:
            self._parts.scheduler.give_back(finished)
        self._settle_down()

    def die(self) -> int:
        """Stop for good; answer the contacts in work, whose room is free again with this."""
        self.dead = True
        self._withdraw()
        self.settle(self._settlements)
        self._mailbox.clear()
        room = self._aggregate.in_work + self._aggregate.room
        self._parts.keeper.held(-self._held)
        self._held = 0
        return room

    def _read(self, mail: Mail, now: float) -> int:
        """Tell the aggregate; answer how many contacts left the work with that."""
        aggregate = self._aggregate
        match mail:
            case Answered(step, items, outcomes):
                aggregate.answered(step, items, outcomes, now)
            case Committed(rows):
                aggregate.committed(rows)
                return len(rows)
            case Granted(contacts):
                aggregate.granted(contacts, now)
            case Accepted(batch):
                aggregate.accepted(batch, now)
            case Loaded(batches, complete):
                aggregate.loaded(batches, now, complete=complete)
            case StoreHasMore(options, contacts, in_all):
                aggregate.store_has_more(options, contacts, in_all=in_all)
            case OverBudget(step, items, scope):
                aggregate.over_budget(step, items, scope, now)
            case Withdrawn(step, items):
                aggregate.withdrawn(step, items, now)
            case Cancel():
                aggregate.cancel()
                self._withdraw()
                self._abandon()
            case _:
                assert_never(mail)
        return 0

    def _withdraw(self) -> None:
        self.withdraws = True
        for dispatcher in self._parts.dispatchers.values():
            dispatcher.withdraw(self)

    def _abandon(self) -> None:
        for dispatcher in self._parts.dispatchers.values():
            dispatcher.abandon(self)

    def _perform(self) -> None:
        effects = self._aggregate.take_effects()
        for step, items in effects.asks.items():
            if step.checks:
                questions = [Question(self.tenant, address_of(item, step.checks), step.asks) for item in items]
            else:
                questions = [Question(self.tenant, item.contact, step.asks) for item in items]
            self._parts.dispatchers[step.provider].submit(
                Ask(self.tenant, self.erid, step, self, items, questions=questions)
            )
        if effects.rows or effects.rewrites or self._settlements or self._savings:
            settlements, self._settlements = self._settlements, []
            savings, self._savings = self._savings, []
            self._submit(effects.rewrites or effects.rows, settlements, savings, resumed=bool(effects.rewrites))
        if effects.rewrites and effects.rows:  # behind the settlements of the calls that their receipts name
            self._submit(effects.rows)
        if effects.load:
            self.loads_in_flight += 1
            want = Want(self.tenant, self.erid, self._aggregate.room, self._aggregate.known)
            self._parts.loader.request(want, self)
        if effects.unused:
            self._parts.scheduler.give_back(effects.unused)

    def _submit(
        self,
        rows: Sequence[ContactRow],
        settlements: Sequence[Settlement] = (),
        savings: Sequence[Saving] = (),
        *,
        resumed: bool = False,
    ) -> None:
        self.units_in_flight += 1
        revision = self._aggregate.options.revision
        unit = CommitUnit(
            self.tenant, self.erid, self.partition, self.epoch, rows, settlements, savings, resumed, revision
        )
        self._parts.committer.submit(unit, self)

    def _settle_down(self) -> None:
        """Stand in line for more work, or passivate when there is none."""
        aggregate = self._aggregate
        if aggregate.held != self._held:
            self._parts.keeper.held(aggregate.held - self._held)
            self._held = aggregate.held
        if self.wants:
            self._parts.scheduler.want(self)
        elif aggregate.idle and not self._mailbox:
            self._parts.keeper.passivate(self)
