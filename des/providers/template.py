"""Requests described in text: `https://api.example/v1/people/{last_name!}?company={domain,company_name}`.

A placeholder stands in braces and names what to put there; `{{` and `}}` are braces themselves.

- Names: the inputs of a contact (`first_name`, `company_domain`, …), and what is told from them: `domain` (of the
  company, also where it stands in `company_name`), `name` (whole name), `linkedin_handle`; and `api_key`.
- Several names, joined by commas: the first one that has a value.
- Filters, after bars: `lower`, `upper`, `ascii` (transliterates any script), `urlencode`.
- `!` at the end: required. A contact without that value is not asked about (`invalid_input`).

What a contact holds is percent-encoded once in a URL or a query, whatever the filters say, and is a JSON string in a
body: it cannot add a parameter, a header, a member or a step of the path.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import msgspec

from des.config_problems import Problems
from des.contact import Contact
from des.errors import ConfigError
from des.providers.person import domain_of, linkedin_handle_of, name_of

Getter = Callable[[Contact], str]

_DERIVED: dict[str, Getter] = {"domain": domain_of, "name": name_of, "linkedin_handle": linkedin_handle_of}
SOURCES: Mapping[str, Getter] = {name: attrgetter(name) for name in Contact.__struct_fields__} | _DERIVED
"""What a placeholder may name, and how it is read from a contact."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_INSIDE = re.compile(r"(?P<names>[a-z_]+(?:\s*,\s*[a-z_]+)*)(?P<filters>(?:\|[a-z]+)*)(?P<required>!?)")


class Within(enum.Enum):
    """What a text is part of, and with it what has to be encoded: in a URL the values, in a query all of it."""

    URL = enum.auto()
    QUERY = enum.auto()
    PLAIN = enum.auto()


def encode(text: str) -> str:
    """Percent-encode all that is not unreserved (RFC 3986, 2.3)."""
    return quote(text, safe="")


def _encode_step(text: str) -> str:
    return "" if text in {".", ".."} else quote(text, safe="")  # `..` climbs, encoded or not (WHATWG URL, 4.4)


def _ascii(text: str) -> str:
    from anyascii import anyascii  # noqa: PLC0415 (4 MB that only this filter needs)

    return text if text.isascii() else anyascii(text)


_FILTERS: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "ascii": _ascii}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One compiled placeholder: where its value is read, what is done to it, and whether it has to have one."""

    names: tuple[str, ...]
    read: Getter
    required: bool

    @property
    def label(self) -> str:
        """What it asks for, in words."""
        return " or ".join(self.names)


class Text:
    """A compiled text with placeholders, encoded for what it is `within`.

    Raises ConfigError, naming `place` and the remedy, for what does not parse. `constant` is the whole text where it
    holds no placeholder of a contact.
    """

    __slots__ = ("_only", "_parts", "constant", "placeholders")

    def __init__(self, text: str, place: str, constants: Mapping[str, str], within: Within = Within.PLAIN) -> None:
        """Take the text, where it stands in the settings, and the placeholders known now (`api_key`)."""
        literal = encode if within is Within.QUERY else str
        parts: list[str | Placeholder] = []
        at = 0
        for token in _TOKEN.finditer(text):
            parts.append(literal(text[at : token.start()]))
            parts.append(_part(token, text, place, constants, within))
            at = token.end()
        parts.append(literal(text[at:]))
        self._parts = _joined(parts)
        self.placeholders = tuple(part for part in self._parts if isinstance(part, Placeholder))
        self._only = self.placeholders[0].read if len(self._parts) == len(self.placeholders) == 1 else None
        self.constant = None if self.placeholders else "".join(map(str, self._parts))

    @property
    def is_one_placeholder(self) -> bool:
        """Whether it is a placeholder and nothing else."""
        return self._only is not None

    def render(self, contact: Contact) -> str:
        """The text for a contact; "" stands for each value it does not have."""
        if self._only is not None:
            return self._only(contact)
        return "".join([part if isinstance(part, str) else part.read(contact) for part in self._parts])


def _joined(parts: list[str | Placeholder]) -> tuple[str | Placeholder, ...]:
    """Neighbouring texts put together, empty ones dropped."""
    joined: list[str | Placeholder] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)


def _part(
    token: re.Match[str], text: str, place: str, constants: Mapping[str, str], within: Within
) -> str | Placeholder:
    if token[0] in {"{{", "}}"}:
        return encode(token[0][0]) if within is Within.QUERY else token[0][0]
    if token[1] is None:
        raise ConfigError.at(place, f"a brace stands alone in {text!r}; write {{{{ or }}}} for a brace itself")
    inside = _INSIDE.fullmatch(token[1].strip())
    if inside is None:
        raise ConfigError.at(place, f"{token[0]} is no placeholder; write one like {{first_name}} or {{domain|lower!}}")
    names = tuple(name.strip() for name in inside["names"].split(","))
    filters = [name for name in inside["filters"].split("|") if name]
    _check(names, filters, place, constants)
    functions = [_FILTERS[name] for name in filters if name != "urlencode"]
    if within is Within.URL:
        functions.append(_encode_step)
    elif within is Within.QUERY or "urlencode" in filters:
        functions.append(encode)
    if names[0] in constants:
        return _apply(functions, constants[names[0]])
    return Placeholder(names, _reader([SOURCES[name] for name in names], functions), bool(inside["required"]))


def _check(names: tuple[str, ...], filters: list[str], place: str, constants: Mapping[str, str]) -> None:
    for name in names:
        if name == "api_key" and name not in constants:
            raise ConfigError.at(
                place, "{api_key} is used and no api_key is set for this provider; set it beside `kind`"
            )
        if name not in SOURCES and name not in constants:
            raise ConfigError.at(place, f"nothing is called {name!r}; there are {', '.join(sorted(SOURCES))}, api_key")
        if name in constants and len(names) > 1:
            raise ConfigError.at(place, f"{{{name}}} always has a value and stands alone in its braces")
    for name in filters:
        if name not in _FILTERS and name != "urlencode":
            raise ConfigError.at(place, f"no filter is called {name!r}; there are {', '.join(_FILTERS)}, urlencode")


def _apply(functions: list[Callable[[str], str]], text: str) -> str:
    for function in functions:
        text = function(text)
    return text


def _reader(getters: list[Getter], functions: list[Callable[[str], str]]) -> Getter:
    """One function from a contact to the text; the two common shapes without a loop."""
    if len(getters) == 1:
        (getter,) = getters
        if not functions:
            return getter
        if len(functions) == 1:
            (function,) = functions
            return lambda contact: function(getter(contact))

    def read(contact: Contact) -> str:
        for getter in getters:
            value = getter(contact)
            if value:
                return _apply(functions, value)
        return ""

    return read


NO_TEXT = Text("", "", {})
"""Stands in for one that does not parse, while the rest of its request is looked at."""


class Body:
    """A compiled JSON body; a member or an item that is nothing but a placeholder without a value is left out."""

    __slots__ = ("_document", "placeholders")

    def __init__(self, document: Any, place: str, constants: Mapping[str, str]) -> None:
        """Take the document as it stands in the settings. Raises ConfigError as `Text` does."""
        found: list[Placeholder] = []
        problems = Problems()
        self._document = _compile(document, place, constants, found, problems)
        problems.raise_any()
        self.placeholders = tuple(found)

    def render(self, contact: Contact) -> bytes:
        """The body for a contact, in UTF-8."""
        return msgspec.json.encode(_fill(self._document, contact))


def _compile(
    document: Any, place: str, constants: Mapping[str, str], found: list[Placeholder], problems: Problems
) -> Any:
    match document:
        case str():
            text = problems.of(lambda: Text(document, place, constants), NO_TEXT)
            found.extend(text.placeholders)
            return text if text.constant is None else text.constant
        case dict():
            return {
                key: _compile(value, f"{place}.{key}", constants, found, problems) for key, value in document.items()
            }
        case list():
            return [_compile(value, f"{place}[{at}]", constants, found, problems) for at, value in enumerate(document)]
        case _:
            return document


def _fill(document: Any, contact: Contact) -> Any:
    match document:
        case Text():
            return document.render(contact)
        case dict():
            filled = ((key, value, _fill(value, contact)) for key, value in document.items())
            return {key: now for key, value, now in filled if now != "" or not isinstance(value, Text)}
        case list():
            items = ((value, _fill(value, contact)) for value in document)
            return [now for value, now in items if now != "" or not isinstance(value, Text)]
        case _:
            return document
