"""What a quote sees of Postgres: the answers that are there, and what the tenant's receipts show of providers."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from des.learning import Standing


class AtHand(msgspec.Struct, frozen=True, gc=False):
    """An answer that would be taken in place of a call: the fields it found (none: a miss), and the credits it cost."""

    provider: str
    operation: str
    person: str
    found: frozenset[str]
    cost: float


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What receipts show of a provider and a field: how often it was asked, how often it found it, and what it cost.

    `cost`: credits on the receipts of the field, those that were spared included: what a call is worth.
    """

    provider: str
    field: str
    asked: int
    found: int
    cost: float


class QuoteStore(Protocol):
    """Reads, and never writes. Every call raises StoreUnavailable when the database is away."""

    async def at_hand(
        self, tenant: str, operations: Sequence[tuple[str, str]], people: Sequence[str], max_age_s: float | None
    ) -> Sequence[AtHand]:
        """Answers that are believed, of these (provider, operation) pairs about these people, none older than that."""

    async def seen(self, tenant: str) -> Sequence[Seen]:
        """What the tenant's newest receipts show, a few thousand of them."""

    async def standings(self) -> Sequence[Standing]:
        """What learned orders go by."""
