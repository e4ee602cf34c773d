"""The engine's side of Postgres: `WorkStore` on asyncpg."""

import contextlib
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any
from uuid import UUID

from des.contact import Contact, ContactBatch
from des.errors import Unreadable
from des.message import BATCH_TYPE, PROTOBUF
from des.store import quarantine, resumption
from des.store.accept import NotAllNew, accept, accept_new, may_be_new, tell_owners
from des.store.commit import commit
from des.store.contract import (
    Acceptance,
    AcceptedBatch,
    Commit,
    CommitUnit,
    Erid,
    OpenBatches,
    Outstanding,
    Refused,
    Want,
    partition_of,
)
from des.store.ledger import orphan
from des.store.options import in_force
from des.store.postgres import Connection, Database
from des.store.statements import statements
from des.wire import decode_contacts

_SQL = statements("work")
_NIL = UUID(int=0)
CANDIDATES_MAX = 1_000
"""Open batches of an ERID that a load looks at."""


class PostgresWorkStore:
    """Accepts, loads and commits for one worker, `owner` in table `lease`."""

    def __init__(self, database: Database, owner: UUID) -> None:
        """Take the pool and the worker's id."""
        self._database = database
        self._owner = owner
        self._expects_new = True  # what is sent once more comes in groups of it: each is tried as new in vain only once

    async def accept(
        self, batches: Sequence[ContactBatch], refused: Sequence[Refused], owned: Container[int]
    ) -> Acceptance:
        """See WorkStore."""
        if self._expects_new and may_be_new(batches):
            with contextlib.suppress(NotAllNew):
                return await accept_new(self._database, batches, refused, owned)
        acceptance = await accept(self._database, batches, refused, owned)
        self._expects_new = len(acceptance.new) == len(batches)
        return acceptance

    async def tell_owners(self, partitions: Collection[int]) -> None:
        """See WorkStore."""
        async with self._database.connection() as connection:
            await tell_owners(connection, partitions)

    async def commit(
        self, units: Sequence[CommitUnit], refused: Sequence[Refused] = (), *, retried: bool = False
    ) -> Commit:
        """See WorkStore."""
        return await commit(self._database, self._owner, units, refused, retried=retried)

    async def load(self, wants: Sequence[Want]) -> Sequence[OpenBatches]:
        """See WorkStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _SQL["load"],
                [want.tenant for want in wants],
                [want.erid for want in wants],
                [partition_of(want.tenant, want.erid) for want in wants],
                [want.contacts for want in wants],
                [seq for want in wants for seq in want.known],
                CANDIDATES_MAX,
            )
            fresh, again = [row for row in rows if row["fresh"]], [row for row in rows if row["again"]]
            done = await _done_positions(connection, [row for row in fresh if row["written"]])
            resumed = await resumption.load(connection, again)
            found: list[list[AcceptedBatch]] = [[] for _ in wants]
            unreadable: list[Refused] = []
            for row in fresh:
                positions = done.get((row["tenant"], row["erid"], row["batch_id"]), [])
                found[row["ordinal"] - 1].append(_loaded(row, positions, unreadable))
            if unreadable:
                await quarantine.add(connection, unreadable)
        for row, batch in zip(again, resumed, strict=True):
            found[row["ordinal"] - 1].append(batch)
        rows_of = Counter(row["ordinal"] for row in rows)
        candidates = {row["ordinal"]: row["candidates"] for row in rows}
        return [
            OpenBatches(batches, complete=rows_of[ordinal] == candidates.get(ordinal, 0) < CANDIDATES_MAX)
            for ordinal, batches in enumerate(found, start=1)
        ]

    async def outstanding(self, partitions: Sequence[int], after: Erid | None, limit: int) -> Sequence[Outstanding]:
        """See WorkStore."""
        tenant, erid = after or ("", _NIL)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["outstanding"], partitions, tenant, erid, limit)
        return [
            Outstanding(row["tenant"], row["erid"], row["cancelled"], row["contacts"], in_force(row)) for row in rows
        ]

    async def orphan(self, partition: int, epoch: int) -> int:
        """See WorkStore."""
        return await orphan(self._database, self._owner, partition, epoch)

    async def backlog(self) -> int:
        """See WorkStore."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_SQL["backlog"]))


def _loaded(row: Mapping[str, Any], positions: Sequence[int], unreadable: list[Refused]) -> AcceptedBatch:
    """Build a batch of its row; `positions` are those committed of all its parts. Extends `unreadable`."""
    first, payload = row["first_position"], row["payload"] or b""
    refused = None
    try:
        contacts = decode_contacts(payload, row["contacts"])
    except Unreadable as error:
        contacts = (Contact(),) * row["contacts"]
        refused = _refuse(row, payload, error)
        unreadable.append(refused)
    batch = ContactBatch(
        row["tenant"],
        row["erid"],
        row["batch_id"],
        tuple(row["fields"]),
        contacts,
        row["content_hash"],
        b"",
        row["part"],
        row["parts"],
        first,
    )
    own = range(first, first + len(contacts))
    return AcceptedBatch(
        batch,
        partition_of(batch.tenant, batch.erid),
        row["seq"],
        frozenset(p for p in positions if p in own),
        unreadable=refused is not None,
    )


def _refuse(row: Mapping[str, Any], payload: bytes, error: Unreadable) -> Refused:
    return Refused(
        row["tenant"],
        str(row["erid"]),
        str(row["batch_id"]),
        "work",
        error.reason,
        f"{error}; its contacts end as failed: push them again in a batch of its own id",
        "[]",
        PROTOBUF,
        BATCH_TYPE,
        payload,
    )


async def _done_positions(
    connection: Connection, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, UUID, UUID], list[int]]:
    """Committed positions of the batches of these rows, by (tenant, erid, batch_id)."""
    if not rows:
        return {}
    unique = sorted({(row["tenant"], row["erid"], row["batch_id"]) for row in rows})
    found = await connection.fetch(_SQL["done_positions"], *map(list, zip(*unique, strict=True)))
    return {(row["tenant"], row["erid"], row["batch_id"]): row["positions"] for row in found}
