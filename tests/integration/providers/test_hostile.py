"""Whatever a vendor says, and whoever is asked for: what was paid is settled, neighbours are answered, all goes on."""

import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from des.actors.stalls import StallTeller
from des.clock import SystemClock
from des.contact import Contact, FieldResult, FieldState
from des.ledger import Amount, Answer, CallState, Claim, Key, Settlement, Verdict, new_call_id
from des.limits import HANDLE_BYTES_MAX
from des.providers.contract import Outcome, OutcomeKind, Provider, Question, Replay, Traits, Value
from des.providers.dispatcher import Dispatcher
from des.providers.late import LateAnswers
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.sandbox.server import Sandbox
from des.store.contract import partition_of
from des.store.jobs import PostgresJobs
from des.store.ledger import orphan
from des.store.postgres import Database
from des.store.stalls import PostgresStalls
from des.testing.sandbox import sandbox_thread
from tests.faults.money_office import PEOPLE, SEED, Office, pays, plain_ledger

FIELD = "professional_email"
ERID = UUID(int=1)
PARTITION = partition_of("default", ERID)
CREDIT = 1_000_000
GOOD = {FIELD: Value("a@example.com")}
TRAITS = Traits("says", frozenset({FIELD}), paid=True, prices={FIELD: 2.0}, attempts_max=1)
JOHN, JANE, JACK = (
    Contact(first_name=name, last_name="Doe", company_domain="acme.com") for name in ("J", "Ja", "Jack")
)
LONG = "\u540d" * 900  # 2,700 bytes of UTF-8, and no two of a word alike enough for an index to compress them


@dataclasses.dataclass
class Looks:
    """Like an outcome, and none."""

    kind: OutcomeKind
    values: Mapping[str, Value]
    cost: float = 2.0
    reason: str = ""
    reference: str = ""
    handle: str = ""


def deep(levels: int) -> Any:
    """A list in a list, and so on."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


class Says:
    """A vendor of which each person's answer is given by first name; everybody else is found."""

    def __init__(self, said: Mapping[str, Any], *, collects: Sequence[Outcome] = (), paid: bool = True) -> None:
        self.traits = TRAITS if paid else dataclasses.replace(TRAITS, paid=False)
        self._said = said
        self._collects = list(collects)

    async def start(self) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Say it."""
        found = Outcome(OutcomeKind.FOUND, GOOD, cost=2.0)
        return [self._said.get(question.contact.first_name, found) for question in questions]

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """Say what is said later."""
        return [self._collects.pop(0) if self._collects else Outcome(OutcomeKind.PENDING) for _ in handles]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """An office has one; nobody calls it here."""
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


@asynccontextmanager
async def at_work(
    database: Database, sandbox: Sandbox, vendor: Provider, epoch: int = 1, **terms: Any
) -> AsyncIterator[Office]:
    """A worker that buys from this vendor."""
    ways = pays if vendor.traits.paid else partial(_is_free, vendor)
    office = Office(database, sandbox, vendor, plain_ledger, terms=Terms(**terms), ways=ways, epoch=epoch)
    await office.start()
    try:
        yield office
    finally:
        await office.stop()


def _is_free(vendor: Provider, *_: object) -> Dispatcher:
    """The way to a vendor that charges nothing, whatever it says."""
    return Dispatcher(vendor, SystemClock())


async def states(office: Office) -> Mapping[str, int]:
    """Calls of the ledger by state."""
    async with office.database.connection() as connection:
        rows = await connection.fetch("select state, count(*)::int as n from call group by state")
    return {row["state"]: row["n"] for row in rows}


def test_the_long_name_is_more_than_an_index_takes() -> None:
    assert len(LONG.encode()) == 2_700


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize(
    "said",
    [
        Outcome(OutcomeKind.MISS, reason="no\0body \ud800"),
        Outcome(OutcomeKind.FOUND, GOOD, reference="r\0\udfff", cost=1.0),
        Outcome(
            OutcomeKind.FOUND, {FIELD: Value("a@\0example.com", evidence="\ud801e\0", verification="\0")}, cost=1.0
        ),
        Outcome(OutcomeKind.MISS, reason="x" * 100_000),
    ],
)
async def test_what_nothing_can_store_is_left_out(
    database: Database, sandbox: Sandbox, said: Outcome, *, paid: bool
) -> None:
    async with at_work(database, sandbox, Says({"J": said}, paid=paid)) as office:
        await office.ask(ERID, [JOHN, JANE])
        await office.finished(2)
        john, jane = await office.results()
        assert await office.value("select count(*) from quarantine") == 0
        assert await states(office) == ({"settled": 2} if paid else {})
        charged = await office.value("select coalesce(sum(charged), 0)::int from call")
        assert charged == ((said.cost + 2.0) * CREDIT if paid else 0)
    assert john.state is (FieldState.FOUND if said.values else FieldState.NOT_FOUND)
    assert (john.value or "a@example.com", jane.value) == ("a@example.com", "a@example.com")
    assert john.cost == (said.cost if paid else 0.0)


@pytest.mark.parametrize(("said", "kept"), [(-1.0, 0.0), (7.0, 1.0), (math.inf, 0.0), (math.nan, 0.0)])
async def test_a_confidence_that_is_none_costs_no_answer(
    database: Database, sandbox: Sandbox, said: float, kept: float
) -> None:
    found = Outcome(OutcomeKind.FOUND, {FIELD: Value("a@example.com", said)}, cost=2.0)
    async with at_work(database, sandbox, Says({"J": found}), learns=True) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        await office.ask(UUID(int=2), [JOHN])
        await office.finished(2)
        first, second = await office.results()
        assert await states(office) == {"settled": 1}
    assert [one.confidence for one in (first, second)] == [kept, kept]
    assert (first.cost, second.cost, second.saved) == (2.0, 0.0, 2.0)


@pytest.mark.parametrize("at", [1e300, 1.8e15, -5.0, math.nan, math.inf])
@pytest.mark.parametrize("paid", [True, False])
async def test_a_time_that_cannot_be_meant_stops_nobody_for_good(
    database: Database, sandbox: Sandbox, at: float, *, paid: bool
) -> None:
    vendor = Says({"J": Outcome(OutcomeKind.QUOTA_EXHAUSTED, retry_at=at)}, paid=paid)
    async with at_work(database, sandbox, vendor) as office:
        await office.execute("insert into worker (owner, expires_at) values ($1, now() + '1 hour')", office.owner)
        await office.ask(ERID, [JOHN])
        await office.holds(lambda: office.dispatcher.paused)
        teller = StallTeller(PostgresStalls(database, office.owner), SystemClock(), [office.dispatcher], lambda _: None)
        await teller.look()
        assert await office.value("select until < now() + '33 days' from stall")


@pytest.mark.parametrize("at", [1e300, 1.8e12, math.nan, -5.0])
async def test_a_job_is_looked_for_whenever_its_vendor_says(database: Database, sandbox: Sandbox, at: float) -> None:
    vendor = Says({"J": Outcome(OutcomeKind.PENDING, handle="h1", poll_at=at)})
    async with at_work(database, sandbox, vendor, wait_s=0.0) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        assert await office.value("select handle from call where state = 'pending'") == "h1"
        assert await office.value("select poll_at < now() + '2 days' from call")


class NeverCollects:
    """Takes questions, and has no way to be asked for the answers."""

    traits = TRAITS

    async def start(self) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Promise an answer."""
        return [Outcome(OutcomeKind.PENDING, handle="h")] * len(questions)


async def test_a_promise_that_nobody_can_collect_is_a_call_without_an_answer(
    database: Database, sandbox: Sandbox
) -> None:
    async with at_work(database, sandbox, NeverCollects()) as office:
        await office.ask(ERID, [JOHN])
        await office.finished(1)
        (result,) = await office.results()
        assert await states(office) == {"unknown": 1}
    assert result.state is FieldState.FAILED


@pytest.mark.parametrize("cost", [-3.0, 1e15, 1e300, math.inf, -math.inf, math.nan])
async def test_a_cost_that_is_none_counts_as_the_most_that_it_can_be(
    database: Database, sandbox: Sandbox, cost: float
) -> None:
    async with at_work(database, sandbox, Says({"J": Outcome(OutcomeKind.FOUND, GOOD, cost=cost)})) as office:
        await office.ask(ERID, [JOHN, JANE])
        await office.finished(2)
        assert [one.cost for one in await office.results()] == [2.0, 2.0]
        assert await office.value("select array[spent, reserved] from budget where scope = 'tenant'") == [4 * CREDIT, 0]


@pytest.mark.parametrize(
    "said",
    [
        None,
        "found",
        Outcome("lost", {}),  # type: ignore[arg-type] # as somebody else's provider may
        Outcome(OutcomeKind.FOUND, {FIELD: "a@example.com"}),  # type: ignore[dict-item] # as above
        Outcome(OutcomeKind.FOUND, {FIELD: Value(7)}),  # type: ignore[arg-type] # as above
        Outcome(OutcomeKind.FOUND, {FIELD: {"value": "a@example.com"}}),  # type: ignore[dict-item] # as above
        Outcome(OutcomeKind.FOUND, {FIELD: Value(b"a@example.com")}),  # type: ignore[arg-type] # as above
        Outcome(OutcomeKind.FOUND, GOOD, cost="2"),  # type: ignore[arg-type] # as above
        Outcome(OutcomeKind.FOUND, GOOD, reference=UUID(int=1)),  # type: ignore[arg-type] # as above
        Outcome(OutcomeKind.FOUND, GOOD, source="vendor"),  # type: ignore[arg-type] # as above
        Looks(OutcomeKind.FOUND, GOOD),
        Outcome(OutcomeKind.FOUND, {FIELD: deep(2_000)}),
        Outcome(OutcomeKind.PENDING, handle="h\0"),
        Outcome(OutcomeKind.PENDING, handle="h" * (HANDLE_BYTES_MAX + 1)),
    ],
)
async def test_what_is_no_outcome_is_a_call_that_nobody_knows_the_end_of(
    database: Database, sandbox: Sandbox, said: Any
) -> None:
    async with at_work(database, sandbox, Says({"J": said})) as office:
        await office.ask(ERID, [JOHN, JANE])
        await office.finished(2)
        john, jane = await office.results()
        assert await states(office) == {"settled": 1, "unknown": 1}
    assert (john.state, jane.state) == (FieldState.FAILED, FieldState.FOUND)


async def test_a_person_with_a_name_longer_than_any_index_takes_is_asked_for_once(
    database: Database, sandbox: Sandbox
) -> None:
    long, other = (Contact(first_name=LONG, last_name=last, company_domain="acme.com") for last in (LONG, LONG + "x"))
    async with at_work(database, sandbox, Says({})) as office:
        await office.ask(ERID, [long, JANE, other, long])
        await office.finished(4)
        assert [one.state for one in await office.results()] == [FieldState.FOUND] * 4
        assert await states(office) == {"settled": 3}


async def test_a_claim_that_postgres_refuses_leaves_its_neighbours_alone(database: Database) -> None:
    owner = uuid4()
    async with database.connection() as connection:
        await connection.execute("update lease set owner = $1, epoch = 1", owner)
    people = ["a", "b\0", "c", "\ud800", "e"]
    claims = [
        Claim(new_call_id(), Key("default", "says", FIELD, person), ERID, 0, 1, Amount(CREDIT)) for person in people
    ]
    decisions = await plain_ledger(database, owner).claim(claims)
    assert [one.verdict for one in decisions] == [
        Verdict.CLAIMED, Verdict.UNSTORABLE, Verdict.CLAIMED, Verdict.UNSTORABLE, Verdict.CLAIMED
    ]  # fmt: skip
    async with database.connection() as connection:
        assert await connection.fetchval("select reserved from budget where scope = 'tenant'") == 3 * CREDIT


async def test_a_call_that_was_taken_over_while_the_reply_was_lost_is_sent(database: Database) -> None:
    owner = uuid4()
    async with database.connection() as connection:
        await connection.execute("update lease set owner = $1, epoch = 1", owner)
    ledger = plain_ledger(database, owner)

    def claim() -> Claim:
        return Claim(new_call_id(), Key("default", "says", FIELD, "p"), ERID, 0, 1, Amount(CREDIT), replay_free=True)

    (first,) = await ledger.claim([claim()])
    async with database.connection() as connection:
        await connection.execute("update call set state = 'unknown', claimed_at = now() - interval '1 hour'")
    again = claim()
    for retried in (False, True, True):
        (decision,) = await ledger.claim([msgspec.structs.replace(again, retried=retried)])
        assert (decision.verdict, decision.call_id, decision.replay) == (Verdict.CLAIMED, first.call_id, True)
    (another,) = await ledger.claim([claim()])
    assert another.verdict is Verdict.IN_FLIGHT, "whoever has not asked before waits for it"


async def test_late_answers_survive_what_a_vendor_says(database: Database, sandbox: Sandbox) -> None:
    """Nobody waits any more; of three jobs one brings a NUL, one a cost of nothing that counts, one what it should."""
    later = [
        Outcome(OutcomeKind.FOUND, GOOD, cost=-1.0),
        Outcome(OutcomeKind.MISS, reason="no\0body"),
        Outcome(OutcomeKind.FOUND, GOOD, cost=2.0),
    ]
    jobs = {name: Outcome(OutcomeKind.PENDING, handle=name, poll_at=1.0) for name in ("J", "Ja", "Jack")}
    vendor = Says(jobs, collects=later)
    async with at_work(database, sandbox, vendor, wait_s=0.0) as office:
        assert isinstance(office.dispatcher, PaidDispatcher)
        late = LateAnswers([office.dispatcher], PostgresJobs(database, office.owner), SystemClock(), look_s=0.05)
        await office.ask(ERID, [JOHN, JANE, JACK])
        await office.finished(3)
        await late.start()
        try:
            await office.fetched("select count(*)::int from call where state = 'settled'", 3)
        finally:
            await late.stop()
        assert await office.value("select sum(charged)::int from call") == 4 * CREDIT


async def test_a_late_settlement_that_postgres_refuses_is_held_and_its_neighbours_end(
    database: Database, sandbox: Sandbox
) -> None:
    jobs = {name: Outcome(OutcomeKind.PENDING, handle=name, poll_at=1.0) for name in ("J", "Ja")}
    async with at_work(database, sandbox, Says(jobs), wait_s=0.0) as office:
        assert isinstance(office.dispatcher, PaidDispatcher)
        late = LateAnswers([office.dispatcher], _Spoilt(database, office.owner), SystemClock(), look_s=0.05)
        await office.ask(ERID, [JOHN, JANE])
        await office.finished(2)
        await office.execute(
            "insert into delivery (provider, handle, outcome) select 'says', handle, "
            """'{"kind": "found", "values": {"professional_email": {"value": "a@b.c"}}, "cost": 1}' from call"""
        )
        await late.start()
        try:
            await office.fetched("select count(*)::int from call where state = 'pending'", 0)
        finally:
            await late.stop()
        assert await states(office) == {"settled": 1, "unknown": 1}


class _Spoilt(PostgresJobs):
    """Jobs of which one ends with what Postgres refuses, whatever looked at it before."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        spoilt = [
            Settlement(
                one.call_id, one.key, one.state, Amount(CREDIT), "found", "\0", Answer("found", "{}", "", Amount())
            )
            if one.handle == "" and one.key.person.startswith("n:ja ") and one.state is CallState.SETTLED
            else one
            for one in settlements
        ]
        await super().settle(spoilt)


@pytest.mark.parametrize("spoilt", ["answer", "reason", "amount"])
async def test_a_settlement_that_postgres_refuses_costs_no_neighbour_its_own(
    database: Database, sandbox: Sandbox, spoilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the look at outcomes: the commit settles one by one, at worst for a person to end."""
    settlement_of = Terms.settlement

    def spoil(terms: Terms, one: Any, outcome: Outcome, state: CallState) -> Settlement:
        settlement = settlement_of(terms, one, outcome, state)
        if one.question.contact.first_name != "J":
            return settlement
        changes: dict[str, dict[str, Any]] = {
            "answer": {"answer": Answer("found", '{"a": "\\u0000"}', "", settlement.charged)},
            "reason": {"reason": "\0"},
            "amount": {"charged": Amount(10**30)},
        }
        return Settlement(
            **{name: getattr(settlement, name) for name in settlement.__struct_fields__} | changes[spoilt]
        )

    monkeypatch.setattr(Terms, "settlement", spoil)
    async with at_work(database, sandbox, Says({})) as office:
        await office.ask(ERID, [JOHN, JANE])
        await office.finished(2)
        assert await states(office) == ({"settled": 1, "unknown": 1} if spoilt == "amount" else {"settled": 2})
        results: list[FieldResult] = await office.results()
        assert [one.state for one in results] == [FieldState.FOUND] * 2
        charged = await office.value("select array_agg(charged::int order by charged) from call")
        assert charged == ([0, 2 * CREDIT] if spoilt == "amount" else [2 * CREDIT] * 2)


class Replayed(Says):
    """Sent a question twice: the first sending fails when it is told to, the second is answered."""

    def __init__(self, first: Outcome) -> None:
        super().__init__({})
        self.traits = dataclasses.replace(self.traits, replay=Replay.FREE_FOR_LIFE)
        self.asked = 0
        self.fails = asyncio.Event()
        self.answers = asyncio.Event()
        self._first = first

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Say it when it is time."""
        self.asked += 1
        if self.asked > 1:
            await self.answers.wait()
            return await super().ask(questions)
        await self.fails.wait()
        return [self._first] * len(questions)


@pytest.mark.parametrize("first", [OutcomeKind.TRANSIENT, OutcomeKind.UNKNOWN, OutcomeKind.QUOTA_EXHAUSTED])
async def test_what_a_frozen_worker_did_not_hear_says_nothing_of_its_successors_call(
    database: Database, sandbox: Sandbox, first: OutcomeKind
) -> None:
    vendor = Replayed(Outcome(first))
    async with at_work(database, sandbox, vendor) as frozen:
        await frozen.ask(ERID, [JOHN])
        await frozen.holds(lambda: vendor.asked == 1)
        async with at_work(database, sandbox, vendor, epoch=2) as successor:
            await successor.holds(lambda: vendor.asked == 2)
            vendor.fails.set()
            await frozen.holds(lambda: not frozen.dispatcher.in_flight and frozen.engine.committer.groups > 0)
            assert await states(successor) == {"claimed": 1}
            vendor.answers.set()
            await successor.finished(1)
            (result,) = await successor.results()
            assert await states(successor) == {"settled": 1}
            assert await successor.value("select array[spent, reserved] from budget where scope = 'tenant'") == [
                2 * CREDIT,
                0,
            ]
    assert result.cost == 2.0


async def test_a_frozen_worker_is_told_from_another_with_the_same_epoch(database: Database, sandbox: Sandbox) -> None:
    """Epochs are those of partitions: that of a successor in another partition may be the same number."""
    other = next(UUID(int=n) for n in range(2, 500) if partition_of("default", UUID(int=n)) != PARTITION)
    vendor = Replayed(Outcome(OutcomeKind.TRANSIENT))
    frozen, successor = (
        Office(database, sandbox, vendor, plain_ledger, terms=Terms(), partitions=[partition])
        for partition in (PARTITION, partition_of("default", other))
    )
    await frozen.start()
    await successor.start()
    try:
        await frozen.ask(ERID, [JOHN])
        await frozen.holds(lambda: vendor.asked == 1)
        third = uuid4()
        await frozen.execute("update lease set owner = $1, epoch = 2 where partition = $2", third, PARTITION)
        await orphan(database, third, PARTITION, 2)
        await successor.ask(other, [JOHN])
        await successor.holds(lambda: vendor.asked == 2)
        vendor.fails.set()
        await frozen.holds(lambda: not frozen.dispatcher.in_flight and frozen.engine.committer.groups > 0)
        assert await states(successor) == {"claimed": 1}
        vendor.answers.set()
        await successor.finished(1)
        assert await states(successor) == {"settled": 1}
        assert await successor.value("select spent::int from budget where scope = 'tenant'") == 2 * CREDIT
    finally:
        await frozen.stop()
        await successor.stop()
