"""Where contacts and their texts begin, found in the bytes of batches without parsing them: numbers, not objects.

A contact is a tag, its length, and its texts, each again behind a tag and a length. No text has a control character
but tabs and line ends, so the byte that is a contact's tag stands hardly anywhere else. All places where it does are
taken for contacts, which is proved by their lengths: each has to lead to the next. The texts are then gone through side
by side, the first of every contact, the second, until each contact has ended where its length says.

This is written for what protobuf libraries write of ordinary contacts, field by field in order: their canonical form.
For whatever else there may be a scan answers None, and it is for a parser to say what it is.
"""

import string
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from des.limits import CONTACT_TEXT_CHARS_MAX
from des.wire.rules import TEXTS, has_control_bytes

_Bytes: TypeAlias = NDArray[np.uint8]
_Places: TypeAlias = NDArray[np.intp]

_CONTACT: Final = 3 << 3 | 2
"""Tag of `contact_list` in a batch: the number of the field, and that a length follows."""
_TAGS: Final = [number << 3 | 2 for number, _ in enumerate(TEXTS, start=1)]
_COUNTRY: Final = _TAGS[TEXTS.index("country")]
_NAMES: Final = _TAGS[:3]
_SHORTEST: Final = 5
"""Bytes of the shortest contact with a name: two tags, two lengths and a letter."""
_MORE: Final = 0x80
"""A length goes on in the byte behind one of which this is set; in a text no ASCII character has it set."""
_SPACE: Final = ord(" ")
_SPACES: Final = [int.from_bytes(space.encode()[:2]) for space in "\x85\xa0\u1680\u2000\u205f\u3000"]
"""The first two bytes of every space beyond ASCII, and of some other characters."""


def _count(where: NDArray[np.bool_]) -> int:
    """How many are true, in a third of the time of `any` and `all`, which numpy has in Python."""
    return int(np.count_nonzero(where))


def _table(bytes_: Iterable[int]) -> NDArray[np.bool_]:
    """By byte: whether it is one of these."""
    table = np.zeros(256, np.bool_)
    table[list(bytes_)] = True
    return table


_IS_TAG: Final = _table(_TAGS)
_IS_NAME: Final = _table(_NAMES)
_IS_LETTER: Final = _table(map(ord, string.ascii_letters))


class Scanned(NamedTuple):
    """Of each batch: how many contacts it has, and the place behind the last of them."""

    contacts: list[int]
    ends: list[int]


def scan(joined: bytes, starts: Sequence[int]) -> Scanned | None:
    """Return the contacts of batches that stand one behind the other, or None if one may break a rule.

    `starts` are the places where the first contact of each batch begins. Every contact is short and has a name, and
    no name is blank or begins with a space. Of the bytes between the last contact of a batch and the next start
    nothing is said, and a last contact may reach beyond that start: its batch then ends there.
    """
    data = np.frombuffer(joined, np.uint8)
    found = _named(data)
    if found is None:
        return None
    at, bodies, ends = found
    firsts = at.searchsorted(starts)
    if firsts[-1] == len(at) or _count(at[firsts] != starts):
        return None
    lasts = np.append(firsts[1:], len(at)) - 1
    gaps = (ends[:-1] != at[1:]).nonzero()[0]
    if len(gaps) != len(lasts) - 1 or _count(gaps != lasts[:-1]):
        return None  # one does not lead to the next
    found_texts = _texts(data, bodies, ends)
    if found_texts is None:
        return None
    texts, tags = found_texts
    lengths = data.take(texts + 1)
    if not _are_ordinary(data, texts, tags, lengths):
        return None
    batch_ends: list[int] = ends[lasts].tolist()
    spans = list(map(slice, starts, batch_ends))
    controls = len(at) + _count(ends - bodies < _SPACE) + _count(tags < _SPACE) + _count(lengths < _SPACE)
    if not _is_plain(b"".join([joined[span] for span in spans]), controls):
        blanked = data.copy()
        for places in (at, at + 1, bodies - 1, texts, texts + 1):
            blanked[places] = _SPACE
        if not _is_clear(b" ".join([blanked[span].tobytes() for span in spans])):
            return None
    return Scanned((lasts - firsts + 1).tolist(), batch_ends)


def _named(data: _Bytes) -> tuple[_Places, _Places, _Places] | None:
    """Return what may be contacts that begin with a name: places of their tags, of their first texts, of their ends."""
    at = (data[:-_SHORTEST] == _CONTACT).nonzero()[0]
    if len(at) * _SHORTEST > len(data):
        return None  # no contacts, and dear to look at
    bodies = at + 2
    lengths = data.take(at + 1)
    sizes = lengths.astype(np.intp)
    is_one = _IS_NAME.take(data.take(bodies))
    is_long = lengths >= _MORE
    if _count(is_long):
        seconds = data.take(bodies)
        sizes += is_long * ((seconds.astype(np.intp) << 7) - _MORE)
        bodies += is_long
        is_size = (seconds < _MORE) & (seconds > 0)
        is_one = _IS_NAME.take(data.take(bodies)) & (is_size | ~is_long)
    # The length of a contact may be the same byte as its tag; the next cannot begin there.
    is_one[1:] &= at[1:] - at[:-1] > 1
    if _count(is_one) < len(at):
        at, bodies, sizes = at[is_one], bodies[is_one], sizes[is_one]
    ends = bodies + sizes
    if not len(at) or sizes.max() > CONTACT_TEXT_CHARS_MAX or ends.max() >= len(data):
        return None
    return at, bodies, ends


def _texts(data: _Bytes, bodies: _Places, ends: _Places) -> tuple[_Places, _Bytes] | None:
    """Return the places of all texts and their tags, None if those of a contact are in no order or end elsewhere."""
    lengths = data[1:]  # each is behind its tag
    places: list[_Places] = []
    tags: list[_Bytes] = []
    at, before = bodies, np.zeros(len(bodies), np.uint8)
    while len(at):
        tag = data.take(at)
        if _count(tag > before) < len(at):
            return None
        places.append(at)
        tags.append(tag)
        at = at + lengths.take(at)
        at += 2
        goes_on = at < ends
        if _count(goes_on) < len(at):
            if _count(at > ends):
                return None
            at, ends, tag = at[goes_on], ends[goes_on], tag[goes_on]
        before = tag
    return np.concatenate(places), np.concatenate(tags)


def _are_ordinary(data: _Bytes, texts: _Places, tags: _Bytes, lengths: _Bytes) -> bool:
    """Whether each is a text of a contact, short and not empty, and a name or a country if it says that it is one."""
    begins = data.take(texts + 2)
    if _count(_IS_TAG.take(tags)) < len(tags) or lengths.min() == 0 or lengths.max() >= _MORE:
        return False
    is_name = tags <= _NAMES[-1]
    if _count(is_name & (begins <= _SPACE)):
        return False
    beyond_ascii = texts[is_name & (begins >= _MORE)]
    if len(beyond_ascii):
        pairs = data.take(beyond_ascii + 2).astype(np.uint16) << 8 | data.take(beyond_ascii + 3)
        if _count(np.isin(pairs, _SPACES)):
            return False
    countries = texts[tags == _COUNTRY]
    return not len(countries) or not (
        _count(data.take(countries + 1) != 2)
        or _count(~_IS_LETTER.take(data.take(countries + 2)))
        or _count(~_IS_LETTER.take(data.take(countries + 3)))
    )


def _is_plain(contacts: bytes, controls: int) -> bool:
    """Whether they are ASCII without control characters: whether no bytes are but so many tags and lengths."""
    return (
        contacts.isascii()
        and b"\x7f" not in contacts
        and _count(np.frombuffer(contacts, np.uint8) < _SPACE) == controls
    )


def _is_clear(texts: bytes) -> bool:
    """Whether they are UTF-8 without a control character that no text may have."""
    try:
        texts.decode()
    except UnicodeDecodeError:
        return False
    return not has_control_bytes(texts)
