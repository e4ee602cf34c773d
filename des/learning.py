"""What is learned of providers, as values: what one settled call shows, and what all of them show together.

`providers` and `store` are blind to each other: both know these.
"""

import msgspec


class Lesson(msgspec.Struct, frozen=True, gc=False):
    """What a settled call shows: the segment of its person, the fields asked for, those found with their confidence."""

    segment: str
    asked: tuple[str, ...]
    found: tuple[tuple[str, float], ...] = ()


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a provider did for a field in a segment, for one tenant: calls, those that found it, and how sure in sum.

    The counts fade: beyond STANDING_ASKED_MAX they are halved, so that what a provider does now outweighs what it did.
    """

    tenant: str
    provider: str
    field: str
    segment: str
    asked: float
    found: float
    confidence_sum: float


STANDING_ASKED_MAX = 10_000.0
"""A rate of 0.5 measured on so many calls is known to 0.01 (two standard errors); more would only make it slow."""
