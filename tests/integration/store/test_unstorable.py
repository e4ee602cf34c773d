"""A value that cannot be stored is told from a server that is away: the one is refused, the other is waited for."""

from uuid import uuid4

import pytest

from des.contact import FieldState
from des.errors import Unstorable
from des.store.contract import CommitUnit, ContactRow, partition_of
from des.store.leases import Leases
from des.store.postgres import Database
from des.store.work import PostgresWorkStore

TENANT = "default"
ROWS_OF_A_COPY = 100


@pytest.mark.parametrize("rows", [1, ROWS_OF_A_COPY])
@pytest.mark.parametrize("value", ["\ud800", "\\u0000", '"'])
async def test_a_value_that_cannot_be_stored_is_refused_for_good(database: Database, value: str, rows: int) -> None:
    owner, erid, batch_id = uuid4(), uuid4(), uuid4()
    share = await Leases(database, owner).acquire_fair_share()
    partition = partition_of(TENANT, erid)
    contacts = [
        ContactRow(batch_id, 0, position, "{}", f'{{"f": "{value}"}}', (FieldState.FOUND,), 1)
        for position in range(rows)
    ]
    unit = CommitUnit(TENANT, erid, partition, share.held[partition], contacts)
    with pytest.raises(Unstorable):
        await PostgresWorkStore(database, owner).commit([unit])
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from contact") == 0
