"""The ledger's words, as values: what is claimed before a paid call, what the database says to it, how it is settled.

    claim ──claimed──▶ sent ──answered──▶ settled (charged, or released at no charge)
      │                  └──no answer──▶ unknown ──▶ replayed where that is free, else held for a person
      └──answered already, in flight, held, over budget: not sent

Amounts are whole millionths (of a credit, of the currency's unit): sums are exact, and a cap is never passed by any
of it. `providers` and `store` are blind to each other: both know these.
"""

import enum
import hashlib
import os
import random
import time
from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from des.learning import Lesson
from des.limits import KEY_BYTES_MAX

MILLION = 1_000_000


def millionths(amount: float) -> int:
    """A price as whole millionths."""
    return round(amount * MILLION)


class Amount(msgspec.Struct, frozen=True, gc=False):
    """Credits of the vendor and money, in millionths."""

    credits: int = 0
    money: int = 0


NOTHING = Amount()


class Key(msgspec.Struct, frozen=True, gc=False):
    """What is paid for once: the person, and what is asked about them, of one vendor, by one tenant."""

    tenant: str
    provider: str
    operation: str
    person: str


def key_part(text: str) -> str:
    """The text as a key has it: itself, or its beginning and SHA-256 where it is too long for an index."""
    encoded = text.encode()
    if len(encoded) <= KEY_BYTES_MAX:
        return text
    digest = hashlib.sha256(encoded).hexdigest()
    return f"{encoded[: KEY_BYTES_MAX - len(digest) - 1].decode(errors='ignore')}#{digest}"


class Claim(msgspec.Struct, frozen=True, gc=False):
    """The intent to make a paid call: committed before anything is sent.

    `price` is the most it can cost. The worker must hold `partition` under `epoch`. `replay_free`: a call of the same
    key that got no answer may be sent again at no charge, but not before `replay_after_s` seconds, for as long as the
    vendor may still be at it. `pays_again`: it is given up instead, as charged in full, and the question claimed anew
    at its own price. `fields`: what is asked for. `max_age_s`: how old an answer may be that is taken instead; None: as
    old as it is kept. `stale_s`: how long after that it may still be taken where the provider fails. `retried`: an
    earlier try of this claim may have landed.
    """

    id: UUID
    key: Key
    erid: UUID
    partition: int
    epoch: int
    price: Amount
    replay_free: bool = False
    pays_again: bool = False
    fields: tuple[str, ...] = ()
    replay_after_s: float = 0.0
    max_age_s: float | None = None
    stale_s: float = 0.0
    retried: bool = False


class Verdict(enum.StrEnum):
    """What the database says to a claim. Only `claimed` may be sent; `unstorable` will never be.

    Over budget is what would pass a cap by what was spent and what is set aside for held calls; where only calls under
    way are in between, there may be room when their charge is known.
    """

    CLAIMED = "claimed"
    ANSWERED = "answered"
    IN_FLIGHT = "in_flight"
    PENDING = "pending"
    HELD = "held"
    NO_ROOM_YET = "no_room_yet"
    OVER_BUDGET = "over_budget"
    STALE = "stale"
    UNSTORABLE = "unstorable"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a vendor said about a person: `outcome` found or miss, `values` the JSON of them by field.

    `outcome` is transient where it has failed to say anything, with the `reason`. `age_s`: seconds since it was said.
    """

    outcome: str
    values: str
    reference: str
    cost: Amount
    reason: str = ""
    age_s: float = 0.0


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one claim.

    `call_id`: the row that is claimed, in flight, pending, held or was answered; it may be another's. `answer` with
    ANSWERED, `handle` with PENDING, `scope` (`tenant`, `provider`, `erid`) with OVER_BUDGET. `replay` with CLAIMED and
    PENDING: the call was sent before and may have been charged then, so that only an answer can settle it. `payer`: the
    ERID that the call is charged to; None where its charge stands on a receipt already. `stale`: an answer that is not
    believed any more, for the case that the provider fails.
    """

    verdict: Verdict
    call_id: UUID
    answer: Answer | None = None
    handle: str = ""
    scope: str = ""
    replay: bool = False
    payer: UUID | None = None
    stale: Answer | None = None


FAILED = "transient"
"""Outcome of an answer that is none: the provider has failed, and is not asked the same again for a while."""


class CallState(enum.StrEnum):
    """State of a row of the ledger."""

    CLAIMED = "claimed"
    PENDING = "pending"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """How a claimed call ended: rides the commit of the contacts it was made for.

    What was reserved is given back and `charged` spent. `answer` is kept for `keep_s` seconds where there is one; with
    RELEASED it says that the provider has failed.
    `handle` and `poll_at` (seconds since the epoch) with PENDING.
    `lesson`: what the call shows of the provider, where that is to be learned.
    `epoch`: the one that the call was claimed under, None for a job. Where it is claimed under another by now, or by
    another worker, that has sent it again or will: what this one did not hear says nothing of that. An answer (SETTLED)
    counts in any.
    """

    call_id: UUID
    key: Key
    state: CallState
    charged: Amount = NOTHING
    outcome: str = ""
    reason: str = ""
    answer: Answer | None = None
    keep_s: float = 0.0
    handle: str = ""
    poll_at: float = 0.0
    lesson: Lesson | None = None
    epoch: int | None = None


def without_lesson(settlement: Settlement) -> Settlement:
    """The settlement with everything but what it would teach."""
    return msgspec.structs.replace(settlement, lesson=None)


def without_answer(settlement: Settlement) -> Settlement:
    """The settlement with its charge and none of what the vendor said."""
    return msgspec.structs.replace(settlement, reason="UNSTORABLE", answer=None, lesson=None)


def as_unstorable(settlement: Settlement) -> Settlement:
    """What is left of a settlement that Postgres refuses: the call is held, and its reservation, for a person."""
    return Settlement(
        settlement.call_id, settlement.key, CallState.UNKNOWN, reason="UNSTORABLE", epoch=settlement.epoch
    )


class Saving(msgspec.Struct, frozen=True, gc=False):
    """What an ERID did not have to pay, since it was answered already or asked at the same time by another."""

    tenant: str
    erid: UUID
    amount: Amount


class Job(msgspec.Struct, frozen=True, gc=False):
    """A call whose vendor answers later: its handle, the JSON of an outcome where one was delivered, and `replay`."""

    call_id: UUID
    key: Key
    handle: str
    delivered: str = ""
    replay: bool = False


class Jobs(Protocol):
    """Jobs of this worker's partitions. Every call raises StoreUnavailable and CommitUnknown; all may be repeated."""

    async def overdue(self, provider: str, known: Collection[UUID], jobs_max: int) -> Sequence[Job]:
        """Jobs of a provider that are due, but for those whose call is `known` to be looked for; all delivered ones."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """End calls, or have them looked at later; contacts that had waited for them are outstanding again.

        Raises Unstorable too: nothing landed then.
        """

    async def tidy(self) -> None:
        """Forget deliveries that were taken, and finish what was begun where a process ended in between."""


class Ledger(Protocol):
    """Where claims are decided."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """Decide on each claim, in one transaction that is committed when this returns. No key stands twice.

        Where Postgres refuses a claim for what it is, that one is UNSTORABLE, and the others are decided without it.
        Raises StoreUnavailable and CommitUnknown: nothing may be sent, and the same claims may be made again; those
        that had landed are CLAIMED then.
        """


_chance = random.Random()  # noqa: S311 - seeded by the system; ids have to differ, not to be secret
os.register_at_fork(after_in_child=_chance.seed)


def new_call_id() -> UUID:
    """A UUIDv7 (RFC 9562, 5.7): ids of calls that are claimed together lie together in the ledger's index."""
    milliseconds = time.time_ns() // 1_000_000
    tail = _chance.getrandbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & 0x3FFF_FFFF_FFFF_FFFF)
