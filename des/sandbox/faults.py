"""What goes wrong on demand: latency and faults drawn from a seed, so that a run can be repeated."""

import enum
import math
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

import msgspec


class Fault(enum.StrEnum):
    """What can happen to a request.

    Up to `hang` nothing has been charged; what comes after it has. The last three scramble the items of a reply to
    several questions, and leave every other reply as it is.
    """

    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    RESET_BEFORE = "reset_before"
    HANG = "hang"
    RESET_AFTER = "reset_after"
    HANG_AFTER = "hang_after"
    CUT_BODY = "cut_body"
    TRUNCATED_JSON = "truncated_json"
    NOT_HTTP = "not_http"
    SLOW_BODY = "slow_body"
    WRONG_ORDER = "wrong_order"
    DUPLICATES = "duplicates"
    MISSING = "missing"


MEANINGS: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.RATE_LIMIT: "refused for the rate, in the vendor's own way, with a hint where `retry_after_s` gives one",
        Fault.QUOTA: "refused for want of credits, in the vendor's own way",
        Fault.SERVER_ERROR: "500",
        Fault.UNAVAILABLE: "503",
        Fault.RESET_BEFORE: "the connection is reset before anything is done",
        Fault.HANG: "nothing is done, and nothing comes back",
        Fault.RESET_AFTER: "billed, and the connection is reset before the answer",
        Fault.HANG_AFTER: "billed, and nothing comes back",
        Fault.CUT_BODY: "billed, and the connection ends in the middle of the body",
        Fault.TRUNCATED_JSON: "billed, and the body is half of its JSON",
        Fault.NOT_HTTP: "billed, and what comes back is not HTTP",
        Fault.SLOW_BODY: "billed, and the body takes `slow_body_s` seconds",
        Fault.WRONG_ORDER: "billed, and the people of a bulk answer stand in another order",
        Fault.DUPLICATES: "billed, and one of them stands there twice",
        Fault.MISSING: "billed, and one of them is not there",
    }
)
"""What each of them does, for people."""
BULK_FAULTS = frozenset({Fault.WRONG_ORDER, Fault.DUPLICATES, Fault.MISSING})
"""Faults that only a reply to several questions can have."""


LOGNORMAL_SIGMA = 1.0
"""The slowest of a hundred takes some six times the mean, the median 0.6 of it."""


class LatencyKind(enum.StrEnum):
    """Shape of the waiting time before an answer."""

    FIXED = "fixed"
    UNIFORM = "uniform"
    EXPONENTIAL = "exponential"
    LOGNORMAL = "lognormal"


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds before each answer, `mean_s` on average and at most `max_s`.

    `fixed`, `uniform` (0 to twice the mean), `exponential`, or `lognormal`: most are quick, a few take very long.
    """

    kind: LatencyKind = LatencyKind.FIXED
    mean_s: float = 0.0
    max_s: float = 60.0

    def draw(self, chance: random.Random) -> float:
        """Seconds for one request."""
        return min(self._drawn(chance), self.max_s)

    def _drawn(self, chance: random.Random) -> float:
        match self.kind:
            case LatencyKind.FIXED:
                return self.mean_s
            case LatencyKind.UNIFORM:
                return chance.uniform(0.0, 2 * self.mean_s)
            case LatencyKind.EXPONENTIAL:
                return chance.expovariate(1 / self.mean_s) if self.mean_s else 0.0
            case LatencyKind.LOGNORMAL:
                return self.mean_s * math.exp(chance.gauss(-(LOGNORMAL_SIGMA**2) / 2, LOGNORMAL_SIGMA))
            case _:
                assert_never(self.kind)


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /sandbox/faults`. `rates`: share (0-1) of requests that meet each fault, together at most 1.

    `vendors`: whom it is for (empty: all). `slow_body_s`: seconds over which a slow body is spread. `retry_after_s`:
    what refusals hint at (None: they give no hint). `poison`: words that no request may have in it: one that has is
    refused as a whole, in the vendor's own way, and not billed.
    """

    seed: int = 1
    vendors: frozenset[str] = frozenset()
    latency: Latency = Latency()
    rates: dict[Fault, float] = {}
    slow_body_s: float = 1.0
    retry_after_s: float | None = None
    poison: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse rates that are no shares."""
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError("rates are shares of the requests: none below 0, all together at most 1")


NO_FAULTS = FaultPlan()


class FaultDraw:
    """A plan at work. The nth request meets the same fault in every run with the same seed."""

    def __init__(self, plan: FaultPlan = NO_FAULTS) -> None:
        """Take the plan; the draw begins anew."""
        self.plan = plan
        self._chance = random.Random(plan.seed)
        self._faults = sorted(plan.rates.items())

    def draw(self, vendor: str) -> tuple[float, Fault | None]:
        """Seconds to wait and what goes wrong, for the next request to this vendor."""
        plan = self.plan
        if plan.vendors and vendor not in plan.vendors:
            return 0.0, None
        delay_s = plan.latency.draw(self._chance) if plan.latency.mean_s else 0.0
        if not self._faults:
            return delay_s, None
        at = self._chance.random()
        for fault, rate in self._faults:
            at -= rate
            if at < 0:
                return delay_s, fault
        return delay_s, None
