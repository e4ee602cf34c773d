"""The facts of one vendor's API that are data."""

from collections.abc import Mapping
from dataclasses import dataclass

from des.config_providers import ProviderLimits
from des.providers.contract import Replay, Traits
from des.providers.verdict import StatusMap


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a vendor documents.

    `gives`: fields it can answer. `statuses`: outcome of each status without a body's help. `batch_max`: people in one
    request. `replay`: what the same question costs again. `verifications`: the vendor's words for the state of an
    address, in ours (`valid`, `invalid`, `catch_all`, `webmail`, `disposable`, `unknown`).
    """

    gives: frozenset[str]
    statuses: StatusMap
    replay: Replay
    verifications: Mapping[str, str]
    batch_max: int = 1

    def traits(self, name: str, limits: ProviderLimits) -> Traits:
        """Traits of a provider of this dialect under the limits of its settings; every vendor is paid."""
        return Traits(
            name,
            self.gives,
            batch_max=self.batch_max,
            slots=limits.concurrency,
            deadline_s=limits.deadline_s,
            attempts_max=limits.attempts_max,
            remote=True,
            paid=True,
            replay=self.replay,
            rate_windows=tuple((rate.count, rate.per_s) for rate in limits.rate),
        )
