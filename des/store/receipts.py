"""Receipts: each charge of the ledger stands on exactly one, decided in the transaction that writes the contact's row.

A row that reaches the commit carries the charges that its worker believes to be its own. Whether they are is decided
by the row of the call (`receipted`): the first contact of the ERID that is charged has it; the receipt of any other
says that it was spared it. So receipts add up to the ledger whoever died between the two, and however often a row is
tried.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from des.contact import FREE, Attempt, FieldResult
from des.ledger import Amount, Saving
from des.store.contract import CommitUnit, ContactRow
from des.store.postgres import Connection
from des.store.statements import statements

_SQL = statements("receipts")
_SPARED = "coalesced"

_fields = msgspec.json.Decoder(dict[str, FieldResult])
_encode = msgspec.json.Encoder().encode

Place = tuple[str, UUID, UUID, int]
"""Tenant, ERID, batch and position of a contact."""


class Carrier(msgspec.Struct, frozen=True, gc=False):
    """The row that carries a charge; `resumed`: it is there already, with fields that were outstanding once more."""

    place: Place
    resumed: bool


def carried(units: Sequence[CommitUnit]) -> dict[UUID, Carrier]:
    """Every charge that the units' rows carry, with the first row that does."""
    carriers: dict[UUID, Carrier] = {}
    for unit in units:
        for row in unit.rows:
            for call_id in row.charges:
                if call_id not in carriers:
                    place = (unit.tenant, unit.erid, row.batch_id, row.position)
                    carriers[call_id] = Carrier(place, unit.resumed)
    return carriers


def of_new(carriers: Mapping[UUID, Carrier]) -> dict[UUID, UUID]:
    """The charges of rows that are written for the first time, with their ERIDs: they need not be looked at again."""
    return {call_id: carrier.place[1] for call_id, carrier in carriers.items() if not carrier.resumed}


async def charge(
    connection: Connection, units: Sequence[CommitUnit], carriers: Mapping[UUID, Carrier], standing: Collection[UUID]
) -> Sequence[CommitUnit]:
    """Put each charge that the units' new rows carry on one receipt; answer the units with the others taken off.

    Called after the settlements of the same transaction, which have put those `standing` there, and before the rows
    are written.
    """
    if not carriers:
        return units
    charged = sum(len(row.charges) for unit in units for row in unit.rows)
    if len(standing) == len(carriers) == charged:
        return units
    ours = {call_id: carriers[call_id].place for call_id in standing if call_id in carriers}
    others = {call_id: carrier.place for call_id, carrier in carriers.items() if call_id not in ours}
    if others:
        ours |= {
            row["id"]: others[row["id"]] for row in await connection.fetch(_SQL["take_charges"], *_columns(others))
        }
    if len(ours) == charged:
        return units
    amounts = {
        row["id"]: Amount(row["charged"], row["charged_money"])
        for row in await connection.fetch(_SQL["charged"], list(carriers))
    }
    return [_of_unit(unit, ours, amounts) for unit in units]


def without(row: ContactRow, calls: Collection[UUID]) -> ContactRow:
    """Take the charges of these calls off a row's receipt: others have paid them."""
    results = {name: _spared(result, calls) for name, result in _fields.decode(row.fields).items()}
    charges = tuple(call_id for call_id in row.charges if call_id not in calls)
    return msgspec.structs.replace(row, fields=str(_encode(results), "utf-8"), charges=charges)


def _of_unit(unit: CommitUnit, ours: Mapping[UUID, Place], amounts: Mapping[UUID, Amount]) -> CommitUnit:
    rows: list[ContactRow] = []
    savings = list(unit.savings)
    for row in unit.rows:
        place = (unit.tenant, unit.erid, row.batch_id, row.position)
        others = [call_id for call_id in row.charges if ours.get(call_id) != place]
        savings += [Saving(unit.tenant, unit.erid, amounts[call_id]) for call_id in others if call_id in amounts]
        rows.append(without(row, others) if others else row)
    return msgspec.structs.replace(unit, rows=rows, savings=savings)


def _spared(result: FieldResult, calls: Collection[UUID]) -> FieldResult:
    attempts = tuple([_spared_attempt(attempt, calls) for attempt in result.attempts])
    if result.call_id not in calls:
        return msgspec.structs.replace(result, attempts=attempts)
    return msgspec.structs.replace(
        result, attempts=attempts, cost=FREE, saved=result.saved + result.cost, source=_SPARED, call_id=None
    )


def _spared_attempt(attempt: Attempt, calls: Collection[UUID]) -> Attempt:
    if attempt.call_id not in calls:
        return attempt
    return msgspec.structs.replace(attempt, cost=FREE, saved=attempt.saved + attempt.cost, call_id=None)


def _columns(carried: Mapping[UUID, Place]) -> tuple[list[UUID], list[str], list[UUID], list[UUID], list[int]]:
    ordered = sorted(carried.items())
    return (
        [call_id for call_id, _ in ordered],
        [place[0] for _, place in ordered],
        [place[1] for _, place in ordered],
        [place[2] for _, place in ordered],
        [place[3] for _, place in ordered],
    )
