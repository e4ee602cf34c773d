"""The ledger on a real Postgres: one claim a key, caps that hold, settlements that count once."""

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from des.ledger import Amount, Answer, CallState, Claim, Key, Saving, Settlement, Verdict
from des.limits import REPLAY_AFTER_S
from des.store.contract import CommitUnit, partition_of
from des.store.ledger import Cap, Caps, PostgresLedger
from des.store.postgres import Database
from des.store.work import PostgresWorkStore

ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
OWNER, OTHER_OWNER = UUID(int=11), UUID(int=12)
PRICE = Amount(1_000_000, 50_000)
FOUND = Answer("found", '{"email":{"value":"a@b.c"}}', "r1", PRICE)


@pytest.fixture
async def leased(database: Database) -> Database:
    """A database in which OWNER holds every partition under epoch 1."""
    async with database.connection() as connection:
        await connection.execute("insert into worker values ($1, now() + interval '1 hour')", OWNER)
        await connection.execute("update lease set owner = $1, epoch = 1", OWNER)
    return database


def claim(person: str, erid: UUID = ERID, *, price: Amount = PRICE, epoch: int = 1, replay_free: bool = False) -> Claim:
    key = Key("default", "hunter", "email_finder", person)
    return Claim(uuid4(), key, erid, partition_of("default", erid), epoch, price, replay_free)


def settlement(of: Claim, state: CallState = CallState.SETTLED, answer: Answer | None = FOUND) -> Settlement:
    charged = PRICE if state is CallState.SETTLED else Amount()
    return Settlement(of.id, of.key, state, charged, "found", "", answer, 60.0)


async def settle(
    database: Database, *settlements: Settlement, epoch: int = 1, savings: tuple[Saving, ...] = ()
) -> None:
    unit = CommitUnit("default", ERID, partition_of("default", ERID), epoch, (), settlements, savings)
    await PostgresWorkStore(database, OWNER).commit([unit])


async def budget(database: Database, scope: str, name: str = "") -> tuple[int, ...]:
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "select reserved, reserved_money, spent, spent_money, saved from budget where scope = $1 and name = $2",
            scope,
            name,
        )
    return tuple(row) if row else ()


def ledger_of(database: Database, owner: UUID = OWNER, caps: Caps | None = None) -> PostgresLedger:
    return PostgresLedger(database, owner, caps or Caps())


async def test_a_key_is_claimed_once_whoever_asks(leased: Database) -> None:
    first = claim("n:doe")
    (decision,) = await ledger_of(leased).claim([first])
    assert decision.verdict is Verdict.CLAIMED
    again, another = await ledger_of(leased).claim([claim("n:doe", OTHER_ERID), claim("n:roe", OTHER_ERID)])
    assert (again.verdict, again.call_id) == (Verdict.IN_FLIGHT, first.id)
    assert another.verdict is Verdict.CLAIMED


async def test_claims_at_the_same_moment_have_one_winner(leased: Database) -> None:
    people = [f"n:{number}" for number in range(20)]
    rounds = await asyncio.gather(
        *(ledger_of(leased).claim([claim(person, UUID(int=100 + worker)) for person in people]) for worker in range(6))
    )
    for decisions in zip(*rounds, strict=True):
        assert sorted(decision.verdict for decision in decisions) == ["claimed", *["in_flight"] * 5]


async def test_what_was_answered_is_not_asked_again(leased: Database) -> None:
    first = claim("n:doe")
    await ledger_of(leased).claim([first])
    await settle(leased, settlement(first))
    (decision,) = await ledger_of(leased).claim([claim("n:doe", OTHER_ERID)])
    assert decision.verdict is Verdict.ANSWERED
    assert decision.answer is not None
    assert (decision.answer.outcome, decision.answer.cost) == (FOUND.outcome, FOUND.cost)
    async with leased.connection() as connection:
        assert await connection.fetchval("select count(*) from call") == 1
        await connection.execute("update answer set expires_at = now() - interval '1 second'")
    (decision,) = await ledger_of(leased).claim([claim("n:doe", OTHER_ERID)])
    assert decision.verdict is Verdict.CLAIMED


@pytest.mark.parametrize(
    ("max_age_s", "erid", "awaits", "verdict"),
    [
        (None, OTHER_ERID, False, Verdict.ANSWERED),
        (601.0, OTHER_ERID, False, Verdict.ANSWERED),
        (599.0, OTHER_ERID, False, Verdict.CLAIMED),
        (0.0, ERID, False, Verdict.ANSWERED),
        (0.0, OTHER_ERID, True, Verdict.ANSWERED),
    ],
    ids=["no limit", "young enough", "too old", "its own question", "what it waits for"],
)
async def test_an_answer_that_is_too_old_for_an_erid_is_bought_again(
    leased: Database, max_age_s: float | None, erid: UUID, awaits: bool, verdict: Verdict
) -> None:
    first = claim("n:doe")
    await ledger_of(leased).claim([first])
    await settle(leased, settlement(first))
    async with leased.connection() as connection:
        await connection.execute("update answer set answered_at = now() - interval '10 minutes'")
        if awaits:
            await connection.execute(
                "insert into awaiting (call_id, tenant, erid, batch_id, position, partition)"
                " values ($1, 'default', $2, $2, 0, 0)",
                first.id,
                erid,
            )
    again = msgspec.structs.replace(claim("n:doe", erid), max_age_s=max_age_s)
    (decision,) = await ledger_of(leased).claim([again])
    assert decision.verdict is verdict
    if verdict is Verdict.CLAIMED:
        await settle(leased, settlement(again))
        (decision,) = await ledger_of(leased).claim([claim("n:doe", UUID(int=3))])
        assert decision.call_id == again.id, "the newer answer has replaced the older one"


async def test_reserved_becomes_spent_or_comes_back(leased: Database) -> None:
    paid, free = claim("n:paid"), claim("n:free")
    await ledger_of(leased).claim([paid, free])
    for scope, name in (("erid", str(ERID)), ("tenant", ""), ("provider", "hunter")):
        assert await budget(leased, scope, name) == (2_000_000, 100_000, 0, 0, 0)
    await settle(leased, settlement(paid), settlement(free, CallState.RELEASED, None))
    for scope, name in (("erid", str(ERID)), ("tenant", ""), ("provider", "hunter")):
        assert await budget(leased, scope, name) == (0, 0, 1_000_000, 50_000, 0)


async def test_a_settlement_counts_once_and_a_stale_epoch_still_settles(leased: Database) -> None:
    paid = claim("n:paid")
    await ledger_of(leased).claim([paid])
    await settle(leased, settlement(paid), epoch=0)
    await settle(leased, settlement(paid))
    assert await budget(leased, "tenant") == (0, 0, 1_000_000, 50_000, 0)


async def test_a_cap_is_never_passed_however_many_ask_at_once(leased: Database) -> None:
    caps = Caps(tenants={"default": Cap(credits=7_500_000)})
    rounds = await asyncio.gather(
        *(
            ledger_of(leased, caps=caps).claim([claim(f"n:{worker}/{number}", UUID(int=worker)) for number in range(5)])
            for worker in range(8)
        )
    )
    verdicts = [decision.verdict for decisions in rounds for decision in decisions]
    assert verdicts.count(Verdict.CLAIMED) == 7
    assert verdicts.count(Verdict.NO_ROOM_YET) == 33, "whoever is under way may leave room"
    assert (await budget(leased, "tenant"))[0] == 7_000_000
    async with leased.connection() as connection:
        assert await connection.fetchval("select count(*) from call") == 7


@pytest.mark.parametrize(("scope", "name"), [("provider", "hunter"), ("erid", str(ERID))])
async def test_each_scope_has_its_cap(leased: Database, scope: str, name: str) -> None:
    caps = Caps(providers={"hunter": Cap(money=50_000)}) if scope == "provider" else Caps()
    if scope == "erid":
        async with leased.connection() as connection:
            await connection.execute(
                "insert into budget (tenant, scope, name, cap) values ('default', 'erid', $1, 1500000)", name
            )
    first = claim("n:one")
    one, two = await ledger_of(leased, caps=caps).claim([first, claim("n:two")])
    assert (one.verdict, two.verdict) == (Verdict.CLAIMED, Verdict.NO_ROOM_YET)
    await settle(leased, settlement(first))
    (two,) = await ledger_of(leased, caps=caps).claim([claim("n:two")])
    assert (two.verdict, two.scope) == (Verdict.OVER_BUDGET, scope)


async def test_what_calls_under_way_do_not_use_is_there_for_others(leased: Database) -> None:
    ledger = ledger_of(leased, caps=Caps(tenants={"default": Cap(credits=PRICE.credits)}))
    first, second = claim("n:one"), claim("n:two")
    assert [one.verdict for one in await ledger.claim([first, second])] == [Verdict.CLAIMED, Verdict.NO_ROOM_YET]
    await settle(leased, settlement(first, CallState.RELEASED, None))
    assert [one.verdict for one in await ledger.claim([second])] == [Verdict.CLAIMED]


async def test_nobody_waits_for_what_is_held(leased: Database) -> None:
    """A call without an answer keeps its reservation until a person resolves it: there is nothing to wait for."""
    ledger = ledger_of(leased, caps=Caps(tenants={"default": Cap(credits=PRICE.credits)}))
    await ledger.claim([claim("n:one")])
    async with leased.connection() as connection:
        await connection.execute("update call set state = 'unknown'")
    (second,) = await ledger.claim([claim("n:two")])
    assert (second.verdict, second.scope) == (Verdict.OVER_BUDGET, "tenant")


async def test_a_worker_without_the_lease_claims_nothing(leased: Database) -> None:
    verdicts = [
        (await ledger_of(leased, OTHER_OWNER).claim([claim("n:doe")]))[0].verdict,
        (await ledger_of(leased).claim([claim("n:doe", epoch=2)]))[0].verdict,
    ]
    assert verdicts == [Verdict.STALE, Verdict.STALE]
    async with leased.connection() as connection:
        assert await connection.fetchval("select count(*) from call") == 0


async def test_what_an_earlier_epoch_left_is_unknown_and_held(leased: Database) -> None:
    sent = claim("n:sent")
    await ledger_of(leased).claim([sent])
    async with leased.connection() as connection:
        await connection.execute("update lease set owner = $1, epoch = 2", OTHER_OWNER)
    store = PostgresWorkStore(leased, OTHER_OWNER)
    partition = partition_of("default", ERID)
    assert await store.orphan(partition, 2) == 1
    assert await store.orphan(partition, 2) == 0
    held, replayed = [
        (await ledger_of(leased, OTHER_OWNER).claim([claim("n:sent", epoch=2, replay_free=free)]))[0]
        for free in (False, True)
    ]
    assert (held.verdict, held.call_id) == (Verdict.HELD, sent.id)
    assert replayed.verdict is Verdict.IN_FLIGHT, "it may still be under way at the vendor"
    assert (await budget(leased, "tenant"))[0] == PRICE.credits, "what may have been charged stays reserved"


async def test_a_claim_whose_reply_was_lost_is_ours_the_second_time(leased: Database) -> None:
    mine = claim("n:doe")
    for _ in range(2):
        (decision,) = await ledger_of(leased).claim([mine])
        assert (decision.verdict, decision.call_id) == (Verdict.CLAIMED, mine.id)
    assert await budget(leased, "tenant") == (1_000_000, 50_000, 0, 0, 0), "reserved once"


async def test_an_old_unknown_call_is_taken_over_where_replay_is_free(leased: Database) -> None:
    sent = claim("n:sent")
    await ledger_of(leased).claim([sent])
    async with leased.connection() as connection:
        await connection.execute(
            "update call set state = 'unknown', claimed_at = now() - make_interval(secs => $1)", REPLAY_AFTER_S + 1
        )
    (decision,) = await ledger_of(leased).claim([claim("n:sent", replay_free=True)])
    assert (decision.verdict, decision.call_id) == (Verdict.CLAIMED, sent.id)
    await settle(leased, settlement(sent))
    assert await budget(leased, "tenant") == (0, 0, 1_000_000, 50_000, 0)


async def test_where_only_a_concurrent_replay_is_charged_it_waits_until_the_first_has_surely_ended(
    leased: Database,
) -> None:
    sent = claim("n:sent")
    await ledger_of(leased).claim([sent])
    async with leased.connection() as connection:
        await connection.execute(
            "update call set state = 'unknown', claimed_at = now() - make_interval(secs => $1)", REPLAY_AFTER_S + 1
        )
    replay = claim("n:sent", replay_free=True)
    (decision,) = await ledger_of(leased).claim([msgspec.structs.replace(replay, replay_after_s=3_600.0)])
    assert decision.verdict is Verdict.IN_FLIGHT
    (decision,) = await ledger_of(leased).claim([msgspec.structs.replace(replay, replay_after_s=REPLAY_AFTER_S)])
    assert (decision.verdict, decision.replay, decision.payer) == (Verdict.CLAIMED, True, ERID)


async def test_an_unknown_call_that_is_paid_for_again_counts_as_charged(leased: Database) -> None:
    sent = claim("n:sent")
    await ledger_of(leased).claim([sent])
    async with leased.connection() as connection:
        await connection.execute("update call set state = 'unknown', claimed_at = now() - interval '1 hour'")
    again = msgspec.structs.replace(claim("n:sent", OTHER_ERID), pays_again=True)
    verdicts = [(await ledger_of(leased).claim([again]))[0].verdict for _ in range(2)]
    assert verdicts == [Verdict.IN_FLIGHT, Verdict.CLAIMED]
    assert await budget(leased, "tenant") == (1_000_000, 50_000, 1_000_000, 50_000, 0)
    assert await budget(leased, "erid", str(ERID)) == (0, 0, 1_000_000, 50_000, 0)


async def test_a_handle_is_found_again(leased: Database) -> None:
    sent = claim("n:sent")
    await ledger_of(leased).claim([sent])
    await settle(leased, Settlement(sent.id, sent.key, CallState.PENDING, outcome="pending", handle="job 7"))
    (decision,) = await ledger_of(leased).claim([claim("n:sent", OTHER_ERID)])
    assert (decision.verdict, decision.call_id, decision.handle) == (Verdict.PENDING, sent.id, "job 7")


async def test_of_two_ends_of_a_call_in_one_commit_the_last_counts(leased: Database) -> None:
    first = claim("n:doe")
    await ledger_of(leased).claim([first])
    pending = msgspec.structs.replace(settlement(first, CallState.PENDING, None), handle="job 1", poll_at=1.0)
    await settle(leased, pending, settlement(first))
    assert await budget(leased, "tenant") == (0, 0, PRICE.credits, PRICE.money, 0)
    (decision,) = await ledger_of(leased).claim([claim("n:doe", OTHER_ERID)])
    assert decision.verdict is Verdict.ANSWERED


async def test_savings_are_counted(leased: Database) -> None:
    await settle(leased, savings=(Saving("default", ERID, PRICE),))
    assert (await budget(leased, "erid", str(ERID)))[4] == PRICE.credits


async def test_what_a_zombie_saved_does_not_count_and_a_commit_tried_again_counts_once(leased: Database) -> None:
    store = PostgresWorkStore(leased, OWNER)
    partition = partition_of("default", ERID)
    unit = CommitUnit("default", ERID, partition, 1, (), (), (Saving("default", ERID, PRICE),))
    await store.commit([unit])
    await store.commit([unit], retried=True)
    await store.commit([CommitUnit("default", ERID, partition, 0, (), (), unit.savings)])
    assert (await budget(leased, "erid", str(ERID)))[4] == PRICE.credits
