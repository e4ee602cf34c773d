"""Why the JSON of a batch was refused: the slow reading that names every place.

Every pair of every object is kept, so a key that stands twice is seen. Only a body that is refused, or that cannot
be vouched for cheaply, comes here.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

from des import limits
from des.errors import InvalidInput
from des.wire.options import BUDGET_KEYS
from des.wire.options import KEYS as OPTION_KEYS
from des.wire.rules import TEXTS, Finding, contact_findings, finding, refusal, shown

REQUIRED_KEYS: Final = ("erid", "contact_list", "fields_to_be_enriched")
_KEYS: Final = (*REQUIRED_KEYS, "batch_id", "options")


def explain(body: bytes) -> InvalidInput | None:
    """Return the error that names every wrong place, None where nothing is wrong with form and texts.

    Raises InvalidInput where the body is no JSON at all: MALFORMED_JSON, TOO_DEEP.
    """
    document = _parse(body)
    found = list(_form_findings(document)) or list(_content_findings(document))
    return refusal(found, _text_at(document, "erid"), _text_at(document, "batch_id")) if found else None


def explain_options(body: bytes, keys: Sequence[str], *, nulls: bool) -> InvalidInput | None:
    """Do as `explain` does with a document of `options` and flags; with `nulls` a null takes an option away."""
    document = _parse(body)
    if isinstance(document, _Object):
        found = list(_key_findings("", document, keys))
        for key, value in document:
            if key == "options":
                found += _option_findings(value, nulls=nulls)
            elif key in keys and not isinstance(value, bool):
                found.append(_wrong_type(key, value, "true or false"))
    else:
        found = [_wrong_type("", document, "an object")]
    return refusal(found) if found else None


class _Object(list[tuple[str, object]]):
    """A JSON object as it stands: all its pairs, in order."""


def _parse(body: bytes) -> object:
    """Read any JSON, objects as `_Object`, numbers as zero. Raises InvalidInput: MALFORMED_JSON, TOO_DEEP."""
    try:
        value: object = json.loads(
            body.decode(),
            object_pairs_hook=_Object,
            parse_int=_zero,
            parse_float=_zero,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        what = f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}"
        raise InvalidInput("MALFORMED_JSON", what) from error
    except json.JSONDecodeError as error:
        what = f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidInput("MALFORMED_JSON", what) from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(value)
    return value


def _zero(_: str) -> int:
    return 0  # no number is asked for, and reading one of a million digits takes its time


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput("MALFORMED_JSON", f"the body is not JSON: {name} is no JSON value")


def _too_deep() -> InvalidInput:
    return InvalidInput("TOO_DEEP", f"the body is nested deeper than {limits.JSON_DEPTH_MAX} levels; a batch has 3")


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(limits.JSON_DEPTH_MAX + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(value: object) -> list[object]:
    if isinstance(value, _Object):
        return [inner for _, inner in value]
    return value if isinstance(value, list) else []


def _text_at(document: object, key: str) -> str:
    """Return the text of a top-level key, empty where there is none."""
    pairs = document if isinstance(document, _Object) else ()
    return next((value for name, value in pairs if name == key and isinstance(value, str)), "")


def _form_findings(document: object) -> Iterator[Finding]:
    """Yield every place where a document has not the form of an ContactBatchDocument."""
    if not isinstance(document, _Object):
        yield _wrong_type("", document, "an object")
        return
    yield from _key_findings("", document, _KEYS)
    present = {key for key, _ in document}
    for key in REQUIRED_KEYS:
        if key not in present:
            reason = {"erid": "INVALID_ERID", "contact_list": "EMPTY_BATCH"}.get(key, "NO_FIELDS")
            yield finding(reason, key, "is missing")
    for key, value in document:
        match key:
            case "contact_list":
                yield from _contact_list_findings(value)
            case "fields_to_be_enriched":
                yield from _text_list_findings(key, value)
            case "options":
                yield from _option_findings(value)
            case "erid" | "batch_id" if not isinstance(value, str):
                yield _wrong_type(key, value, "a string")
            case _:
                pass


def _content_findings(document: Any) -> Iterator[Finding]:
    """Yield the rules that the contacts of a well-formed document break."""
    contacts = map(dict, dict(document)["contact_list"])
    return contact_findings([tuple(contact.get(name, "") for name in TEXTS) for contact in contacts])


def _contact_list_findings(value: object) -> Iterator[Finding]:
    if not isinstance(value, list) or isinstance(value, _Object):
        yield _wrong_type("contact_list", value, "an array of contacts")
        return
    for index, contact in enumerate(value):
        place = f"contact_list[{index}]"
        if not isinstance(contact, _Object):
            yield _wrong_type(place, contact, "an object")
            continue
        yield from _key_findings(f"{place}.", contact, TEXTS)
        for key, text in contact:
            if key in TEXTS and not isinstance(text, str):
                yield _wrong_type(f"{place}.{key}", text, "a string; leave the key out where there is none")


def _option_findings(value: object, *, nulls: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with the form of options; their numbers are looked at when they can be read."""
    if not isinstance(value, _Object):
        yield _wrong_type("options", value, "an object; leave the key out where there is nothing to say")
        return
    yield from _key_findings("options.", value, OPTION_KEYS)
    for key, inner in value:
        if key != "budget":
            yield from _number_findings(f"options.{key}", inner, known=key in OPTION_KEYS, nulls=nulls)
        elif inner is None and nulls:
            continue
        elif not isinstance(inner, _Object):
            yield _wrong_type("options.budget", inner, "an object with credits, money or both")
        else:
            yield from _key_findings("options.budget.", inner, BUDGET_KEYS)
            for name, amount in inner:
                yield from _number_findings(f"options.budget.{name}", amount, known=name in BUDGET_KEYS, nulls=nulls)


def _number_findings(place: str, value: object, *, known: bool, nulls: bool) -> Iterator[Finding]:
    if nulls and value is None:
        return
    if known and (isinstance(value, bool) or not isinstance(value, int)):  # every number is read as an integer
        yield _wrong_type(place, value, "a number; leave the key out where there is none")


def _text_list_findings(key: str, value: object) -> Iterator[Finding]:
    if not isinstance(value, list) or isinstance(value, _Object):
        yield _wrong_type(key, value, "an array of strings")
        return
    for index, text in enumerate(value):
        if not isinstance(text, str):
            yield _wrong_type(f"{key}[{index}]", text, "a string")


def _key_findings(place: str, pairs: _Object, known: Sequence[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key not in known:
            name = key if key.isidentifier() and key.isascii() else shown(key)
            yield finding("UNKNOWN_KEY", f"{place}{name[:64]}", f"is no key here; known keys: {', '.join(known)}")
        elif key in seen:
            yield finding("DUPLICATE_KEY", f"{place}{key}", "stands twice; send it once")
        seen.add(key)


def _wrong_type(place: str, value: object, right: str) -> Finding:
    match value:
        case None:
            kind = "null"
        case bool():
            kind = "a boolean"
        case int():
            kind = "a number"
        case str():
            kind = "a string"
        case _Object():
            kind = "an object"
        case _:
            kind = "an array"
    return finding("WRONG_TYPE", place or "body", f"is {kind}; send {right}")
