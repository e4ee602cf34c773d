"""The contract between the engine and whoever knows something about people.

A provider answers questions; it does not retry, limit, cache, choose or charge: its dispatcher does. `ask` never raises
for what a remote end did or failed to do: that is an outcome. It raises only for a bug of its own, which the dispatcher
turns into `transient` (nothing left the machine) or `unknown` (a paid call may have).
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from uuid import UUID

import msgspec

from des.contact import FREE, Contact, FieldType
from des.ledger import key_part


class OutcomeKind(enum.StrEnum):
    """The closed set of what one call can end in."""

    FOUND = "found"
    MISS = "miss"
    INVALID_INPUT = "invalid_input"
    SUPPRESSED = "suppressed"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAUTHORIZED = "unauthorized"
    TRANSIENT = "transient"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Verification(enum.StrEnum):
    """The closed set of what is known of an address being right; each vendor's words are mapped to these.

    `catch_all`: its domain takes mail for any address, so nobody can tell; `webmail`: of a public mail service;
    `unknown`: somebody has looked and cannot tell. Where nobody has looked there is no word at all.
    """

    VALID = "valid"
    INVALID = "invalid"
    CATCH_ALL = "catch_all"
    WEBMAIL = "webmail"
    DISPOSABLE = "disposable"
    UNKNOWN = "unknown"


VERDICT = "verification"
"""What verifiers are asked for: of a contact with nothing but an e-mail address, a `Verification` as the value.

Its confidence counts where that is `valid`; its evidence says why, in one UPPER_SNAKE word.
"""


class Replay(enum.StrEnum):
    """Whether the vendor charges again when the same paid question is asked again (facts of the dialect)."""

    NEVER_FREE = "never_free"
    FREE_IN_PERIOD = "free_in_period"
    FREE_FOR_LIFE = "free_for_life"
    FREE_UNLESS_CONCURRENT = "free_unless_concurrent"


class UnknownPolicy(enum.StrEnum):
    """What becomes of a paid call that got no answer and is not free to replay."""

    HOLD = "hold"
    RETRY = "retry"
    SKIP = "skip"


class Source(enum.StrEnum):
    """Where an outcome comes from: asked of the provider, kept from an earlier time, or asked by a twin just now."""

    PROVIDER = "provider"
    ANSWER_STORE = "answer_store"
    COALESCED = "coalesced"


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value a provider gave for a field, normalised; `confidence` on DES's one 0-1 scale."""

    value: str
    confidence: float = 1.0
    verification: str = ""
    evidence: str = ""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What one question ended in.

    `values` by field name, only with FOUND, at least one. `retry_at` (seconds since the epoch) with RATE_LIMITED and
    where known with TRANSIENT and QUOTA_EXHAUSTED. `handle` and `poll_at` with PENDING. `cost` in credits, as the
    vendor said. `source`, `saved` (credits not paid again) and `call_id` (the row of the ledger whose charge `cost` is,
    or whose answer is missing) are the dispatcher's to set.
    """

    kind: OutcomeKind
    values: dict[str, Value] = {}
    reason: str = ""
    reference: str = ""
    cost: float = FREE
    retry_at: float | None = None
    handle: str = ""
    poll_at: float | None = None
    source: Source = Source.PROVIDER
    saved: float = FREE
    call_id: UUID | None = None


MISS = Outcome(OutcomeKind.MISS)
NOT_READY = Outcome(OutcomeKind.PENDING)
"""Nothing that a poll meets ends a question but the vendor's own word."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """One person, and the fields asked of one provider in one call."""

    tenant: str
    contact: Contact
    fields: tuple[str, ...]


def by_tenant(questions: Sequence[Question]) -> Sequence[tuple[str, Sequence[int]]]:
    """Tenants of these questions, each with the indexes of its own; nearly always there is one."""
    tenants = {question.tenant for question in questions}
    if len(tenants) == 1:
        return [(tenants.pop(), range(len(questions)))]
    return [
        (tenant, [i for i, question in enumerate(questions) if question.tenant == tenant]) for tenant in sorted(tenants)
    ]


@dataclass(frozen=True, slots=True)
class Traits:
    """What the engine needs to know of a provider.

    `gives`: the fields it can answer. `batch_max`: questions a call can carry. `slots`: calls in flight at once.
    `deadline_s`: bound of one call. `attempts_max`: calls for one question before a transient failure is final.
    `remote`: a call leaves this machine and counts against the bound of all calls. `paid` and `replay`: whether asking
    costs, and asking again. `rate_windows`: permitted calls as (count, window in seconds). `operation`: the vendor's
    one operation, whose answer serves every field; empty where another set of fields is another operation. `prices`:
    the most credits by field; those of one question are added up, or the dearest counts. `charged_when_sent`: credits
    are taken when a question is sent rather than for what is found. `replay_after_s`: seconds after which the vendor is
    surely done with a call that got no reply. `linger_s`: how long a paid call that is not full waits for more
    questions. `trusted`: its outcomes are made of what DES has stored, and not looked at (`vetting`).
    """

    name: str
    gives: frozenset[str]
    batch_max: int = 1
    slots: int = 64
    deadline_s: float = 10.0
    attempts_max: int = 5
    remote: bool = False
    paid: bool = False
    replay: Replay = Replay.NEVER_FREE
    rate_windows: tuple[tuple[int, float], ...] = ()
    operation: str = ""
    prices: Mapping[str, float] = field(default_factory=dict)
    prices_add_up: bool = False
    linger_s: float = 0.0
    charged_when_sent: bool = False
    replay_after_s: float = 0.0
    trusted: bool = False

    def operation_of(self, fields: Sequence[str]) -> str:
        """What is paid for once: the one operation of the vendor, or where there are several, that for these fields."""
        return self.operation or key_part(",".join(sorted(fields)))

    def price_max(self, fields: Sequence[str]) -> float:
        """Credits that a question for these fields can cost at most."""
        each = [self.prices.get(name, 0.0) for name in fields]
        return sum(each) if self.prices_add_up else max(each, default=0.0)


class Provider(Protocol):
    """Answers questions about people."""

    @property
    def traits(self) -> Traits:
        """What the engine needs to know of it; constant after `start`."""

    async def start(self) -> None:
        """Open what it needs. Raises ConfigError where it can never work."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Answer at most `batch_max` questions: one outcome each, in their order."""

    async def stop(self) -> None:
        """Close what it opened; harmless when never started and when repeated."""


@runtime_checkable
class Collects(Protocol):
    """A provider whose calls may end `pending`: asked later by handle, at no charge."""

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """One outcome for each handle, in order; `pending` again where it is not ready."""


FieldTypes = dict[str, FieldType]
