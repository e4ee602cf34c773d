"""The audit sees every way in which the books can disagree, and held calls end by hand without any."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import pytest

from des.contact import Contact
from des.errors import InvalidInput, NotFound
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.server import Sandbox
from des.store.audit import Books, audit
from des.store.contract import partition_of
from des.store.late import resolve
from des.store.postgres import Database
from des.testing.sandbox import sandbox_thread
from tests.faults.money_books import violations
from tests.faults.money_office import PEOPLE, SEED, Office, known_to, pdl, plain_ledger
from tests.integration.store.waiting import waits

ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
JOHN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
CREDIT = 1_000_000
LOST = FaultPlan(rates={Fault.RESET_AFTER: 1.0})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_thread(PEOPLE, SEED) as thread:
        yield thread.sandbox


@pytest.fixture
async def office(database: Database, sandbox: Sandbox) -> AsyncIterator[Office]:
    office = Office(database, sandbox, pdl(sandbox), plain_ledger)
    await office.start()
    yield office
    await office.stop()


async def held(office: Office) -> UUID:
    """A call that was billed and got no answer; two enrichments wait for it, the first one has made it."""
    office.fail(LOST)
    await office.ask(ERID, [JOHN])
    await office.finished(1)
    await office.ask(OTHER_ERID, [JOHN])
    await office.finished(2)
    office.fail(FaultPlan())
    call_id: UUID = await office.value("select id from call where state = 'unknown'")
    return call_id


async def test_books_at_rest_agree_and_so_does_the_bill(office: Office) -> None:
    people = known_to("pdl", 10)
    for count, erid in enumerate((ERID, OTHER_ERID), 1):
        await office.ask(erid, people)
        await office.finished(count * len(people))
    billed = (await office.books()).billed
    books = await audit(office.database, billed={"pdl": billed})
    (balance,) = books.balances
    assert (balance.charged, balance.settled, balance.receipts, balance.reserved) == (billed, billed, billed, 0)
    assert balance.answers == balance.calls > 0
    assert (books.held, books.without_receipt, books.differences) == ([], [], [])
    assert (await audit(office.database, "nobody")).balances == []
    assert not (await audit(office.database, billed={"pdl": billed + 1})).agree


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        ("update budget set spent = spent + 1 where scope = 'tenant'", "budget tenant: spent"),
        ("update budget set reserved = reserved + 1 where scope = 'erid'", f"budget erid {ERID}: reserved"),
        ("update call set charged = charged + 1", "budget provider pdl: spent"),
        ("update call set receipted = false", "stands on no receipt"),
        ("delete from contact", "receipt of call"),
        ("update call set id = gen_random_uuid()", "receipt of call"),
        (
            "update contact set fields = jsonb_set(fields, '{professional_email,cost}', '1.5')",
            "receipt of call",
        ),
        (
            "update contact set fields = fields || jsonb_build_object('again', fields -> 'professional_email')",
            "receipt of call",
        ),
    ],
)
async def test_what_does_not_agree_is_named(office: Office, tampering: str, what: str) -> None:
    await office.ask(ERID, [JOHN])
    await office.finished(1)
    assert (await audit(office.database)).agree
    await office.execute(tampering)
    books = await audit(office.database)
    assert not books.agree
    assert any(what in one.what for one in books.differences), books.differences


async def test_a_held_call_is_listed_with_whom_it_concerns(office: Office) -> None:
    call_id = await held(office)
    books = await audit(office.database, billed={"pdl": CREDIT})
    (one,) = books.held
    assert (one.id, one.provider, one.erid, one.fields) == (call_id, "pdl", ERID, ["professional_email"])
    assert (one.reserved, one.contacts) == (CREDIT, 2)
    assert books.agree, "the vendor may have taken it or not"
    assert not (await audit(office.database, billed={"pdl": 2 * CREDIT})).agree


async def test_a_held_call_that_was_not_charged_is_released(office: Office) -> None:
    call_id = await held(office)
    resolution = await resolve(office.database, call_id, None, ask_again=False)
    assert (resolution.charged, resolution.released, resolution.asking_again) == (0, CREDIT, 0)
    books = await audit(office.database)
    assert books.agree
    assert books.held == []
    assert await office.value("select sum(reserved + spent)::bigint from budget") == 0
    assert await office.value("select count(*) from awaiting") == 0


async def test_a_held_call_that_was_charged_stands_on_a_receipt_of_who_had_made_it(office: Office) -> None:
    call_id = await held(office)
    resolution = await resolve(office.database, call_id, CREDIT, ask_again=False)
    assert (resolution.charged, resolution.released) == (CREDIT, 0)
    books = await audit(office.database, billed={"pdl": CREDIT})
    assert books.agree
    assert books.without_receipt == []
    first, second = await office.results()
    assert [(one.outcome, one.cost, one.call_id) for one in first.attempts] == [("unknown", 1.0, call_id)]
    assert second.attempts == ()
    assert violations(await office.books()) == {}


async def test_only_what_is_held_is_resolved_and_not_at_more_than_is_reserved(office: Office) -> None:
    call_id = await held(office)
    with pytest.raises(InvalidInput, match=r"1\.5 credits are more than the 1 "):
        await resolve(office.database, call_id, CREDIT + CREDIT // 2, ask_again=False)
    await resolve(office.database, call_id, CREDIT, ask_again=False)
    with pytest.raises(InvalidInput, match="is settled"):
        await resolve(office.database, call_id, CREDIT, ask_again=False)
    with pytest.raises(NotFound):
        await resolve(office.database, uuid4(), CREDIT, ask_again=False)


@pytest.mark.parametrize(("charged", "cost"), [(None, 1), (CREDIT, 2)], ids=["was not charged", "was charged"])
async def test_what_was_held_is_asked_again_where_that_is_wanted(
    office: Office, charged: int | None, cost: int
) -> None:
    call_id = await held(office)
    resolution = await resolve(office.database, call_id, charged, ask_again=True)
    assert resolution.asking_again == 2
    for erid in (ERID, OTHER_ERID):
        office.engine.recovery.dirty(partition_of("default", erid))
    await office.fetched("select count(*) from contact where revision > 1 and not reopened", 2)
    results = await office.results()
    assert {one.value for one in results} == {"john.doe@sayprimer.com"}
    assert sum(line.cost for one in results for line in one.lines) == cost
    assert (await audit(office.database, billed={"pdl": cost * CREDIT})).differences == []
    counts = (
        "select array_agg(distinct (fields_found, fields_failed, contacts_done, batches_done)::text) from enrichment"
    )
    assert await office.value(counts) == ["(1,0,1,1)"]
    assert await office.value("select array_agg(distinct revision) from contact") in ([2], [2, 3])


def test_the_books_agree_unless_something_differs() -> None:
    assert Books([], [], [], []).agree


async def test_who_ends_a_call_holds_the_parts_of_all_that_waited_before_any_object(
    office: Office, database: Database
) -> None:
    call_id = await held(office)
    async with database.connection() as other, asyncio.TaskGroup() as tasks:
        async with other.transaction():
            await other.execute("select from batch where erid = $1 for no key update", OTHER_ERID)
            resolving = tasks.create_task(resolve(database, call_id, CREDIT, ask_again=True))
            await waits(other)
            await other.execute("select from enrichment where erid = $1 for update nowait", ERID)
        assert (await resolving).asking_again == 2
