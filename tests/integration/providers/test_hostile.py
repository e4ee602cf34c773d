"""Whatever a vendor says, and whoever is asked for: what was paid is settled, neighbours are answered, all goes on."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from des.actors.stalls import StallTeller
from des.clock import SystemClock
from des.contact import Contact, FieldResult, FieldState
from des.ledger import Amount, Answer, CallState, Claim, Key, Settlement, Verdict, new_call_id
from des.limits import HANDLE_BYTES_MAX
from des.providers.contract import Outcome, OutcomeKind, Question, Value
from des.providers.late import LateAnswers
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.sandbox.server import Sandbox
from des.store.jobs import PostgresJobs
from des.store.postgres import Database
from des.store.stalls import PostgresStalls
from tests.faults.money_office import plain_ledger
from tests.integration.providers.saying import (
    CREDIT,
    ERID,
    FIELD,
    GOOD,
    JACK,
    JANE,
    JOHN,
    TRAITS,
    Says,
    at_work,
    states,
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
