"""What callers change of an enrichment, each within the caller's transaction: create, update, seal, cancel.

An update that raises the budget resumes the contacts whose fields the cap had ended. They are outstanding again from
the moment it is committed: whatever happens to whom, a worker finds them in Postgres as it finds a batch.
"""

from uuid import UUID

import msgspec

from des.errors import InvalidInput, NotFound
from des.events import Event
from des.options import Budget, Change, Options, OptionsInForce, changed
from des.store import options as store_options
from des.store import resumption
from des.store.contract import partition_of
from des.store.postgres import Connection
from des.store.statements import statements

_SQL = statements("steering")


def nothing_of(erid: UUID) -> NotFound:
    """Make the error for an ERID of which the tenant has nothing."""
    return NotFound(f"nothing of ERID {erid} was accepted yet")


async def create(connection: Connection, tenant: str, erid: UUID, options: Options | None) -> None:
    """Open the ERID where it is not open yet. Raises InvalidInput CONFLICTING_OPTIONS where it has others."""
    await connection.execute(_SQL["create"], tenant, erid, partition_of(tenant, erid))
    if options is None:
        return
    standing = store_options.standing(await connection.fetchrow(_SQL["lock_enrichment"], tenant, erid))
    if not standing.take(options):
        raise InvalidInput(*store_options.CONFLICT, erid=str(erid))
    await store_options.write(connection, {(tenant, erid): standing})


async def update(connection: Connection, tenant: str, erid: UUID, change: Change, *, resume: bool) -> int:
    """Change the options; where that raises the budget, or `resume` says so, resume what was over any cap.

    Returns the contacts resumed. Raises NotFound, and InvalidInput ENRICHMENT_CANCELLED. To repeat it changes nothing.
    """
    if resume or any(path.startswith("budget.") for path in change):
        await connection.execute(_SQL["lock_parts"], tenant, erid)
    row = await connection.fetchrow(_SQL["lock_enrichment"], tenant, erid)
    if row is None:
        raise nothing_of(erid)
    if row["cancelled"]:
        raise InvalidInput("ENRICHMENT_CANCELLED", "the enrichment is cancelled: use another ERID", erid=str(erid))
    before = store_options.in_force(row)
    after = changed(before.options, change)
    if after != before.options:
        standing = store_options.Standing(OptionsInForce(after, before.revision + 1), fresh=True)
        await store_options.write(connection, {(tenant, erid): standing})
    elif not resume:
        return 0
    resumed = 0
    if row["fields_over_budget"] and (resume or is_raised(before.options.budget, after.budget)):
        resumed = await resumption.resume(connection, tenant, erid)
    await resumption.tell_owner(connection, tenant, erid)
    return resumed


def is_raised(before: Budget | None, after: Budget | None) -> bool:
    """Whether the second leaves room, in credits or in money, where the first did not."""
    old, new = before or Budget(), after or Budget()
    return any(
        had is not None and (has is None or has > had)
        for had, has in ((old.credits, new.credits), (old.money, new.money))
    )


async def seal(connection: Connection, tenant: str, erid: UUID) -> bool:
    """Take no more batches; whether that completed it."""
    return bool(await connection.fetchval(_SQL["seal"], tenant, erid))


async def cancel(connection: Connection, tenant: str, erid: UUID) -> bool:
    """Seal it, and tell its owner to end what is outstanding; whether nothing was, so that this completed it.

    One that is completed, or not there, stays so.
    """
    completed = await connection.fetchval(_SQL["cancel"], tenant, erid)
    if completed is False:
        message = msgspec.json.encode({"tenant": tenant, "erid": erid}).decode()
        await connection.execute(_SQL["announce_cancel"], message)
    return bool(completed)


async def announce(connection: Connection, event: Event) -> None:
    """Have an event published with the commit."""
    await connection.execute(_SQL["announce"], event.id, event.type, event.tenant, event.erid, event.payload.decode())
