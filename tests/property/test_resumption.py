"""Whatever the order of events: a raised cap resumes what was over it, what was found stays, and nobody is asked twice.

The world of `test_aggregate`, whose second provider is paid: each of its calls takes one of a budget that may run out
and be raised.
"""

from collections.abc import Iterable, Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from des.contact import FieldResult, FieldState
from des.store.contract import AcceptedBatch, ContactRow, ResumedContact
from tests.property.test_aggregate import FIELDS, NOW, World, expected, outcome_of

PAID = "second"

_results = msgspec.json.Decoder(dict[str, FieldResult]).decode


class PaidWorld(World):
    """A world with a budget, and rows that are outstanding once more."""

    def __init__(self) -> None:
        """Begin with no budget at all."""
        self.budget = self.revision = 0
        self.stored: dict[tuple[int, int], dict[str, FieldResult]] = {}
        self.reopened: set[tuple[int, int]] = set()
        self.asked: list[tuple[int, int, str, str]] = []
        super().__init__()

    def crash(self) -> None:
        """Lose what is not in Postgres."""
        super().crash()
        self.rewrites: list[list[ContactRow]] = []
        self.decided: dict[tuple[int, int], int] = {}

    def raise_budget(self, calls: int) -> None:
        """Raise the cap: what was over it is outstanding again."""
        self.budget += calls
        self.revision += 1
        self._reopen(self.stored)
        self.aggregate.store_has_more()
        self.perform()

    def _reopen(self, keys: Iterable[tuple[int, int]]) -> None:
        for key in list(keys):
            fields = self.stored[key]
            over = {name for name, result in fields.items() if result.state is FieldState.OVER_BUDGET}
            if over and key not in self.reopened:
                pending = {name: FieldResult(FieldState.PENDING, attempts=fields[name].attempts) for name in over}
                self.stored[key] = fields | pending
                self.reopened.add(key)

    def open_batches(self, known: list[int]) -> list[AcceptedBatch]:
        """Read as the loader does: also the contacts that were reopened, by their batches."""
        found = super().open_batches(known)
        for seq, accepted in sorted(self.batches.items()):
            positions = sorted(position for of, position in self.reopened if of == seq)
            if positions and -seq not in known:
                found.append(self._resumed(accepted, positions))
        return found[:2]

    def perform(self) -> None:
        """Take the effects up, the rewrites among them."""
        effects = self.aggregate.take_effects()
        self.room += effects.unused
        self.asks += effects.asks.items()
        if effects.rows:
            self.commits.append(effects.rows)
        if effects.rewrites:
            self.rewrites.append(effects.rewrites)
        self.decided |= {(abs(row.seq), row.position): self.revision for row in (*effects.rows, *effects.rewrites)}
        if effects.load:
            self.load = self.open_batches(self.aggregate.known)

    def step(self, action: int, pick: int, *, turn_ends: bool = True) -> None:
        """Let one thing happen; what is asked of the paid provider may be over the budget."""
        if action == 1 and self.asks and self._answer(pick):
            return
        if action == 2 and self.rewrites:
            self._rewrite(self.rewrites.pop(pick % len(self.rewrites)))
        super().step(action, pick, turn_ends=turn_ends)
        for key, row in self.rows.items():
            if key not in self.stored:
                self.stored[key] = _results(row.fields)
                self._landed([key])

    def _landed(self, keys: Sequence[tuple[int, int]]) -> None:
        """Reopen what was decided before the cap was raised, as the commit does, which wakes the worker then."""
        late = [key for key in keys if self.decided[key] < self.revision]
        before = len(self.reopened)
        self._reopen(late)
        if len(self.reopened) > before:
            self.aggregate.store_has_more()

    def _answer(self, pick: int) -> bool:
        step, items = self.asks[pick % len(self.asks)]
        for item in items:
            if step.provider == PAID and self.budget == 0:
                break
            self.asked += [(item.live.accepted.seq, item.position, step.provider, name) for name in step.asks]
            self.budget -= step.provider == PAID
            self.aggregate.answered(step, [item], [outcome_of(step, item.contact)], NOW)
            items = items[1:]
        self.asks[pick % len(self.asks)] = (step, items)
        if not items:
            self.asks.pop(pick % len(self.asks))
        elif step.provider == PAID:
            self._refuse(pick % len(self.asks))
        self.perform()
        return True

    def _refuse(self, index: int) -> None:
        step, items = self.asks.pop(index)
        self.aggregate.over_budget(step, items, "erid", NOW)

    def _rewrite(self, rows: list[ContactRow]) -> None:
        for row in rows:
            key = (-row.seq, row.position)
            assert key in self.reopened, "only what is outstanding is written again"
            self.reopened.discard(key)
            fresh = _results(row.fields)
            before = self.stored[key]
            assert {name for name, result in before.items() if result.state is FieldState.PENDING} == fresh.keys()
            self.stored[key] = before | fresh
        self.aggregate.committed(rows)
        self.room += len(rows)
        self._landed([(-row.seq, row.position) for row in rows])

    def _resumed(self, accepted: AcceptedBatch, positions: list[int]) -> AcceptedBatch:
        batch, resumed = accepted.batch, list[ResumedContact]()
        for position in positions:
            fields = self.stored[accepted.seq, position]
            open_ = {name: result for name, result in fields.items() if result.state is FieldState.PENDING}
            resumed.append(ResumedContact(position, open_))
        contacts = tuple([batch.contacts[position - batch.first_position] for position in positions])
        return AcceptedBatch(msgspec.structs.replace(batch, contacts=contacts), 0, -accepted.seq, resumed=resumed)

    def finish(self) -> None:
        """Let everything happen, and the rewrites too."""
        for _ in range(10_000):
            self.step(0, 6)
            for action in (1, 2, 3, 4):
                self.step(action, 0)
            if self.aggregate.idle and not (self.asks or self.commits or self.rewrites or self.accepting):
                return
        raise AssertionError(f"never idle: {vars(self.aggregate)}")


actions = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(1, 9), st.sampled_from(FIELDS)),
        st.tuples(st.just("run"), st.integers(5, 40), st.integers(0, 10_000)),
        st.tuples(st.just("raise"), st.integers(1, 5), st.none()),
        st.tuples(st.just("crash"), st.none(), st.none()),
    ),
    max_size=30,
)


def play(script: list[tuple[object, ...]], *, deaths: bool) -> PaidWorld:
    """Let a script happen, then lift the cap, then let everything come to its end."""
    world = PaidWorld()
    found: dict[tuple[int, int, str], FieldResult] = {}
    for what, *arguments in script:
        match what, arguments:
            case "accept", [int(contacts), tuple(fields)]:
                world.accept(contacts, fields, heard=True)
                world.perform()
            case "run", [int(steps), int(seed)]:
                world.run(steps, seed)
            case "raise", [int(calls), _]:
                world.raise_budget(calls)
            case _:
                if deaths:
                    world.crash()
                    world.perform()
        for (seq, position), stored in world.stored.items():
            for name, result in stored.items():
                if result.state is FieldState.FOUND:
                    assert found.setdefault((seq, position, name), result) == result, "what was found stays"
    world.raise_budget(1_000_000)
    world.finish()
    return world


def ends_as_it_must(world: PaidWorld) -> None:
    assert not world.reopened
    assert (world.aggregate.in_work, world.aggregate.held, world.room) == (0, 0, 50)
    for seq, accepted in world.batches.items():
        batch = accepted.batch
        for index, contact in enumerate(batch.contacts):
            fields = world.stored[seq, batch.first_position + index]
            assert {name: result.state.value for name, result in fields.items()} == expected(contact, batch.fields)


@given(actions)
@settings(max_examples=500, deadline=None)
def test_what_was_over_the_cap_ends_as_if_there_had_been_none(script: list[tuple[object, ...]]) -> None:
    world = play(script, deaths=False)
    ends_as_it_must(world)
    asked = [(abs(seq), *rest) for seq, *rest in world.asked]
    assert len(asked) == len(set(asked)), "no provider is asked twice for a field"


@given(actions)
@settings(max_examples=500, deadline=None)
def test_whoever_dies_meanwhile(script: list[tuple[object, ...]]) -> None:
    ends_as_it_must(play(script, deaths=True))


def test_a_cancelled_one_ends_what_was_resumed() -> None:
    world = PaidWorld()
    world.accept(4, ("email", "phone"), heard=True)
    world.perform()
    world.finish()
    assert any(result.state is FieldState.OVER_BUDGET for fields in world.stored.values() for result in fields.values())
    world.raise_budget(100)
    world.aggregate.cancel()
    world.finish()
    states = {result.state for fields in world.stored.values() for result in fields.values()}
    assert FieldState.OVER_BUDGET not in states
    assert FieldState.CANCELLED in states
