"""The facts of one vendor's API that are data."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from des.config_providers import BulkLimits, ProviderLimits
from des.providers.contract import Replay, Traits
from des.providers.rate_headers import Window
from des.providers.verdict import StatusMap


class Correlation(enum.StrEnum):
    """How an answer in the reply to several questions finds its question."""

    SINGLE = "single"
    POSITION = "position"
    METADATA = "metadata"
    IDENTIFIER = "identifier"
    JOB_ID = "job_id"


class ChargedOn(enum.StrEnum):
    """What makes the vendor take credits: a question sent, a person found, or each value found."""

    SENT = "sent"
    PERSON = "person"
    VALUE = "value"


class Reconcile(enum.StrEnum):
    """How it can be found out later whether a call without an answer was charged."""

    NONE = "none"
    BY_JOB_ID = "by_job_id"
    BY_CREDIT_HEADER = "by_credit_header"
    BY_BALANCE_DELTA = "by_balance_delta"


@dataclass(frozen=True, slots=True)
class Billing:
    """When credits are taken, and what they add up to.

    `refund_on_miss`: what was taken for a question comes back where nothing is found. `adds_up`: several fields of one
    person cost the sum of their prices; otherwise that of the dearest. Prices by field are settings: plans differ.
    """

    charged_on: ChargedOn = ChargedOn.VALUE
    refund_on_miss: bool = False
    adds_up: bool = False

    def price(self, prices: Mapping[str, float], fields: Iterable[str]) -> float:
        """Credits of one person with these fields; 0.0 for none."""
        each = [prices.get(name, 0.0) for name in fields]
        return sum(each) if self.adds_up else max(each, default=0.0)


@dataclass(frozen=True, slots=True)
class Asynchronous:
    """Answers that come later. Seconds: until the first look, until it is given up, and for how long it is kept."""

    poll_after_s: float
    deadline_s: float
    retention_s: float


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a vendor documents.

    `gives`: fields it can answer. `statuses`: outcome of each status without a body's help. `batch_max`: people in one
    request. `replay`: what the same question costs again. `verifications`: the vendor's words for the state of an
    address, in ours (`valid`, `invalid`, `catch_all`, `webmail`, `disposable`, `unknown`). `asynchronous`: None where
    the reply is the answer. `operation`: name of the vendor's one operation, where its answer holds whatever fields
    were asked for; empty where it depends on them.
    """

    gives: frozenset[str]
    statuses: StatusMap
    replay: Replay
    verifications: Mapping[str, str] = field(default_factory=dict)
    batch_max: int = 1
    correlation: Correlation = Correlation.SINGLE
    billing: Billing = Billing()
    reconcile: Reconcile = Reconcile.NONE
    windows: tuple[Window, ...] = ()
    asynchronous: Asynchronous | None = None
    operation: str = ""

    def traits(
        self, name: str, limits: ProviderLimits, batch_max: int | None = None, prices: Mapping[str, float] | None = None
    ) -> Traits:
        """Traits of a provider of this dialect under the limits of its settings; every vendor is paid.

        `batch_max`: people in one request, where the settings ask for fewer than the vendor permits. `prices`: the most
        credits of one person, by the field that is asked for; of several fields the dearest counts.
        """
        return Traits(
            name,
            self.gives,
            batch_max=min(batch_max or self.batch_max, self.batch_max),
            slots=limits.concurrency,
            deadline_s=limits.deadline_s,
            attempts_max=limits.attempts_max,
            remote=True,
            paid=True,
            replay=self.replay,
            operation=self.operation,
            prices=dict(prices or {}),
            linger_s=limits.linger_s if isinstance(limits, BulkLimits) else 0.0,
            charged_when_sent=self.billing.charged_on is ChargedOn.SENT,
            rate_windows=tuple((rate.count, rate.per_s) for rate in limits.rate),
        )
