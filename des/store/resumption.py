"""Contacts that are outstanding once more: a cap that had ended them was raised, or an answer came after all (`late`).

    finished ──reopened──▶ those fields pending in its row, counted as outstanding ──load, work, rewrite──▶ finished

Everything is in the rows: a worker that ends in between leaves what the next one finds. What was found is never
touched, and a provider that the receipt of a field names is not asked for it again.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from des.contact import Contact, ContactBatch, FieldResult, FieldState
from des.store.contract import AcceptedBatch, CommitUnit, Erid, ResumedContact, partition_of
from des.store.postgres import Connection
from des.store.statements import statements

_SQL = statements("resumption")
_TELL_OWNER = statements("steering")["tell_owner"]

_contact = msgspec.json.Decoder(Contact).decode
_fields = msgspec.json.Decoder(dict[str, FieldResult]).decode

Position = tuple[str, UUID, UUID, int]
"""Tenant, ERID, batch, position: the key of a contact."""


async def resume(connection: Connection, tenant: str, erid: UUID, batches: Sequence[UUID] | None = None) -> int:
    """Make contacts with fields over budget outstanding again, those of some batches or all. Returns how many."""
    return await connection.fetchval(_SQL["resume"], tenant, erid, batches) or 0


async def tell_owner(connection: Connection, tenant: str, erid: UUID) -> None:
    """Have the ERID's worker look at it again when the transaction is committed."""
    await connection.execute(_TELL_OWNER, str(partition_of(tenant, erid)))


async def resume_late(connection: Connection, units: Sequence[CommitUnit]) -> Mapping[Erid, Collection[UUID]]:
    """Resume what a cap has ended that was raised meanwhile: its worker had decided before it heard of that.

    Answers the objects that are open again with it, each with the batches.
    """
    late: dict[Erid, set[UUID]] = {}
    revisions: dict[Erid, int] = {}
    for unit in units:
        batches = {row.batch_id for row in unit.rows if FieldState.OVER_BUDGET in row.states}
        if batches:
            erid = (unit.tenant, unit.erid)
            late.setdefault(erid, set()).update(batches)
            revisions[erid] = min(unit.options_revision, revisions.get(erid, unit.options_revision))
    erids = sorted(late)
    columns = [tenant for tenant, _ in erids], [erid for _, erid in erids], [revisions[erid] for erid in erids]
    newer = [(row["tenant"], row["erid"]) for row in await connection.fetch(_SQL["newer_options"], *columns)]
    for tenant, erid in newer:
        await resume(connection, tenant, erid, sorted(late[tenant, erid]))
        await tell_owner(connection, tenant, erid)
    return {erid: late[erid] for erid in newer}


async def load(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[AcceptedBatch]:
    """Read the resumed contacts of parts, given their rows: a batch for each, in order."""
    if not rows:
        return []
    found: list[list[Any]] = [[] for _ in rows]
    keys = [(row["tenant"], row["erid"], row["batch_id"], row["first_position"], _last(row)) for row in rows]
    for one in await connection.fetch(_SQL["reopened_contacts"], *zip(*keys, strict=True)):
        found[one["ordinal"] - 1].append(one)
    return [_resumed(row, contacts) for row, contacts in zip(rows, found, strict=True)]


async def rewrite(connection: Connection, units: Sequence[CommitUnit]) -> set[Position]:
    """Write resumed contacts that have ended once more; answer those that had not been written before."""
    rows = [(unit.tenant, unit.erid, row.batch_id, row.position, row.fields) for unit in units for row in unit.rows]
    if not rows:
        return set()
    written = await connection.fetch(_SQL["rewrite_contacts"], *zip(*sorted(rows), strict=True))
    landed = {tuple(row) for row in written}
    parts = Counter(
        (unit.tenant, unit.erid, row.batch_id, row.part)
        for unit in units
        for row in unit.rows
        if (unit.tenant, unit.erid, row.batch_id, row.position) in landed
    )
    if parts:
        columns = zip(*[(*part, contacts) for part, contacts in sorted(parts.items())], strict=True)
        await connection.execute(_SQL["count_off_reopened"], *columns)
    return landed


def _last(row: Mapping[str, Any]) -> int:
    return int(row["first_position"] + row["contacts"] - 1)


def _resumed(row: Mapping[str, Any], contacts: Sequence[Any]) -> AcceptedBatch:
    batch = ContactBatch(
        row["tenant"],
        row["erid"],
        row["batch_id"],
        tuple(row["fields"]),
        tuple([_contact(one["input"]) for one in contacts]),
        row["content_hash"],
        b"",
        row["part"],
        row["parts"],
        row["first_position"],
    )
    resumed = [ResumedContact(one["position"], _pending(one["fields"])) for one in contacts]
    return AcceptedBatch(batch, partition_of(batch.tenant, batch.erid), -row["seq"], resumed=resumed)


def _pending(text: str) -> dict[str, FieldResult]:
    return {name: result for name, result in _fields(text).items() if result.state is FieldState.PENDING}
