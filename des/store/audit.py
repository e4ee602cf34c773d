"""The audit of the money: charged == settled == receipts, and every call that nobody knows the end of, one by one.

    charged   what the budgets say was spent        settled   what the calls ended at
    receipts  what stands on the contacts           held      sent, perhaps charged, and no answer came

All of it is read in one snapshot, so that it agrees while DES works. Amounts are whole millionths.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from des.store.postgres import Database
from des.store.statements import statements

_SQL = statements("audit")


class Balance(msgspec.Struct, frozen=True):
    """What one tenant owes one provider, by three books.

    `calls` in the ledger, `open` of them without an end, of which `unknown` may have been charged; `reserved` for those
    that are open; `without_receipt`: settled, and on no receipt (see Unreceipted).
    """

    tenant: str
    provider: str
    calls: int
    open: int
    unknown: int
    answers: int
    reserved: int
    reserved_unknown: int
    charged: int
    settled: int
    receipts: int
    without_receipt: int

    @property
    def agrees(self) -> bool:
        """Whether the three books say the same."""
        return self.charged == self.settled == self.receipts + self.without_receipt


class Held(msgspec.Struct, frozen=True):
    """A call that may have been charged and got no answer; `contacts` ended without one because of it."""

    id: UUID
    tenant: str
    provider: str
    erid: UUID
    fields: Sequence[str]
    reserved: int
    since: datetime
    reason: str
    contacts: int


class Unreceipted(msgspec.Struct, frozen=True):
    """A charge that stands on no receipt, with why; where `why` is empty, that is an error."""

    id: UUID
    tenant: str
    provider: str
    erid: UUID
    charged: int
    since: datetime
    why: str


class Difference(msgspec.Struct, frozen=True):
    """Two books that say different things of the same: `what`, and what was expected and found, in millionths."""

    tenant: str
    what: str
    expected: int
    found: int


class Books(msgspec.Struct, frozen=True):
    """What the audit found."""

    balances: Sequence[Balance]
    held: Sequence[Held]
    without_receipt: Sequence[Unreceipted]
    differences: Sequence[Difference]

    @property
    def agree(self) -> bool:
        """Whether nothing is wrong. Held calls are not: they are reserved, and listed."""
        return not self.differences


async def audit(database: Database, tenant: str | None = None, billed: Mapping[str, int] | None = None) -> Books:
    """Read the books of one tenant, or of all. Raises StoreUnavailable.

    `billed`: credits, in millionths, that vendors say they have taken, by provider; where a call is held, each may have
    taken as much as is reserved for it.
    """
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(_SQL["whole_tables"])
        balances = _read(await connection.fetch(_SQL["balances"], tenant), Balance)
        held = _read(await connection.fetch(_SQL["held"], tenant), Held)
        without = _read(await connection.fetch(_SQL["without_receipt"], tenant), Unreceipted)
        differences = [
            Difference(row["tenant"], f"budget {row['scope']} {row['name']}: {row['what']}".replace(" :", ":"),
                       row["expected"], row["found"])
            for row in await connection.fetch(_SQL["budget_differences"], tenant)
        ]  # fmt: skip
        differences += [
            Difference(
                row["tenant"], f"receipt of call {row['id']} in ERID {row['erid']}", row["expected"], row["found"]
            )
            for row in await connection.fetch(_SQL["receipt_differences"], tenant)
        ]
    differences += [
        Difference(one.tenant, f"call {one.id} stands on no receipt of ERID {one.erid}", one.charged, 0)
        for one in without
        if not one.why
    ]
    differences += [
        Difference(one.tenant, f"provider {one.provider}: receipts and charges without one", one.settled,
                   one.receipts + one.without_receipt)
        for one in balances
        if not one.agrees and one.charged == one.settled and not differences
    ]  # fmt: skip
    return Books(balances, held, without, [*differences, *_bills(balances, billed or {})])


def _bills(balances: Sequence[Balance], billed: Mapping[str, int]) -> list[Difference]:
    """Vendors that have taken less than is settled there, or more than that and what is held."""
    found: list[Difference] = []
    for provider, taken in sorted(billed.items()):
        mine = [one for one in balances if one.provider == provider]
        settled = sum(one.settled for one in mine)
        if not settled <= taken <= settled + sum(one.reserved_unknown for one in mine):
            found.append(Difference("", f"bill of {provider}", settled, taken))
    return found


def _read(rows: Sequence[Mapping[str, Any]], type_: type[Any]) -> list[Any]:
    return [msgspec.convert(dict(row), type_) for row in rows]
