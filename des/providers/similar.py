"""How alike two names are, for people who were not found by their exact name.

Different people have similar names more often than one person's name is misspelt, so it is strict: only one of first
and last name may differ, a difference in the last letter makes another person (Maria, Mario; Daniel, Daniela) unless
both are known to be one name, and so do two different middle names or generations.
"""

from collections.abc import Sequence

from rapidfuzz.distance import JaroWinkler

from des.providers.name_tables import GENERATIONS, NICKNAMES
from des.providers.names import block_of

SAME = 100.0
NICKNAME = 96.0
INITIAL = 93.0
"""`J Doe` at a company that has one John Doe."""
SWAPPED = 0.97
"""Factor for last and first name the other way round."""
ONE_MIDDLE_NAME = 0.98
"""Factor where only one of the two has a middle name or a generation."""
COMPANY_CHARS_MIN = 5
"""Shorter company names are similar by chance."""

_NICKNAME_INITIALS = {
    name: tuple(dict.fromkeys([name[0], *sorted(other[0] for other in others)])) for name, others in NICKNAMES.items()
}


def name_similarity(asked: str, known: str) -> float:
    """Similarity of two name keys, 0 to 100; 100 only for equal ones."""
    if asked == known:
        return SAME
    one, other = asked.split(), known.split()
    if len(one) < 2 or len(other) < 2:  # a single word or a name in Han: one sign makes another person
        return 0.0
    if set(one).isdisjoint(other):  # first or last name has to be the same: nearly everybody is done with here
        return 0.0
    return max(_similarity(one, other), _similarity(_swapped(one), other) * SWAPPED)


def company_similarity(asked: str, known: str) -> float:
    """Similarity of two plain company names, 0 to 100."""
    if asked == known:
        return SAME
    if min(len(asked), len(known)) < COMPANY_CHARS_MIN:
        return 0.0
    return JaroWinkler.similarity(asked, known) * 100


def blocks(name: str, block: str) -> Sequence[str]:
    """Blocks in which the same person may stand: the name's own, and those of each nickname's first letter."""
    first, _, rest = name.partition(" ")
    initials = _NICKNAME_INITIALS.get(first)
    if initials is None:
        return (block,)
    return list(dict.fromkeys(block_of(f"{initial} {rest}".rstrip()) for initial in initials))


def _similarity(one: list[str], other: list[str]) -> float:
    one, generation = _split_generation(one)
    other, other_generation = _split_generation(other)
    middle, other_middle = one[1:-1], other[1:-1]
    if generation and other_generation and generation != other_generation:
        return 0.0
    if middle and other_middle and not _middle_agrees(middle, other_middle):
        return 0.0
    first = _first_similarity(one[0], other[0])
    last = SAME if one[-1] == other[-1] else _word_similarity(one[-1], other[-1])
    if first < SAME and last < SAME:
        return 0.0
    alike = bool(middle) == bool(other_middle) and generation == other_generation
    return min(first, last) * (1.0 if alike else ONE_MIDDLE_NAME)


def _first_similarity(one: str, other: str) -> float:
    if one == other:
        return SAME
    if other in NICKNAMES.get(one, ()):
        return NICKNAME
    if len(one) == 1 or len(other) == 1:
        return INITIAL if one[0] == other[0] else 0.0
    return _word_similarity(one, other)


def _word_similarity(one: str, other: str) -> float:
    if one[-1] != other[-1] or one[0] != other[0]:
        return 0.0
    return JaroWinkler.similarity(one, other) * 100


def _middle_agrees(one: list[str], other: list[str]) -> bool:
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in zip(one, other, strict=False))


def _split_generation(words: list[str]) -> tuple[list[str], str]:
    return (words[:-1], words[-1]) if len(words) > 2 and words[-1] in GENERATIONS else (words, "")


def _swapped(words: list[str]) -> list[str]:
    words, generation = _split_generation(words)
    return [words[-1], *words[1:-1], words[0], *([generation] if generation else [])]
