"""Whatever the order of events, and however often its actor dies: every contact ends once, as it must.

The model around the aggregate is a store that keeps batches and rows as Postgres does, a provider that answers by a
rule, and an adversary (hypothesis) that decides what happens next.
"""

import random
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from des.actors.aggregate import Aggregate, Item, address_of
from des.contact import Contact, ContactBatch
from des.limits import BATCH_REFS_PER_ERID_MAX
from des.options import UNSAID, Options, OptionsInForce
from des.providers.contract import MISS, VERDICT, Outcome, OutcomeKind, Value, Verification
from des.providers.waterfall import Step, Waterfall
from des.store.contract import AcceptedBatch, ContactRow

ERID = UUID(int=7)
WATERFALL = Waterfall(
    {"email": ("first", "second"), "phone": ("second",), "title": ()},
    {"first": frozenset({"email"}), "second": frozenset({"email", "phone"})},
    verify={"email": ("verifier",)},
)
FIELDS = (("email",), ("email", "phone"), ("phone", "title"), ("title",))
NOW = 1_000.0
LOAD_MAX = 2
TURNS_END = 0.3
"""Share of mails behind which an actor's turn ends."""


def outcome_of(step: Step, contact: Contact) -> Outcome:
    """Answer by rule: what a provider says depends on the contact alone."""
    number = int(contact.external_id)
    match (step.provider, number % 6):
        case ("verifier", _):
            word = Verification.INVALID if number % 6 == 5 else Verification.UNKNOWN
            return Outcome(OutcomeKind.FOUND, {VERDICT: Value(word.value)})
        case ("first", 0 | 1 | 5):
            return Outcome(OutcomeKind.FOUND, {"email": Value(f"{number}@first")})
        case ("second", 2):
            return Outcome(OutcomeKind.FOUND, {name: Value(f"{number}@second") for name in step.asks})
        case (_, 3):
            return Outcome(OutcomeKind.TRANSIENT, reason="broken")
        case _:
            return MISS


def expected(contact: Contact, fields: tuple[str, ...]) -> dict[str, str]:
    """State of each field by the same rule, told without a waterfall."""
    number = int(contact.external_id) % 6
    states = {
        "email": {0: "found", 1: "found", 2: "found", 3: "failed", 4: "not_found", 5: "not_found"}[number],
        "phone": {2: "found", 3: "failed"}.get(number, "not_found"),
        "title": "not_found",
    }
    return {name: states[name] for name in fields}


class World:
    """Store, provider and one aggregate, with everything in between under way."""

    def __init__(self) -> None:
        """Begin with nothing accepted."""
        self.batches: dict[int, AcceptedBatch] = {}
        self.rows: dict[tuple[int, int], ContactRow] = {}
        self.doubled = 0
        self.crash()

    def crash(self) -> None:
        """Lose the aggregate and all that was under way; keep what Postgres has."""
        self.aggregate = Aggregate(WATERFALL)
        self.aggregate.store_has_more()
        self.asks: list[tuple[Step, list[Item]]] = []
        self.commits: list[list[ContactRow]] = []
        self.load: list[AcceptedBatch] | None = None
        self.accepting: list[AcceptedBatch] = []
        self.room = 50

    def open_batches(self, known: list[int]) -> list[AcceptedBatch]:
        """Read as the loader does: open batches that are not known, with their committed positions."""
        found = []
        for seq, accepted in sorted(self.batches.items()):
            done = frozenset(position for s, position in self.rows if s == seq)
            if seq not in known and len(done) < len(accepted.batch.contacts):
                found.append(msgspec.structs.replace(accepted, done=done))
        return found[:LOAD_MAX]

    def accept(self, contacts: int, fields: tuple[str, ...], *, heard: bool) -> None:
        """Accept a batch; the aggregate is told of it, or (another worker's) only that there is something."""
        seq = 1 + len(self.batches)  # as in Postgres; its negative is that of its resumed contacts
        people = tuple(Contact(external_id=str(seq * 31 + n)) for n in range(contacts))
        batch = ContactBatch("t", ERID, UUID(int=seq), fields, people, b"", b"", first_position=seq % 3)
        self.batches[seq] = AcceptedBatch(batch, 0, seq)
        if heard:
            self.accepting.append(self.batches[seq])  # committed, and the acceptor has not come to say so
        else:
            self.aggregate.store_has_more(UNSAID, self.outstanding(), in_all=True)

    def outstanding(self) -> int:
        """Contacts accepted and not committed."""
        return sum(len(accepted.batch.contacts) for accepted in self.batches.values()) - len(self.rows)

    def perform(self) -> None:
        """Take the effects up, as the shell does."""
        effects = self.aggregate.take_effects()
        self.room += effects.unused
        self.asks += effects.asks.items()
        if effects.rows:
            self.commits.append(effects.rows)
        if effects.load:
            assert self.load is None
            self.load = self.open_batches(self.aggregate.known)

    def step(self, action: int, pick: int, *, turn_ends: bool = True) -> None:
        """Let one thing happen; an actor may read of several in one turn."""
        if action == 0 and self.room:
            granted = min(self.room, self.aggregate.wants, 1 + pick % 7)
            self.room -= granted
            self.aggregate.granted(granted, NOW)
        elif action == 1 and self.asks:
            step, items = self.asks.pop(pick % len(self.asks))
            cut = 1 + pick % len(items)
            if items[cut:]:
                self.asks.append((step, items[cut:]))
            self.aggregate.answered(step, items[:cut], [outcome_of(step, item.contact) for item in items[:cut]], NOW)
        elif action == 2 and self.commits:
            rows = self.commits.pop(pick % len(self.commits))
            self.doubled += sum((row.seq, row.position) in self.rows for row in rows)
            self.rows |= {(row.seq, row.position): row for row in rows}
            self.aggregate.committed(rows)
            self.room += len(rows)
        elif action == 3 and self.load is not None:
            found, self.load = self.load, None
            heard = [accepted for accepted in found if accepted.seq not in [one.seq for one in self.accepting]]
            self.aggregate.loaded(heard, NOW, complete=len(found) < LOAD_MAX)
        elif action == 4 and self.accepting:
            self.aggregate.accepted(self.accepting.pop(0), NOW)
        if turn_ends:
            self.perform()
            assert self.aggregate.room == 0 or self.load is not None, "what nobody uses is what others wait for"

    def run(self, steps: int, seed: int) -> None:
        """Let many things happen in an order of their own."""
        order = random.Random(seed)
        for _ in range(steps):
            self.step(order.randrange(5), order.randrange(100), turn_ends=order.random() < TURNS_END)

    def finish(self) -> None:
        """Let everything happen until nothing is left to happen."""
        for _ in range(10_000):
            self.step(0, 6)
            for action in (1, 2, 3, 4):
                self.step(action, 0)
            if self.aggregate.idle and not (self.asks or self.commits or self.accepting):
                return
        raise AssertionError(f"never idle: {vars(self.aggregate)}")


actions = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(1, 9), st.sampled_from(FIELDS), st.booleans()),
        st.tuples(st.just("step"), st.integers(0, 4), st.integers(0, 100)),
        st.tuples(st.just("run"), st.integers(5, 40), st.integers(0, 10_000)),
        st.tuples(st.just("crash")),
    ),
    max_size=40,
)


@given(actions)
@settings(max_examples=1_000, deadline=None)
def test_every_contact_ends_once_as_it_must(script: list[tuple[object, ...]]) -> None:
    world = World()
    for what, *arguments in script:
        match what, arguments:
            case "accept", [int(contacts), tuple(fields), bool(heard)]:
                world.accept(contacts, fields, heard=heard)
                world.perform()
            case "step", [int(action), int(pick)]:
                world.step(action, pick)
            case "run", [int(steps), int(seed)]:
                world.run(steps, seed)
            case _:
                world.crash()
                world.perform()
    world.finish()

    assert world.doubled == 0
    assert world.aggregate.in_work == 0
    assert world.aggregate.held == 0
    assert world.room == 50
    for seq, accepted in world.batches.items():
        batch = accepted.batch
        for index, contact in enumerate(batch.contacts):
            row = world.rows.pop((seq, batch.first_position + index))
            results = msgspec.json.decode(row.fields)
            assert {name: result["state"] for name, result in results.items()} == expected(contact, batch.fields)
            assert sorted(state.value for state in row.states) == sorted(r["state"] for r in results.values())
    assert not world.rows


@given(actions, st.integers(0, 59))
@settings(max_examples=500, deadline=None)
def test_a_cancelled_one_ends_everything_and_keeps_what_was_found(script: list[tuple[object, ...]], when: int) -> None:
    world = World()
    for index, (what, *arguments) in enumerate(script):
        match what, arguments:
            case "accept", [int(contacts), tuple(fields), bool(heard)]:
                world.accept(contacts, fields, heard=heard)
                world.perform()
            case "step", [int(action), int(pick)]:
                world.step(action, pick)
            case "run", [int(steps), int(seed)]:
                world.run(steps, seed)
            case _:
                pass  # deaths are the other test's
        if index == when:
            world.aggregate.cancel()
            world.perform()
    world.aggregate.cancel()
    world.finish()

    assert len(world.rows) == sum(len(accepted.batch.contacts) for accepted in world.batches.values())
    for row in world.rows.values():
        for result in msgspec.json.decode(row.fields).values():
            assert result["state"] != "pending"
            assert ("value" in result) == (result["state"] == "found")


def test_the_window_is_bounded_by_refs() -> None:
    world = World()
    world.aggregate.more_in_store = False
    for _ in range(BATCH_REFS_PER_ERID_MAX + 5):
        world.accept(1, ("email",), heard=True)
        world.step(4, 0)
    assert world.aggregate.held == BATCH_REFS_PER_ERID_MAX
    assert world.aggregate.more_in_store


def test_what_is_accepted_has_the_room_that_was_left_over() -> None:
    world = World()
    world.accept(1, ("email",), heard=True)
    world.accept(2, ("email",), heard=True)
    world.aggregate.more_in_store = False
    world.step(4, 0)
    world.step(0, 6, turn_ends=False)  # seven, of which it needs one
    world.step(4, 0)
    assert [len(items) for _, items in world.asks] == [3]
    assert world.room == 50 - 3


@pytest.mark.parametrize(("minimum", "state"), [(None, "found"), (0.5, "found"), (0.9, "over_budget")])
def test_where_a_cap_leaves_no_room_for_a_verifier_the_value_is_kept_if_it_is_sure_enough(
    minimum: float | None, state: str
) -> None:
    options = OptionsInForce(Options(minimum_confidence=minimum), 1)
    aggregate = Aggregate(WATERFALL, options)
    people = (Contact(external_id="0"),)
    aggregate.accepted(AcceptedBatch(ContactBatch("t", ERID, UUID(int=1), ("email",), people, b"", b""), 0, 1), NOW)
    aggregate.granted(1, NOW)
    found = Outcome(OutcomeKind.FOUND, {"email": Value("x@y.z", 0.6)}, cost=2.0, call_id=UUID(int=9))
    ((step, items),) = aggregate.take_effects().asks.items()
    aggregate.answered(step, items, [found], NOW)
    ((check, items),) = aggregate.take_effects().asks.items()
    assert (check.provider, address_of(items[0], check.checks)) == ("verifier", Contact(email="x@y.z"))
    aggregate.over_budget(check, items, "tenant", NOW)
    (row,) = aggregate.take_effects().rows
    result = msgspec.json.decode(row.fields)["email"]
    lines = [result, *result.get("attempts", [])]
    assert (result["state"], [line["value"] for line in lines if "value" in line]) == (state, ["x@y.z"])
    assert sum(line.get("cost", 0.0) for line in lines) == 2.0
    assert row.charges == (UUID(int=9),)
