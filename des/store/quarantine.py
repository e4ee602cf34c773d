"""Quarantine: kept with the reason and never lost, the same thing once however often it comes."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from des.errors import NotFound
from des.store.contract import Quarantined, QuarantineState, Refused
from des.store.postgres import Connection, Database
from des.store.statements import statements

_SQL = statements("quarantine")


def fingerprint(row: Refused) -> bytes:
    """SHA-256 (32 bytes) of what makes two refusals the same: tenant, stage, reason, payload."""
    digest = hashlib.sha256()
    for part in (row.tenant.encode(errors="replace"), row.stage.encode(), row.reason.encode(), row.payload):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


async def add(connection: Connection, rows: Sequence[Refused]) -> None:
    """Put rows into quarantine, in the caller's transaction; one that is there already is counted in `seen`."""
    different: dict[bytes, tuple[Refused, int]] = {}
    for row in rows:
        key = fingerprint(row)
        different[key] = (row, different[key][1] + 1 if key in different else 1)
    ordered = sorted(different.items())
    refused = [row for _, (row, _) in ordered]
    texts = ([_storable(getattr(row, name)) for row in refused] for name in _TEXTS)
    await connection.execute(
        _SQL["add"],
        [key for key, _ in ordered],
        *texts,
        [row.payload for row in refused],
        [seen for _, (_, seen) in ordered],
    )


_TEXTS = ("tenant", "erid", "batch_id", "stage", "reason", "message", "violations", "content_type", "message_type")


def _storable(text: str) -> str:
    """What Postgres takes of a text that quotes anybody's input: no NUL (nor its JSON escape), no lone surrogate."""
    text = text.encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\\u0000", "\\ufffd")


class Quarantine:
    """contract.QuarantineStore on Postgres."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def page(
        self,
        *,
        state: QuarantineState | None = None,
        tenant: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Quarantined]:
        """See contract.QuarantineStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["page"], state, tenant, before, limit)
        return [_quarantined(row) for row in rows]

    async def show(self, row_id: int) -> tuple[Quarantined, bytes]:
        """See contract.QuarantineStore."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_SQL["show"], row_id)
        if row is None:
            raise NotFound(f"quarantine has no row {row_id}; `des quarantine list` shows those it has")
        return _quarantined(row), row["payload"]

    async def discard(self, row_ids: Sequence[int]) -> int:
        """See contract.QuarantineStore."""
        async with self._database.connection() as connection:
            return len(await connection.fetch(_SQL["discard"], row_ids))

    @contextlib.asynccontextmanager
    async def retrying(self, row_id: int) -> AsyncIterator[tuple[Quarantined, bytes]]:
        """See contract.QuarantineStore."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["hold"], row_id)
            if row is None:
                raise NotFound(f"quarantine holds no row {row_id}; what was retried or discarded is not retried")
            yield _quarantined(row), row["payload"]
            await connection.execute(_SQL["mark_retried"], row_id)


def _quarantined(row: Mapping[str, Any]) -> Quarantined:
    return msgspec.convert(dict(row), Quarantined)
