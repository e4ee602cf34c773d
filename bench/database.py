"""Postgres as the benchmarks see it: emptied, looked at from outside, and written to as fast as asyncpg can."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg

from bench.figures import Sample
from des.ledger import MILLION
from des.limits import PARTITIONS

COPY_ROWS = 5_000
"""Rows of one transaction of the raw COPY: as many as DES commits together at most."""
STALLED_S = 60.0
"""When nothing has been done for this long, nothing will be."""

_COLUMNS = ("tenant", "erid", "batch_id", "position", "input", "fields")
_DONE = "select coalesce(sum(contacts_done), 0)::bigint from enrichment"
_WAITING = "select coalesce(sum(contacts - contacts_done), 0)::bigint from enrichment"
_EVENTS_WAIT = "select exists (select from outbox)"
_STATES = "select sum(fields_found), sum(fields_not_found), sum(fields_failed) from enrichment"
_SOURCES = """
    select coalesce(nullif(fields -> $1 ->> 'source', ''), 'provider') as source, count(*)::int as contacts
    from contact where fields -> $1 ->> 'state' = 'found' group by 1 order by 1
"""
_HOLDERS = "select count(*)::int from lease where owner is not null group by owner"
_TWIN = """
    drop table if exists contact_twin;
    create table contact_twin (like contact including all) partition by hash (tenant, erid);
    do $$ begin for remainder in 0..7 loop
        execute format(
            'create table contact_twin_p%s partition of contact_twin for values with (modulus 8, remainder %s)',
            remainder, remainder
        );
    end loop; end $$
"""


class Observer:
    """One connection beside the service's."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        """Take an open connection."""
        self.connection = connection

    async def empty(self) -> None:
        """Forget all work, not the directory, and write everything out: each round finds the same Postgres."""
        await self.connection.execute("truncate contact, batch, enrichment, outbox, quarantine, call, answer, budget")
        await self.connection.execute("checkpoint")

    async def done(self) -> int:
        """Contacts finished, over all objects."""
        return int(await self.connection.fetchval(_DONE))

    async def waiting(self) -> int:
        """Contacts accepted and not finished."""
        return int(await self.connection.fetchval(_WAITING))

    async def shares(self) -> dict[str, float]:
        """Share of each state among the finished fields; says whether the work was done that was meant."""
        states = ("found", "not_found", "failed")
        (counts,) = await self.connection.fetch(_STATES)
        total = sum(counts) or 1
        return {f"share_{state}": float(count / total) for state, count in zip(states, counts, strict=True)}

    async def settled(self) -> tuple[int, float]:
        """Calls of the ledger that are settled, and the credits that its budgets of tenants say were spent."""
        calls = await self.connection.fetchval("select count(*) from call where state = 'settled'")
        spent = await self.connection.fetchval(
            "select coalesce(sum(spent), 0)::bigint from budget where scope = 'tenant'"
        )
        return int(calls), int(spent) / MILLION

    async def sources(self, field: str) -> dict[str, int]:
        """Finished contacts by where their field's value comes from, those without one left out."""
        rows = await self.connection.fetch(_SOURCES, field)
        return {row["source"]: row["contacts"] for row in rows}

    async def until_done(self, contacts: int, every_s: float = 0.02) -> list[Sample]:
        """Look until so many are finished; return a sample for each time there were more. TimeoutError on a stall."""
        samples: list[Sample] = []
        last = Sample(time.monotonic(), 0)
        while last.done < contacts:
            done = await self.done()
            now = time.monotonic()
            if done > last.done:
                last = Sample(now, done)
                samples.append(last)
            elif now - last.at_s > STALLED_S:
                raise TimeoutError(
                    f"nothing was done for {STALLED_S:.0f} s; {last.done:,} of {contacts:,} contacts are"
                )
            await asyncio.sleep(every_s)
        return samples

    async def shared_by(self, workers: int) -> None:
        """Return when so many workers hold the partitions, as evenly as they can be. TimeoutError on a stall."""
        async with asyncio.timeout(STALLED_S):
            while True:
                held = [row[0] for row in await self.connection.fetch(_HOLDERS)]
                if len(held) == workers and sum(held) == PARTITIONS and max(held) - min(held) <= workers:
                    return
                await asyncio.sleep(0.1)

    async def settle(self) -> None:
        """Return when every event has left the outbox."""
        async with asyncio.timeout(STALLED_S):
            while await self.connection.fetchval(_EVENTS_WAIT):  # noqa: ASYNC110 - it is another process that empties it
                await asyncio.sleep(0.02)

    async def contact_rows(self) -> list[tuple[Any, ...]]:
        """Return what was written of every contact, in the order of the commits."""
        columns = ", ".join(_COLUMNS)
        rows = await self.connection.fetch(f"select {columns} from contact order by finished_at, batch_id, position")  # noqa: S608 - constants of this file
        return [tuple(row) for row in rows]

    async def make_twin(self) -> None:
        """Make an empty table like `contact`, with the same indexes and partitions, anew."""
        await self.connection.execute(_TWIN)

    async def copy(self, rows: Sequence[tuple[Any, ...]]) -> float:
        """Rows a second, written to the emptied twin by COPY, COPY_ROWS to a transaction."""
        await self.connection.execute("truncate contact_twin")
        await self.connection.execute("checkpoint")
        started = time.monotonic()
        for first in range(0, len(rows), COPY_ROWS):
            async with self.connection.transaction():
                await self.connection.copy_records_to_table(
                    "contact_twin", records=rows[first : first + COPY_ROWS], columns=_COLUMNS
                )
        return len(rows) / (time.monotonic() - started)
