"""Late: calls that end after their contacts did, and what then becomes of these.

    field failed for want of an answer ─▶ awaiting ──call ended (late answer, by hand)──▶ ready ─▶ outstanding again

A contact that is outstanding again goes through its waterfall as ever: a late answer is in the answer store by then, so
that it is found at no new charge, as a new revision of the contact and of its object.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from des.contact import Attempt
from des.errors import InvalidInput, NotFound
from des.ledger import MILLION, NOTHING, Amount, CallState, Settlement
from des.store import ledger, resumption
from des.store.contract import CommitUnit, Erid
from des.store.ledger import Changes, scopes_of
from des.store.postgres import Connection, Database, mapped_refusals
from des.store.statements import statements

_SQL = statements("late")
_STEERING = statements("steering")


class Resolution(msgspec.Struct, frozen=True):
    """How a held call was ended by hand: what was charged, in millionths, and the contacts that ask again."""

    id: UUID
    provider: str
    erid: UUID
    charged: int
    released: int
    asking_again: int


async def expect(connection: Connection, units: Sequence[CommitUnit]) -> None:
    """Note which rows of a commit end without the answer of which call; before any of them is written."""
    waiting = [
        (call_id, unit.tenant, unit.erid, row.batch_id, row.position, unit.partition)
        for unit in units
        for row in unit.rows
        if row.awaits
        for call_id in row.awaits
    ]
    if waiting:
        await connection.execute(_SQL["expect"], *map(list, zip(*sorted(waiting), strict=True)))


async def resolve(
    database: Database, call_id: UUID, charged: int | None, *, ask_again: bool, beyond_reserved: bool = False
) -> Resolution:
    """End a held call as a person says: charged so many millionths of a credit, or (None) not at all.

    More than was reserved only where `beyond_reserved` says that this is meant. Its charge is put on the receipt of a
    contact that had waited for it. With `ask_again` the question is asked anew, at its own price. Raises NotFound,
    InvalidInput (CALL_NOT_HELD, CHARGED_TOO_MUCH), StoreUnavailable, CommitUnknown.
    """
    async with database.transaction() as connection:
        call = await connection.fetchrow(_SQL["hold_call"], call_id)
        if call is None:
            raise NotFound(f"the ledger has no call {call_id}; `des audit` lists those that are held")
        if call["state"] != CallState.UNKNOWN:
            raise InvalidInput(
                "CALL_NOT_HELD", f"call {call_id} is {call['state']}: only one that is held can be resolved"
            )
        reserved = Amount(call["reserved"], call["reserved_money"])
        amount = _amount(charged, reserved, beyond_reserved=beyond_reserved)
        state = CallState.RELEASED if charged is None else CallState.SETTLED
        own = (call["tenant"], call["erid"])
        waiting = await connection.fetch(_SQL["waiting_for"], call_id)
        await _lock_parts(connection, sorted({own, *((row["tenant"], row["erid"]) for row in waiting)}))
        said = "by hand: not charged" if charged is None else f"by hand: charged {amount.credits / MILLION:g}"
        await connection.execute(_SQL["end_call"], call_id, state.value, amount.credits, amount.money, said)
        if amount.credits:
            await _put_on_receipt(connection, call_id, own, call["provider"], amount)
        asking = await _ask_again(connection, [call_id]) if ask_again else 0
        if not ask_again:
            await connection.execute(_SQL["stop_waiting"], call_id)
        changes = Changes()
        changes.settle(scopes_of(call["tenant"], call["provider"], call["erid"]), reserved, amount)
        await changes.write(connection)
    released = max(0, reserved.credits - amount.credits)
    return Resolution(call_id, call["provider"], call["erid"], amount.credits, released, asking)


async def settle(database: Database, owner: UUID, settlements: Sequence[Settlement]) -> None:
    """End calls that no contact waits for, or note when to look again; who had waited is outstanding again.

    Raises StoreUnavailable, CommitUnknown, Unstorable.
    """
    ended = [one.call_id for one in settlements if one.state in {CallState.SETTLED, CallState.RELEASED}]
    with mapped_refusals():
        async with database.transaction() as connection:
            changes, _ = await ledger.settle(connection, owner, settlements)
            if ended:
                await _ask_again(connection, ended)
            await changes.write(connection)


async def resume(database: Database, owner: UUID, erids_max: int) -> int:
    """Make contacts of a worker outstanding again whose call has ended by other ways than `settle` and `resolve`."""
    async with database.connection() as connection:
        await connection.execute(_SQL["ready_where_ended"], owner)
        rows = await connection.fetch(_SQL["waiting_no_more"], owner, erids_max)
    for row in rows:
        async with database.transaction() as connection:
            await _reopen(connection, [(row["tenant"], row["erid"])])
    return len(rows)


async def _reopen(connection: Connection, erids: Sequence[Erid]) -> int:
    """Make contacts of these ERIDs, in order, that are ready outstanding again, and wake their workers; how many."""
    await _lock_parts(connection, erids)
    return sum([await _reopen_one(connection, *erid) for erid in erids])


async def _lock_parts(connection: Connection, erids: Sequence[Erid]) -> None:
    """Hold the parts of these ERIDs, in order, before the object of any of them is, as a commit does."""
    for erid in erids:
        await connection.execute(_STEERING["lock_parts"], *erid)


async def _reopen_one(connection: Connection, tenant: str, erid: UUID) -> int:
    if await connection.fetchval(_SQL["hold_enrichment"], tenant, erid):
        await connection.execute(_SQL["forget_waiting"], tenant, erid)
        return 0
    contacts: int = await connection.fetchval(_SQL["reopen"], tenant, erid) or 0
    if contacts:
        await resumption.tell_owner(connection, tenant, erid)
    return contacts


async def _ask_again(connection: Connection, calls: Sequence[UUID]) -> int:
    """Make whoever waited for these calls outstanding again, in order of the ERIDs; how many contacts."""
    rows = await connection.fetch(_SQL["ready"], list(calls))
    erids: list[Erid] = sorted({(row["tenant"], row["erid"]) for row in rows})
    return await _reopen(connection, erids)


async def _put_on_receipt(connection: Connection, call_id: UUID, erid: Erid, provider: str, amount: Amount) -> None:
    attempt = Attempt(
        provider, "unknown", f"CALL_WITHOUT_ANSWER {call_id}", cost=amount.credits / MILLION, call_id=call_id
    )
    await connection.fetchval(_SQL["hold_enrichment"], *erid)
    line = msgspec.json.encode([attempt]).decode()
    if await connection.fetchval(_SQL["add_charge"], call_id, *erid, line) is not None:
        await connection.execute(_SQL["mark_receipted"], call_id)
        await connection.execute(_SQL["touch"], *erid)


def _amount(charged: int | None, reserved: Amount, *, beyond_reserved: bool) -> Amount:
    """Credits that a person says were charged, with their share of the money that was reserved."""
    if charged is None:
        return NOTHING
    if charged > reserved.credits and not beyond_reserved:
        raise InvalidInput(
            "CHARGED_TOO_MUCH",
            f"{charged / MILLION:g} credits are more than the {reserved.credits / MILLION:g} reserved for the call; "
            "say --beyond-reserved where that is so",
        )
    return Amount(charged, reserved.money * charged // reserved.credits if reserved.credits else 0)
