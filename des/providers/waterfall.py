"""The waterfall: which provider a contact's open fields are asked of next. Pure, and planned once per state.

A contact that waits for an answer stands at a `Step`: the provider that is asked and the fields it is asked for (every
open field that is at that provider in its own waterfall shares the call). Contacts in the same state share the same
Step, so that a batch of a thousand costs a handful of plans. Misses and invalid inputs move on; `settle` decides what
every other outcome means. Nothing here performs I/O.
"""

from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, assert_never

import msgspec

from des.contact import FREE, Attempt, Contact, FieldResult, FieldState
from des.learning import Standing
from des.providers.contract import VERDICT, Outcome, OutcomeKind, Source

Cursor = tuple[tuple[str, int], ...]
"""Open fields, each with its place in its own waterfall."""

Tried = tuple[tuple[tuple[str, ...], Attempt], ...]
"""What was asked before: the fields of the call and the attempt, in order."""


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What an outcome makes of one contact: the fields it ended, and where the contact stands now (None: done)."""

    results: dict[str, FieldResult]
    next: "Step | None"
    tried: Tried


_NONE: frozenset[str] = frozenset()


class Step:
    """One place in the plan: the provider to ask, the fields to ask it for, and where each answer leads."""

    __slots__ = ("_moves", "asks", "cursor", "missed", "plan", "provider", "rules", "takes", "verifies")

    checks = ""
    """The field whose value is shown to a verifier, where the provider is one."""

    def __init__(self, plan: "Waterfall", cursor: Cursor) -> None:
        """Take the plan it belongs to and the open fields (at least one)."""
        self.plan = plan
        self.cursor = cursor
        self.provider = plan.choose([plan.order[name][at] for name, at in cursor])
        self.asks = tuple(name for name, at in cursor if plan.order[name][at] == self.provider)
        self.takes = tuple(name for name, _ in cursor if self.provider in plan.order[name])
        """Open fields whose value is taken when it comes along, asked for or not: it may have been paid for."""
        self.rules = {name: rule for name in self.takes if (rule := plan.rules.get((name, self.provider)))}
        self.verifies = not plan.verify.keys().isdisjoint(self.takes)
        """Whether values of it may have to be verified."""
        self.missed = Attempt(self.provider, OutcomeKind.MISS.value)
        self._moves: dict[frozenset[str], tuple[Step | None, tuple[str, ...]]] = {}

    def __repr__(self) -> str:
        """Name the provider and the fields."""
        return f"Step({self.provider}: {', '.join(self.asks)})"

    def after(self, found: frozenset[str]) -> tuple["Step | None", tuple[str, ...]]:
        """Where a contact goes once these fields are found: the next step, and the fields that ran out."""
        move = self._moves.get(found)
        if move is None:
            move = self._moves[found] = self.plan.move(self, found)
        return move


class Check(Step):
    """A place where the value of one field is shown to a verifier; the contact goes on from there by what that says.

    `checks`: the field; `provisional`: it, and those whose values are to be checked after it; `cursor`: the open
    fields; `turn`: how many verifiers were asked before.
    """

    __slots__ = ("_at", "_then", "checks", "provisional", "turn")

    def __init__(self, plan: "Waterfall", cursor: Cursor, pending: Cursor, turn: int) -> None:
        """Take the plan, the open fields, the fields to be checked with where each goes on if refused, and the turn."""
        (self.checks, self._at), *then = pending
        self.plan = plan
        self._then = tuple(then)
        self.cursor = cursor
        self.provisional = tuple(name for name, _ in pending)
        self.turn = turn
        self.provider = plan.verify[self.checks][turn]
        self.asks = (VERDICT,)
        self.takes = ()
        self.verifies = False
        self.rules = {}

    def next_verifier(self) -> "Check | None":
        """Who is shown the same value next, if there is somebody."""
        if self.turn + 1 == len(self.plan.verify[self.checks]):
            return None
        return self.plan.check(self.cursor, ((self.checks, self._at), *self._then), self.turn + 1)

    def taken(self) -> "Step | None":
        """Where the contact goes once the value is taken."""
        return self.plan.behind(self.cursor, self._then)[0]

    def refused(self) -> tuple["Step | None", tuple[str, ...]]:
        """Where it goes once it is not: the field is open again; and the fields that ran out."""
        return self.plan.behind(tuple(sorted((*self.cursor, (self.checks, self._at)))), self._then)


class Orders(Protocol):
    """Plans that depend on the contact, and on what is learned of providers."""

    def learn(self, standings: Sequence[Standing]) -> None:
        """Plan by these standings from now on."""

    def plan(self, tenant: str, contact: Contact) -> "Waterfall":
        """The plan for a contact."""


class Waterfall:
    """The plan of all waterfalls: which providers each field is asked of, in order."""

    def __init__(
        self,
        order: Mapping[str, Sequence[str]],
        gives: Mapping[str, frozenset[str]],
        paid: Container[str] = frozenset(),
        rules: Mapping[tuple[str, str], str] = MappingProxyType({}),
        orders: "Orders | None" = None,
        *,
        verify: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Take each field's providers in order, what each gives (others are skipped), and the paid ones.

        `rules`: why a provider has its place among those of a field, where that was not configured. `orders`: who plans
        in place of this plan, for each contact; None where all are on this one. `verify`: by field, who is shown its
        values before one is taken, in order.
        """
        self._paid = paid
        self.rules = rules
        self.orders = orders
        self.order = {
            field: tuple(name for name in names if field in gives.get(name, frozenset()))
            for field, names in order.items()
        }
        self.verify = {field: tuple(names) for field, names in verify.items() if names}
        self._checks: dict[tuple[Cursor, Cursor, int], Check] = {}
        self._starts: dict[tuple[str, ...], tuple[Step | None, tuple[str, ...]]] = {}
        self._steps: dict[Cursor, Step] = {}

    def choose(self, providers: Sequence[str]) -> str:
        """Of the providers at which the open fields stand, the one to ask now.

        Free ones first: what they find need not be bought, and what they miss then shares the paid call of the
        others. Of paid ones that which the most fields wait for.
        """
        free = [name for name in providers if name not in self._paid]
        return free[0] if free else max(providers, key=providers.count)

    def start(self, fields: tuple[str, ...]) -> tuple[Step | None, tuple[str, ...]]:
        """First step for these fields (None: there is nobody to ask), and the fields that nobody gives."""
        start = self._starts.get(fields)
        if start is None:
            start = self._starts[fields] = self._enter(tuple((name, 0) for name in fields))
        return start

    def resume(self, asked: Mapping[str, Container[str]]) -> tuple[Step | None, tuple[str, ...]]:
        """Step for fields of which some providers were asked before, by field: nobody is asked twice.

        None where there is nobody left, and the fields for which there is not.
        """
        return self._enter(tuple((name, self._first_not(name, before)) for name, before in sorted(asked.items())))

    def _first_not(self, field: str, asked: Container[str]) -> int:
        order = self.order.get(field, ())
        return next((at for at, provider in enumerate(order) if provider not in asked), len(order))

    def move(self, step: Step, found: frozenset[str]) -> tuple[Step | None, tuple[str, ...]]:
        """Advance every asked field that was not found, drop those that were."""
        return self._enter(
            tuple((name, at + 1 if name in step.asks else at) for name, at in step.cursor if name not in found)
        )

    def check(self, cursor: Cursor, pending: Cursor, turn: int = 0) -> Check:
        """The step at which the first of the pending fields is shown to its next verifier."""
        key = (cursor, pending, turn)
        if key not in self._checks:
            self._checks[key] = Check(self, cursor, pending, turn)
        return self._checks[key]

    def behind(self, cursor: Cursor, pending: Cursor) -> tuple[Step | None, tuple[str, ...]]:
        """Where a contact with these open fields goes that has these values to be checked; the fields that ran out."""
        step, exhausted = self._enter(cursor)
        if not pending:
            return step, exhausted
        return self.check(step.cursor if step is not None else (), pending), exhausted

    def _enter(self, cursor: Cursor) -> tuple[Step | None, tuple[str, ...]]:
        open_ = tuple((name, at) for name, at in cursor if at < len(self.order.get(name, ())))
        exhausted = tuple(name for name, at in cursor if at >= len(self.order.get(name, ())))
        if not open_:
            return None, exhausted
        if open_ not in self._steps:
            self._steps[open_] = Step(self, open_)
        return self._steps[open_], exhausted


def attempts_for(field: str, tried: Tried) -> tuple[Attempt, ...]:
    """Who was asked for this field before, in order."""
    return tuple([attempt for fields, attempt in tried if field in fields]) if tried else ()


def not_found(fields: Sequence[str], tried: Tried, now: float) -> dict[str, FieldResult]:
    """Results of fields whose waterfall ran out; `now` in seconds since the epoch."""
    return {
        name: FieldResult(
            FieldState.NOT_FOUND, reason="" if tried else "NO_PROVIDER", at=now, attempts=attempts_for(name, tried)
        )
        for name in fields
    }


def ended(
    step: Step, fields: Sequence[str], state: FieldState, *, reason: str, tried: Tried, now: float
) -> dict[str, FieldResult]:
    """Results of fields that the step's provider ended without a value."""
    return {
        name: FieldResult(state, provider=step.provider, reason=reason, at=now, attempts=attempts_for(name, tried))
        for name in fields
    }


def settle(step: Step, outcome: Outcome, tried: Tried, now: float) -> Settled:
    """Decide what the outcome of the step's call means for a contact: the one place that does.

    An error is never a miss: what is neither an answer nor a miss ends the asked fields as `failed` (the dispatcher has
    retried by then), and the other open fields go on.
    """
    match outcome.kind:
        case OutcomeKind.FOUND:
            return settle_found(step, outcome, tried, now)
        case OutcomeKind.MISS:
            return _move_on(step, _NONE, {}, (*tried, *_missed(step, step.asks, outcome)), now)
        case OutcomeKind.INVALID_INPUT:
            attempt = Attempt(step.provider, outcome.kind.value, outcome.reason)
            return _move_on(step, frozenset(), {}, (*tried, (step.asks, attempt)), now)
        case OutcomeKind.SUPPRESSED:
            fields = [name for name, _ in step.cursor]
            results = ended(
                step, fields, FieldState.SUPPRESSED, reason=outcome.reason or "SUPPRESSED", tried=tried, now=now
            )
            if outcome.cost or outcome.saved:
                results[fields[0]] = msgspec.structs.replace(
                    results[fields[0]], cost=outcome.cost, saved=outcome.saved, call_id=outcome.call_id
                )
            return Settled(results, None, tried)
        case (
            OutcomeKind.RATE_LIMITED
            | OutcomeKind.QUOTA_EXHAUSTED
            | OutcomeKind.UNAUTHORIZED
            | OutcomeKind.TRANSIENT
            | OutcomeKind.PENDING
            | OutcomeKind.UNKNOWN
        ):
            reason = outcome.kind.value.upper() + (f": {outcome.reason}" if outcome.reason else "")
            results = ended(step, step.asks, FieldState.FAILED, reason=reason, tried=tried, now=now)
            if outcome.call_id is not None:
                awaits = outcome.call_id
                results = {name: msgspec.structs.replace(one, call_id=awaits) for name, one in results.items()}
            return _move_on(step, frozenset(step.asks), results, tried, now)
        case _:
            assert_never(outcome.kind)


def _missed(step: Step, fields: tuple[str, ...], outcome: Outcome) -> Tried:
    """Attempts that gave nothing for these fields (at least one); a charge stands on the first of them."""
    reason = outcome.reason if outcome.kind is OutcomeKind.MISS else ""
    free = Attempt(step.provider, OutcomeKind.MISS.value, reason) if reason else step.missed
    if not (outcome.cost or outcome.saved):
        return ((fields, free),)
    paid = msgspec.structs.replace(free, cost=outcome.cost, saved=outcome.saved, call_id=outcome.call_id)
    return ((fields[:1], paid), (fields[1:], free)) if len(fields) > 1 else ((fields, paid),)


def settle_found(step: Step, outcome: Outcome, tried: Tried, now: float, refused: frozenset[str] = _NONE) -> Settled:
    """Take the values of an answer. Fields that are `refused` had one, which is not in it and is in `tried`."""
    values, cost, saved, call_id = outcome.values, outcome.cost, outcome.saved, outcome.call_id
    source = "" if outcome.source is Source.PROVIDER else outcome.source.value
    results: dict[str, FieldResult] = {}
    for name in step.takes:
        value = values.get(name)
        if value is not None:
            results[name] = FieldResult(
                FieldState.FOUND,
                value.value,
                step.provider,
                value.confidence,
                "",
                outcome.reference,
                value.evidence,
                value.verification,
                cost,
                now,
                attempts_for(name, tried) if tried else (),
                source,
                saved,
                call_id,
            )
            # The charge stands on one of the fields, so that receipts add up to the bill.
            cost, saved, call_id = FREE, FREE, None
    for name in step.rules.keys() & results.keys():
        results[name] = msgspec.structs.replace(results[name], rule=step.rules[name])
    if len(results) < len(step.takes):
        missed = tuple([name for name in step.asks if name not in results and name not in refused])
        if missed:
            rest = outcome if not results else msgspec.structs.replace(outcome, cost=FREE, saved=FREE, call_id=None)
            tried = (*tried, *_missed(step, missed, rest))
    return _move_on(step, frozenset(results), results, tried, now)


def _move_on(step: Step, gone: frozenset[str], results: dict[str, FieldResult], tried: Tried, now: float) -> Settled:
    next_, exhausted = step.after(gone)
    if exhausted:
        results.update(not_found(exhausted, tried, now))
    return Settled(results, next_, tried)
