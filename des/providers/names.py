"""Names of people and companies of any script, brought to keys by which the same one is the same.

A key is exact: whatever may belong to two people (a middle name, Jr and Sr, two Chinese surnames of one sound) is kept
apart, and joining them is left to fuzzy comparison (`similar`). The steps:

| what | becomes |
|---|---|
| `Dr. José  O'Neill-Ruiz, PhD` | `jose oneill ruiz`: NFKC, ASCII, lower case, words; titles and degrees gone |
| `Doe, John` | `john doe`; `Doe, John Jr.` is `john doe jr` |
| first `太郎`, last `山田`, or both | `山田太郎`: Han, Kana, Hangul stay as they are, family name first |
| `The Müller & Söhne GmbH & Co. KG` | `mullersohne`: words squashed, legal form gone |
| `Amazon.com, Inc.` | `amazon.com`: a name that is a domain means the domain |

Pieces are remembered by value, and plain ASCII words never reach Unicode: 0.3 µs a name that was seen, 1 µs a new one.
"""

import functools
import re
import unicodedata

from anyascii import anyascii

from des.contact import Contact
from des.ledger import key_part
from des.people import SEPARATOR
from des.providers.name_tables import (
    DEGREES,
    GENERATIONS,
    GENERIC_WORDS,
    HONORIFICS,
    LEGAL_FORMS,
    LEGAL_FRONTS,
    LEGAL_MARKS,
    TITLES,
)
from des.providers.person import bare_domain, domain_of, linkedin_handle_of

REMEMBERED_PIECES = 32_768
"""Words, names and companies remembered each, of about 200 bytes."""
SKELETON_CHARS_MAX = 24
_LEGAL_WORDS_MAX = 5

_WORD = re.compile(r"[^\W_]+")
_ABBREVIATION = re.compile(r"(?<=\b[a-z])\.\s?(?=[a-z]\b)")
_QUOTES = str.maketrans("", "", "'`\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}\N{ACUTE ACCENT}")
# Scripts that write a name without spaces: Han, Kana (with its middle dot and length mark), Hangul.
_SPACELESS = re.compile(
    "[\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff\\s,]+"
)
_KANA_DOT = "\u30fb"
_NOT_PLAIN = TITLES | DEGREES | GENERATIONS.keys()


def name_key(first: str, last: str, full: str = "") -> str:
    """The person's name as one key, the same for `first` and `last` as for both in `full`; "" where there is none.

    First and last name count where both are there, else the full name, else whichever there is.
    """
    if first and last:
        one, two = _plain_word(first), _plain_word(last)
        return f"{one} {two}" if one and two else _key_of_pair(first, last)
    return _key_of_full(full or first or last)


def place_of(first: str, last: str, full: str = "") -> str:
    """What follows the company in a key of `des.people`: SEPARATOR, block, SEPARATOR, name; "" without a name."""
    if first and last:
        one, two = _plain_word(first), _plain_word(last)
        if one and two:
            left, right = one[0], two[0]
            block = left + right if left <= right else right + left
            return f"{SEPARATOR}{block}{SEPARATOR}{one} {two}"
    name = name_key(first, last, full)
    return f"{SEPARATOR}{block_of(name)}{SEPARATOR}{name}" if name else ""


def name_in(place: str) -> str:
    """The name key in what `place_of` gave."""
    return place.rpartition(SEPARATOR)[2]


def block_of(name: str) -> str:
    """First letters of the first and the last word of a name key, sorted: what fuzzy comparison presumes right."""
    words = name.rsplit(" ", 2)
    last = words[-1]
    if len(words) > 1 and last in GENERATIONS:
        last = words[-2].rsplit(" ", 1)[-1]
    one, two = name[:1], last[:1]
    return one + two if one <= two else two + one


@functools.lru_cache(REMEMBERED_PIECES)
def company_key(name: str) -> str:
    """The company as a key: its domain where the name is one, else its words squashed, without the legal form."""
    if name.isascii() and name.isalpha():  # one plain word has nothing to be freed of
        return name.lower()
    words = [word for word in re.split(r"[\s,]+", name.strip().lower()) if word]
    while len(words) > 1 and words[-1].replace(".", "") in LEGAL_FORMS:
        words.pop()
    if len(words) == 1 and "." in words[0]:
        domain = domain_of(Contact(company_name=words[0]))
        if domain:
            return domain
    return "".join(company_words(name))


def company_words(name: str) -> list[str]:
    """Words of a company's name without its legal form; at least one where there is a letter or a digit."""
    text = name
    if not name.isascii():
        text = unicodedata.normalize("NFKC", name)
        for mark in LEGAL_MARKS:
            text = text.replace(mark, " ")
        if _SPACELESS.fullmatch(text) and text.strip():
            return ["".join(_WORD.findall(text.casefold()))]
    text = _ascii(text.replace("&", " and ")).translate(_QUOTES)
    words = _WORD.findall(_ABBREVIATION.sub("", text))
    while len(words) > 1 and words[0] in LEGAL_FRONTS:
        words = words[1:]
    while (kept := _without_legal_form(words)) is not words:
        words = kept
    named = [word for word in words if word != "and"]
    return named or words


@functools.lru_cache(REMEMBERED_PIECES)
def company_plain(name: str) -> str:
    """The company key without words that names come with or without (`group`, `technologies`)."""
    words = company_words(name)
    return "".join(word for word in words if word not in GENERIC_WORDS) or "".join(words)


@functools.lru_cache(REMEMBERED_PIECES)
def company_skeleton(plain: str) -> str:
    """Consonants of a plain company name, doubled ones once: where companies of a similar name meet.

    A vowel or a doubled letter too many or too few leaves it the same; names of few consonants stand for themselves.
    """
    rest = re.sub(r"[aeiouy]", "", plain[1:])
    skeleton = re.sub(r"(.)\1+", r"\1", plain[:1] + rest)
    return skeleton[:SKELETON_CHARS_MAX] if len(skeleton) > 2 else plain[:SKELETON_CHARS_MAX]


@functools.lru_cache(REMEMBERED_PIECES)
def domain_in(text: str) -> str:
    """Domain in a URL, an address or a domain as people write it, in ASCII (IDNA); "" where there is none."""
    domain = bare_domain(text)
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def company_of(contact: Contact) -> str:
    """The key under which the contact's company stands: its domain where one is known, else its name; or ""."""
    if contact.company_domain:
        domain = domain_in(contact.company_domain)
        if domain:
            return domain
    return company_key(contact.company_name) if contact.company_name else ""


def person_key(contact: Contact) -> str:
    """Who the contact is, as one stable text: equal for two contacts only where they are the same person.

    The strongest identity that was sent, and only that: LinkedIn handle (`l:`), e-mail address (`e:`), name and
    company (`n:`), name alone (`n:` with nothing after the bar), phone digits (`p:`), the caller's id (`x:`); "" for a
    contact that names nobody. Independent of the order in which names were sent, of case, script variants and legal
    forms. It is stored with answers: changing what it gives makes people strangers to what is known of them.
    """
    return key_part(_identity(contact))


def _identity(contact: Contact) -> str:
    if contact.linkedin_url and (handle := linkedin_handle_of(contact)):
        return "l:" + handle.lower()
    if contact.email and "@" in contact.email:
        return "e:" + contact.email.strip().lower()
    name = name_key(contact.first_name, contact.last_name, contact.full_name)
    if name:
        return f"n:{name}|{company_of(contact)}"
    digits = "".join(char for char in contact.phone if char.isdecimal())
    if digits:
        return "p:" + digits
    return "x:" + contact.external_id if contact.external_id else ""


@functools.lru_cache(REMEMBERED_PIECES)
def _plain_word(text: str) -> str:
    """The word in lower case where it is one ASCII word that stands for nothing but a name, else ""."""
    if not (text.isascii() and text.isalpha()):
        return ""
    word = text.lower()
    return "" if word in _NOT_PLAIN else word


def _plain_words(full: str) -> list[str] | None:
    """The words in lower case where they are ASCII, letters only, and nothing stands around the name."""
    words = full.lower().split() if full.isascii() else None
    if not words or not "".join(words).isalpha() or words[0] in TITLES or words[-1] in _NOT_PLAIN:
        return None
    return words


@functools.lru_cache(REMEMBERED_PIECES)
def _key_of_pair(first: str, last: str) -> str:
    if _is_spaceless(first) and _is_spaceless(last):
        return _key_of_full(f"{last} {first}") if _KANA_DOT not in first + last else _key_of_full(last + first)
    return _key_of_full(f"{first.replace(',', ' ')} {last}")


@functools.lru_cache(REMEMBERED_PIECES)
def _key_of_full(full: str) -> str:
    if (plain := _plain_words(full)) is not None:
        return " ".join(plain)
    text = unicodedata.normalize("NFKC", full)
    if _is_spaceless(text):
        return _spaceless_key(text)
    parts = [words for part in _ascii(text).split(",") if (words := _words(part))]
    if not parts:
        return ""
    names, generation = _split_off_suffixes(parts)
    words = names[0] if len(names) == 1 else [word for part in (*names[1:], names[0]) for word in part]
    if len(words) > 1 and words[-1] in GENERATIONS:
        generation = generation or GENERATIONS[words.pop()]
    for at, word in enumerate(words[1:-1], start=1):  # "Doe Jr, John" has it in the middle now
        if word in GENERATIONS and len(names) > 1 and not generation:
            generation = GENERATIONS[words.pop(at)]
            break
    return " ".join([*words, generation] if generation else words)


def _split_off_suffixes(parts: list[list[str]]) -> tuple[list[list[str]], str]:
    """Parts between commas that hold a name, and the generation where one stood alone."""
    names = [_without_titles(parts[0])]
    generation = ""
    for part in parts[1:]:
        rest = [word for word in part if word not in DEGREES]
        if not rest or "".join(part) in DEGREES:
            continue
        if len(rest) == 1 and rest[0] in GENERATIONS:
            generation = GENERATIONS[rest[0]]
        else:
            names.append(_without_titles(part))
    return names, generation


def _without_titles(words: list[str]) -> list[str]:
    start, end = 0, len(words)
    while end - start > 1 and words[start] in TITLES:
        start += 1
    while end - start > 1 and words[end - 1] in DEGREES:
        end -= 1
    return words[start:end]


def _without_legal_form(words: list[str]) -> list[str]:
    for count in range(min(_LEGAL_WORDS_MAX, len(words) - 1), 0, -1):
        if "".join(words[-count:]) in LEGAL_FORMS:
            return words[:-count]
    return words


def _words(text: str) -> list[str]:
    return _WORD.findall(re.sub(r"\bph\.\s?d\b", "phd", re.sub(r"\bm\.\s?([dba])\b", r"m\1", text)).translate(_QUOTES))


def _ascii(text: str) -> str:
    return (text if text.isascii() else anyascii(text)).lower()


def _is_spaceless(text: str) -> bool:
    return not text.isascii() and _SPACELESS.fullmatch(text) is not None


def _spaceless_key(text: str) -> str:
    squeezed = "".join(text.replace(",", " ").split())
    if _KANA_DOT in squeezed:  # a foreign name in Kana stands as its owner says it: given name first
        squeezed = "".join(reversed(squeezed.split(_KANA_DOT)))
    for honorific in HONORIFICS:
        if len(squeezed) > len(honorific) + 1:
            squeezed = squeezed.removesuffix(honorific)
    return squeezed
