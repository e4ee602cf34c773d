"""Each charge stands on one receipt, whoever believes that it is theirs."""

from uuid import UUID, uuid4

import msgspec
import pytest

from des.contact import Attempt, FieldResult, FieldState
from des.ledger import Amount, CallState, Claim, Key, Settlement, new_call_id
from des.store.commit import COPY_ROWS_MIN
from des.store.contract import CommitUnit, ContactRow, partition_of
from des.store.ledger import Caps, PostgresLedger
from des.store.postgres import Database
from des.store.work import PostgresWorkStore

ERID, OTHER_ERID = UUID(int=1), UUID(int=2)
OWNER = UUID(int=11)
BATCH = UUID(int=21)
PRICE = Amount(1_000_000, 50_000)


class Book:
    """The store of one worker that holds every partition, with two open objects."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = PostgresWorkStore(database, OWNER)

    async def open(self) -> "Book":
        async with self.database.connection() as connection:
            await connection.execute("insert into worker values ($1, now() + interval '1 hour')", OWNER)
            await connection.execute("update lease set owner = $1, epoch = 1", OWNER)
            for erid in (ERID, OTHER_ERID):
                await connection.execute(
                    "insert into enrichment (tenant, erid, partition, contacts) values ('default', $1, $2, 1000)",
                    erid,
                    partition_of("default", erid),
                )
                await connection.execute(
                    "insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash,"
                    " fields, contacts) values ('default', $1, $2, 0, 1, 0, $3, '', '{email}', 1000)",
                    erid,
                    BATCH,
                    partition_of("default", erid),
                )
        return self

    async def sent(self, erid: UUID = ERID) -> Settlement:
        """A call that is claimed, and how it will be settled."""
        partition = partition_of("default", erid)
        claim = Claim(new_call_id(), Key("default", "hunter", "email", f"n:{uuid4()}"), erid, partition, 1, PRICE)
        await PostgresLedger(self.database, OWNER, Caps()).claim([claim])
        return Settlement(claim.id, claim.key, CallState.SETTLED, PRICE, "found")

    async def paid(self, erid: UUID = ERID) -> UUID:
        """A call that is settled, of which no contact has a receipt yet: its worker ended between the two."""
        settlement = await self.sent(erid)
        await self.commit(erid, settlements=[settlement])
        return settlement.call_id

    async def receipted(self, call_id: UUID) -> bool:
        async with self.database.connection() as connection:
            return bool(await connection.fetchval("select receipted from call where id = $1", call_id))

    async def commit(
        self, erid: UUID, *rows: ContactRow, settlements: list[Settlement] | None = None, retried: bool = False
    ) -> None:
        unit = CommitUnit("default", erid, partition_of("default", erid), 1, rows, settlements or ())
        await self.store.commit([unit], retried=retried)

    async def costs(self) -> list[tuple[UUID, int, float, float]]:
        """What stands on all receipts: ERID, position, cost and saved."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select erid, position, fields from contact order by erid, position")
        return [
            (row["erid"], row["position"], one.cost, one.saved)
            for row in rows
            for result in msgspec.json.decode(row["fields"], type=dict[str, FieldResult]).values()
            for one in result.lines
            if one.cost or one.saved
        ]

    async def saved(self, erid: UUID) -> int:
        async with self.database.connection() as connection:
            query = "select coalesce(sum(saved), 0)::bigint from budget where scope = 'erid' and name = $1"
            return int(await connection.fetchval(query, str(erid)))


@pytest.fixture
async def book(database: Database) -> Book:
    return await Book(database).open()


def row(call_id: UUID, position: int = 0, *, missed: bool = False) -> ContactRow:
    """A contact whose receipt shows the call's charge: for its value, or for a miss before it."""
    if missed:
        attempts = (Attempt("hunter", "miss", cost=1.0, call_id=call_id),)
        result = FieldResult(FieldState.NOT_FOUND, attempts=attempts)
    else:
        result = FieldResult(FieldState.FOUND, "a@b.c", "hunter", cost=1.0, call_id=call_id)
    fields = msgspec.json.encode({"email": result}).decode()
    return ContactRow(BATCH, 0, position, "{}", fields, (result.state,), 1, (call_id,))


@pytest.mark.parametrize("missed", [False, True], ids=["found", "missed"])
async def test_the_first_contact_to_land_has_the_charge_and_the_next_was_spared_it(book: Book, *, missed: bool) -> None:
    call_id = await book.paid()
    await book.commit(ERID, row(call_id, 0, missed=missed))
    await book.commit(ERID, row(call_id, 1, missed=missed))
    assert await book.costs() == [(ERID, 0, 1.0, 0.0), (ERID, 1, 0.0, 1.0)]
    assert await book.saved(ERID) == PRICE.credits


async def test_in_one_commit_too(book: Book) -> None:
    call_id = await book.paid()
    await book.commit(ERID, row(call_id, 0), row(call_id, 1))
    assert await book.costs() == [(ERID, 0, 1.0, 0.0), (ERID, 1, 0.0, 1.0)]


async def test_a_commit_that_is_tried_again_changes_nothing(book: Book) -> None:
    call_id = await book.paid()
    for retried in (False, True, True):
        await book.commit(ERID, row(call_id), retried=retried)
    assert await book.costs() == [(ERID, 0, 1.0, 0.0)]
    assert await book.saved(ERID) == 0


async def test_a_row_that_had_landed_without_a_charge_takes_none_later(book: Book) -> None:
    call_id = await book.paid()
    await book.commit(ERID, msgspec.structs.replace(row(call_id), charges=(), fields="{}"))
    await book.commit(ERID, row(call_id), retried=True)
    await book.commit(ERID, row(call_id, 1))
    assert await book.costs() == [(ERID, 1, 1.0, 0.0)]


async def test_a_charge_never_stands_on_the_receipt_of_another_enrichment(book: Book) -> None:
    call_id = await book.paid()
    await book.commit(OTHER_ERID, row(call_id))
    assert await book.costs() == [(OTHER_ERID, 0, 0.0, 1.0)]
    await book.commit(ERID, row(call_id))
    assert await book.costs() == [(ERID, 0, 1.0, 0.0), (OTHER_ERID, 0, 0.0, 1.0)]


def crowd(first: int = 100) -> list[ContactRow]:
    """So many contacts without a charge that a commit copies its rows: all of them are new for sure."""
    fields = msgspec.json.encode({"email": FieldResult(FieldState.NOT_FOUND)}).decode()
    return [
        ContactRow(BATCH, 0, position, "{}", fields, (FieldState.NOT_FOUND,), 1)
        for position in range(first, first + COPY_ROWS_MIN)
    ]


async def test_many_rows_take_their_charges_as_the_calls_are_settled(book: Book) -> None:
    one, other = await book.sent(), await book.sent()
    rows = [row(one.call_id, 0), row(other.call_id, 1), row(other.call_id, 2), *crowd()]
    await book.commit(ERID, *rows, settlements=[one, other])
    assert await book.costs() == [(ERID, 0, 1.0, 0.0), (ERID, 1, 1.0, 0.0), (ERID, 2, 0.0, 1.0)]
    assert await book.receipted(one.call_id)
    assert await book.receipted(other.call_id)


async def test_many_rows_that_had_landed_change_nothing(book: Book) -> None:
    settlement = await book.sent()
    rows = [row(settlement.call_id, 0), *crowd()]
    for retried in (False, False, True):
        await book.commit(ERID, *rows, settlements=[settlement], retried=retried)
    await book.commit(ERID, row(settlement.call_id, 1), *crowd(500))
    assert await book.costs() == [(ERID, 0, 1.0, 0.0), (ERID, 1, 0.0, 1.0)]


async def test_among_many_rows_a_charge_is_not_taken_for_another_enrichment(book: Book) -> None:
    settlement = await book.sent(OTHER_ERID)
    await book.commit(ERID, row(settlement.call_id, 0), *crowd(), settlements=[settlement])
    assert not await book.receipted(settlement.call_id)
    await book.commit(OTHER_ERID, row(settlement.call_id, 0))
    assert await book.costs() == [(ERID, 0, 0.0, 1.0), (OTHER_ERID, 0, 1.0, 0.0)]
