"""Serving finds contacts by key, also in a big object of which the planner knows nothing yet."""

from uuid import uuid4

from des.store.contract import partition_of
from des.store.postgres import Database
from des.store.statements import statements

BATCHES = 5_000


async def test_finished_contacts_are_found_by_key_before_the_first_analyze(database: Database) -> None:
    erid, batch_ids = uuid4(), [uuid4() for _ in range(BATCHES)]
    async with database.connection() as connection:
        await connection.execute(
            "insert into enrichment (tenant, erid, partition) values ('default', $1, $2)",
            erid,
            partition_of("default", erid),
        )
        await connection.execute(
            "insert into contact (tenant, erid, batch_id, position, input, fields)"
            " select 'default', $1, unnest($2::uuid[]), 0, '{}', '{}'",
            erid,
            batch_ids,
        )
        sql = statements("serving")["finished_contacts"]
        asked = batch_ids[:1_000]
        seqs, zeros = list(range(len(asked))), [0] * len(asked)
        rows = await connection.fetch(sql, "default", erid, seqs, asked, zeros, zeros)
        plan = await connection.fetch(
            f"explain (analyze, timing off) {sql}", "default", erid, seqs, asked, zeros, zeros
        )
    assert [row["batch_id"] for row in rows] == asked
    text = "\n".join(line[0] for line in plan)
    assert "Index Cond: ((tenant = 'default'::text) AND" in text
    assert "batch_id = s.batch_id" in text.split("Index Cond:")[1].splitlines()[0]
    assert "Rows Removed" not in text
