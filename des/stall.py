"""Why contacts wait that could be asked about: a provider is paused, and until when."""

import enum
from datetime import datetime
from uuid import UUID

import msgspec


class StallReason(enum.StrEnum):
    """Why a provider is asked nothing for now: a closed set. What waits so is never taken for a miss."""

    RATE_LIMITED = "RATE_LIMITED"
    """Its permitted rate is used up, by our count or by its own word."""
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    """The account's credits are gone."""
    UNAUTHORIZED = "UNAUTHORIZED"
    """It refuses the key."""
    BREAKER_OPEN = "BREAKER_OPEN"
    """It failed again and again and is left alone for a while."""
    PROVIDER_SLOW = "PROVIDER_SLOW"
    """Every slot has a call out, and none has come back for long."""
    ANSWER_PENDING = "ANSWER_PENDING"
    """It took the questions and is still at work on them."""


class Stalled(msgspec.Struct, frozen=True, gc=False):
    """A provider that is asked nothing for now; `until` in seconds since the epoch, None where nobody knows."""

    reason: StallReason
    until: float | None = None


class Stall(msgspec.Struct, frozen=True, gc=False):
    """Contacts of one ERID that wait for a provider. `until`: when it is tried again, None where nobody knows."""

    provider: str
    stalled_reason: StallReason
    until: datetime | None
    contacts: int


class StallRow(msgspec.Struct, frozen=True, gc=False):
    """A stall as a worker tells it: of whom, and until when in seconds since the epoch."""

    tenant: str
    erid: UUID
    provider: str
    reason: StallReason
    until: float | None
    contacts: int

    @property
    def key(self) -> tuple[str, UUID, str, str]:
        """What there is one of: an ERID may wait for one provider for two reasons."""
        return self.tenant, self.erid, self.provider, self.reason.value
