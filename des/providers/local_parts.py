"""What the names of any script become in the local part of an address: the best-known spelling first.

An address is ASCII and somebody chose its spelling: `Müller` is mueller in Germany and muller elsewhere, `de la Cruz`
is delacruz, `Jean-Luc` is jean-luc. Every spelling that is usual is returned, so that an address that is there is
recognised; to propose one, the first is taken, and a choice between several makes it less sure. Where no spelling can
be told (a Japanese name in Han, Arabic without vowels), there is none.
"""

import functools
import re
import unicodedata

from anyascii import anyascii

from des.providers.name_tables import DEGREES, GENERATIONS, PARTICLES, TITLES

REMEMBERED_NAMES = 8_192

NATIVE_EXPANSIONS = frozenset({"de", "at", "ch", "li", "dk", "no"})
"""Countries where `ü` is written ue and `ø` oe when there is no such key, rather than u and o."""

KOREAN_SURNAMES = {
    "김": "kim", "이": "lee", "박": "park", "최": "choi", "정": "jung", "강": "kang", "조": "cho", "윤": "yoon",
    "장": "jang", "임": "lim", "한": "han", "오": "oh", "서": "seo", "신": "shin", "권": "kwon", "황": "hwang",
    "안": "ahn", "송": "song", "유": "yoo", "홍": "hong",
}  # fmt: skip
"""As most who bear them write them (not the official romanisation)."""

_EXPANDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "æ": "ae", "å": "aa"})
_VOWELLESS = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_HAN = re.compile("[\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u30fa\u30fc-\u30ff]")
_SPLIT = re.compile(r"[\s\-\u2010-\u2015.]+")
_NOT_LOCAL = re.compile(r"[^a-z0-9]+")
_AROUND = TITLES | DEGREES | GENERATIONS.keys()

Spellings = tuple[tuple[str, ...], tuple[str, ...]]
"""First names and last names, each in its spellings, the best known first; last names are empty for a mononym."""


def spellings(first: str, last: str, full: str, region: str) -> Spellings | None:
    """Spellings of a person's names, or None where none can be told.

    `region` is a lower-case country code or top-level domain: it decides between spellings and knows Japan.
    """
    if first and last:
        if first.isascii() and last.isascii() and first.isalpha() and last.isalpha():
            one, two = first.lower(), last.lower()
            if one not in _AROUND and two not in _AROUND:
                return (one,), (two,)
        return _of_pair(first, last, region)
    return _of_full(full or first or last, region)


@functools.lru_cache(REMEMBERED_NAMES)
def _of_pair(first: str, last: str, region: str) -> Spellings | None:
    both = unicodedata.normalize("NFKC", f"{first}\n{last}")
    if _VOWELLESS.search(both) or (_HAN.search(both) and (_KANA.search(both) or region == "jp")):
        return None
    given = _given(_bare(first), region)
    family = _family(_bare(last), region)
    return (given, family) if given and family else None


@functools.lru_cache(REMEMBERED_NAMES)
def _of_full(full: str, region: str) -> Spellings | None:
    pieces = full.split(",")
    parts = [bare for at, part in enumerate(pieces) if (bare := _bare(part)) and (at == 0 or not _is_around(part))]
    words = " ".join([*parts[1:], *parts[:1]]).split()
    if not words:
        return None
    if len(words) == 1:
        if not words[0].isascii() and (_HAN.search(words[0]) or not words[0].isalpha()):
            return None
        given = _given(words[0], region)
        return (given, ()) if given and not _VOWELLESS.search(words[0]) else None
    if len(parts) > 1:
        return _of_pair(" ".join(parts[1:]), parts[0], region)
    if _HAN.search(full) or any("\uac00" <= sign <= "\ud7a3" for sign in full):
        return _of_pair(" ".join(words[1:]), words[0], region)  # the family name stands first
    cut = next((at for at, word in enumerate(words[:-1]) if at and word.lower() in PARTICLES), len(words) - 1)
    return _of_pair(" ".join(words[:cut]), " ".join(words[cut:]), region)


def _bare(text: str) -> str:
    """The words of a part of a name, without titles, degrees and generations."""
    words = unicodedata.normalize("NFKC", text).split()
    kept = [word for word in words if _plain(word) not in _AROUND]
    return " ".join(kept or words)


def _is_around(text: str) -> bool:
    return all(_plain(word) in _AROUND for word in text.split())


def _given(text: str, region: str) -> tuple[str, ...]:
    """jean-luc: hyphenated as it is, then in one, then the first alone. Mary Ann: the first, then both."""
    words = [word for word in _SPLIT.split(text) if word]
    if len(words) < 2:
        return _folded(words[0], region) if words else ()
    one = _folded(words[0], region)[:1]
    whole = [_folded(word, region)[0] for word in words if _folded(word, region)]
    joined = ("-".join(whole), "".join(whole))
    ordered = (*joined, *one) if "-" in text else (*one, *reversed(joined))
    return tuple(dict.fromkeys(spelling for spelling in ordered if spelling))


def _family(text: str, region: str) -> tuple[str, ...]:
    """delacruz: in one, then as written with hyphens, then the last word alone, then the first."""
    if text in KOREAN_SURNAMES:
        return (KOREAN_SURNAMES[text], *_folded(text, region))
    words = [word for word in _SPLIT.split(text) if word]
    if len(words) < 2:
        return _folded(words[0], region) if words else ()
    whole = [folded[0] for word in words if (folded := _folded(word, region))]
    hyphened, squashed = "-".join(whole), "".join(whole)
    joined = (hyphened, squashed) if "-" in text else (squashed, hyphened)
    ends = [whole[-1], *(word for word in whole[:1] if word not in PARTICLES)] if whole else []
    return tuple(dict.fromkeys(spelling for spelling in (*joined, *ends) if spelling))


def _folded(word: str, region: str) -> tuple[str, ...]:
    """One word in ASCII letters, in one or two spellings."""
    plain = _plain(word)
    expanded = plain if word.isascii() else _plain(word.lower().translate(_EXPANDED))
    both = (expanded, plain) if region in NATIVE_EXPANSIONS else (plain, expanded)
    return tuple(dict.fromkeys(spelling for spelling in both if spelling))


def _plain(word: str) -> str:
    return _NOT_LOCAL.sub("", (word if word.isascii() else anyascii(word)).lower())
