"""Quarantine: what could not be accepted or committed is kept as it came, with the reason, and can be sent again."""

import hashlib
from collections.abc import Sequence

from des.store.contract import Refused
from des.store.postgres import Connection
from des.store.statements import statements

_SQL = statements("quarantine")


def fingerprint(refused: Refused) -> bytes:
    """Identity of a refused thing, 32 bytes: the same thing refused for the same reason is one row."""
    digest = hashlib.sha256()
    for part in (refused.tenant, refused.stage, refused.reason):
        digest.update(part.encode(errors="backslashreplace") + b"\0")
    digest.update(refused.payload)
    return digest.digest()


async def add(connection: Connection, refused: Sequence[Refused]) -> None:
    """Add rows within the caller's transaction."""
    await connection.execute(
        _SQL["add"],
        [fingerprint(one) for one in refused],
        *[
            [_storable(getattr(one, column)) for one in refused]
            for column in ("tenant", "erid", "batch_id", "stage", "reason", "message", "violations")
        ],
        [_storable(one.content_type) for one in refused],
        [_storable(one.message_type) for one in refused],
        [one.payload for one in refused],
    )


def _storable(text: str) -> str:
    """Text as Postgres takes it: what it refuses (NUL, lone surrogates) is shown as an escape."""
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
