"""What calls show of providers is counted in the commit that settles them: once each, and fading."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from des.actors.learner import Learner
from des.clock import SystemClock
from des.contact import Contact
from des.learning import STANDING_ASKED_MAX, Lesson, Standing
from des.ledger import Amount, Answer, CallState, Claim, Key, Settlement
from des.providers.learned import LearnedOrders
from des.store.contract import CommitUnit, partition_of
from des.store.learning import Standings
from des.store.ledger import Caps, PostgresLedger
from des.store.postgres import Database
from des.store.work import PostgresWorkStore

ERID, OWNER = UUID(int=1), UUID(int=11)
PARTITION = partition_of("default", ERID)
PRICE = Amount(1_000_000, 50_000)
LESSON = Lesson("domain/europe", ("email", "phone"), (("email", 0.9),))


@pytest.fixture
async def leased(database: Database) -> Database:
    """A database in which OWNER holds every partition under epoch 1."""
    async with database.connection() as connection:
        await connection.execute("insert into worker values ($1, now() + interval '1 hour')", OWNER)
        await connection.execute("update lease set owner = $1, epoch = 1", OWNER)
    return database


async def claimed(database: Database, people: Sequence[str], provider: str = "hunter") -> list[Claim]:
    keys = [Key("default", provider, "find", person) for person in people]
    claims = [Claim(uuid4(), key, ERID, PARTITION, 1, PRICE) for key in keys]
    await PostgresLedger(database, OWNER, Caps()).claim(claims)
    return claims


def settled(claim: Claim, lesson: Lesson | None = LESSON) -> Settlement:
    answer = Answer("found", '{"email":{"value":"a@b.c"}}', "", PRICE)
    return Settlement(claim.id, claim.key, CallState.SETTLED, PRICE, "found", "", answer, 60.0, lesson=lesson)


async def commit(database: Database, *settlements: Settlement) -> None:
    unit = CommitUnit("default", ERID, PARTITION, 1, (), settlements)
    await PostgresWorkStore(database, OWNER).commit([unit])


async def test_each_call_counts_once_for_each_field_that_was_asked_for(leased: Database) -> None:
    one, two, three = await claimed(leased, ["n:one", "n:two", "n:three"])
    missed = Lesson("domain/europe", ("email",))
    await commit(leased, settled(one), settled(two, missed), settled(three, None))
    await commit(leased, settled(one))  # an earlier try had landed
    assert await Standings(leased).read() == [
        Standing("default", "hunter", "email", "domain/europe", 2.0, 1.0, 0.9),
        Standing("default", "hunter", "phone", "domain/europe", 1.0, 0.0, 0.0),
    ]


async def test_counts_fade(leased: Database) -> None:
    async with leased.connection() as connection:
        await connection.execute(
            "insert into provider_stat values ('default', 'hunter', 'email', 'domain/europe', $1, 5000, 4000)",
            STANDING_ASKED_MAX,
        )
    (one,) = await claimed(leased, ["n:one"])
    await commit(leased, settled(one, Lesson("domain/europe", ("email",), (("email", 1.0),))))
    (standing,) = await Standings(leased).read()
    assert (standing.asked, standing.found, standing.confidence_sum) == (5_000.5, 2_500.5, 2_000.5)


async def test_a_worker_plans_by_what_all_of_them_have_counted(leased: Database) -> None:
    order = {"email": ("hunter", "pdl")}
    gives = dict.fromkeys(("hunter", "pdl"), frozenset({"email"}))
    orders = LearnedOrders(order, gives, {"hunter": {"email": 1.0}, "pdl": {"email": 1.0}}, order)
    found, missed = Lesson("domain/else", ("email",), (("email", 0.9),)), Lesson("domain/else", ("email",))
    bad = await claimed(leased, [f"n:{number}" for number in range(30)], "hunter")
    good = await claimed(leased, [f"n:{number}" for number in range(30)], "pdl")
    await commit(leased, *[settled(claim, missed) for claim in bad], *[settled(claim, found) for claim in good])
    learner = Learner(Standings(leased), orders, SystemClock())
    await learner.start()
    await learner.stop()
    contact = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
    assert orders.plan("default", contact).order == {"email": ("pdl", "hunter")}
    assert orders.plan("another", contact).order == order


async def test_while_the_store_is_away_the_order_stays() -> None:
    orders = LearnedOrders(
        {"email": ("hunter",)}, {"hunter": frozenset({"email"})}, {"hunter": {"email": 1.0}}, ["email"]
    )
    learner = Learner(Standings(Database("")), orders, SystemClock())
    await learner.start()
    await learner.stop()
    assert orders.plan("default", Contact()).order == {"email": ("hunter",)}
