"""Whether the person in an answer is another than the one asked about, by what both say of themselves.

Vendors correct what they are asked: an accent, a nickname, a second family name, the other script. That is the same
person. What is left is read strictly where nothing but the place in a reply ties the two together, and leniently where
the reply also carries our own mark.
"""

from rapidfuzz.distance import JaroWinkler

from des.contact import Contact
from des.providers.dialects.positions import latin_words, marks_of
from des.providers.name_tables import NICKNAMES

SPELLING_MIN = 0.8
"""Jaro-Winkler similarity from which two words are one name: Aleksandr and Alexander, not John and Jane."""


def is_another(answered: Contact, asked: Contact, *, marked: bool) -> bool:
    """Whether they are known to be two people; False where one of them does not say who it is.

    `marked`: our own mark ties them together. Then one word of the name that fits is enough; without it, every word of
    the shorter name has to have its spelling or nickname in the longer one.
    """
    if not marks_of(answered).isdisjoint(marks_of(asked)):
        return False
    shorter, longer = sorted((latin_words(answered), latin_words(asked)), key=len)
    if not shorter:
        return False
    fitting = sum(any(_is_one_name(word, other) for other in longer) for word in shorter)
    return fitting == 0 if marked else fitting < len(shorter)


def _is_one_name(one: str, other: str) -> bool:
    if one == other or other in NICKNAMES.get(one, ()) or one in NICKNAMES.get(other, ()):
        return True
    return one[0] == other[0] and JaroWinkler.similarity(one, other) >= SPELLING_MIN
