"""How companies make addresses from names: the closed list, what an address fits, and how sure a proposal is.

The confidence of a proposal is the share of a domain's people whose addresses fit, smoothed by Laplace's rule of
succession, (fit + 1) / (people + 2): three of three are 0.80, seventeen of nineteen 0.86, and no number of samples
makes it certain (CONFIDENCE_MAX: a right pattern still meets people who left, married or share a name). A name with
several usual spellings is less sure (SPELLING_FACTOR).
"""

from collections.abc import Iterable
from typing import NamedTuple

from des.people import PatternCount
from des.providers.local_parts import Spellings

CONFIDENCE_MAX = 0.95
SPELLING_FACTOR = 0.85
LOCAL_CHARS_MAX = 64
"""RFC 5321, 4.5.3.1.1."""

PATTERNS = (
    "{first}.{last}",
    "{first}",
    "{f}{last}",
    "{first}{last}",
    "{f}.{last}",
    "{first}_{last}",
    "{first}{l}",
    "{first}.{l}",
    "{first}-{last}",
    "{last}",
    "{last}.{first}",
    "{last}{f}",
    "{last}{first}",
    "{last}.{f}",
    "{last}_{first}",
    "{last}-{first}",
    "{f}_{last}",
    "{f}-{last}",
    "{l}{first}",
    "{l}.{first}",
    "{f}{l}",
)
"""The more usual first: of two that fit equally many, it is proposed."""

_RANK = {pattern: rank for rank, pattern in enumerate(PATTERNS)}


class Pattern(NamedTuple):
    """One pattern of a domain: `local` of PATTERNS, at `host`.

    `fit` of `people` addresses are of it; `confidence` (0-1) is that of an address made by it, `evidence` the
    sentence a person is told.
    """

    local: str
    host: str
    fit: int
    people: int
    confidence: float
    evidence: str


def render(pattern: str, first: str, last: str) -> str:
    """The local part; "" where the pattern needs a name that is not there."""
    if not first or (not last and "{l" in pattern):
        return ""
    local = pattern.format(first=first, last=last, f=first[0], l=last[:1])
    return local if len(local) <= LOCAL_CHARS_MAX else ""


def fitting(email: str, names: Spellings) -> tuple[str, ...]:
    """Every pattern the address fits under any spelling, each with its host: `{first}.{last}@acme.com`."""
    local, _, host = email.lower().rpartition("@")
    firsts, lasts = names
    return tuple(
        f"{pattern}@{host}"
        for pattern in PATTERNS
        if any(render(pattern, first, last) == local for first in firsts for last in lasts or ("",))
    )


def patterns_of(counts: Iterable[PatternCount]) -> tuple[Pattern, ...]:
    """A domain's patterns, the surest first, from what was counted for it (the empty pattern counts its people)."""
    by_pattern = {count.pattern: count.people for count in counts}
    people = by_pattern.pop("", 0)
    found = []
    for pattern, fit in by_pattern.items():
        local, _, host = pattern.rpartition("@")
        if local in _RANK:
            confidence = min((fit + 1) / (people + 2), CONFIDENCE_MAX)
            form = local.replace("{", "").replace("}", "")
            evidence = f"{fit} of {people} addresses at {host} are {form}"
            found.append(Pattern(local, host, fit, people, round(confidence, 3), evidence))
    return tuple(sorted(found, key=lambda pattern: (-pattern.fit, _RANK[pattern.local], pattern.host)))
