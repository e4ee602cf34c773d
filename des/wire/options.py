"""The options of an ERID on the wire: the rules on their numbers, and their ways from JSON and protobuf to values.

Every way goes by what was stated, path by path, so that the same wrong number has the same reason on every door.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from des.errors import InvalidInput
from des.limits import BUDGET_MAX, MAX_AGE_S_MAX, PRIORITY_MAX
from des.options import Change, Options, Stated, options_of, stated
from des.v1 import contact_pb2
from des.wire.rules import Finding, finding, refusal

_FIELD_TAG: Final = b"\x4a"  # field 9 of ContactBatch, length-delimited

RANGES: Final = {
    "minimum_confidence": (1, "send a number from 0 to 1"),
    "max_age_s": (MAX_AGE_S_MAX, f"send seconds from 0 to {MAX_AGE_S_MAX:,}"),
    "budget.credits": (BUDGET_MAX, f"send credits from 0 to {BUDGET_MAX:,}"),
    "budget.money": (BUDGET_MAX, f"send an amount from 0 to {BUDGET_MAX:,}"),
    "priority": (PRIORITY_MAX, f"send a whole number from 0 (last) to {PRIORITY_MAX} (first)"),
}
"""Of each path the largest number, the least being 0, and what would be right."""

KEYS: Final = ("minimum_confidence", "max_age_s", "budget", "priority")
BUDGET_KEYS: Final = ("credits", "money")

_Number: TypeAlias = float | UnsetType
_NumberOrNull: TypeAlias = float | UnsetType | None


def _described(path: str, description: str) -> msgspec.Meta:
    """Describe an option in the JSON schema alone: `option_findings` judges its bounds, and names the place."""
    bounds = {"minimum": 0, "maximum": RANGES[path][0], **({"multipleOf": 1} if path == "priority" else {})}
    return msgspec.Meta(description=description, extra_json_schema=bounds)


_CONFIDENCE: Final = _described("minimum_confidence", "a value that is less sure is not taken")
_AGE: Final = _described("max_age_s", "how old a kept answer may be, in seconds")
_CREDITS: Final = _described("budget.credits", "credits of the providers, added up")
_MONEY: Final = _described("budget.money", "the money that the credits are configured to cost")
_PRIORITY: Final = _described("priority", "0 (last) to 9 (first) among the tenant's enrichments; 4 where left out")


class BudgetDocument(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The most that may be spent for an ERID, a cap that is never passed."""

    credits: Annotated[_Number, _CREDITS] = UNSET
    money: Annotated[_Number, _MONEY] = UNSET


class OptionsDocument(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How an ERID is to be worked; what is left out is left to the service."""

    minimum_confidence: Annotated[_Number, _CONFIDENCE] = UNSET
    max_age_s: Annotated[_Number, _AGE] = UNSET
    budget: BudgetDocument | UnsetType = UNSET
    priority: Annotated[_Number, _PRIORITY] = UNSET


class BudgetChangeDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the caps; null takes one away."""

    credits: Annotated[_NumberOrNull, _CREDITS] = UNSET
    money: Annotated[_NumberOrNull, _MONEY] = UNSET


class OptionsChangeDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the options (RFC 7396): a number changes one, null takes it away, the rest stays as it is."""

    minimum_confidence: Annotated[_NumberOrNull, _CONFIDENCE] = UNSET
    max_age_s: Annotated[_NumberOrNull, _AGE] = UNSET
    budget: BudgetChangeDocument | UnsetType | None = UNSET
    priority: Annotated[_NumberOrNull, _PRIORITY] = UNSET


# ---- what is acceptable ----------------------------------------------------------------------------------------------


def option_findings(change: Change) -> Iterator[Finding]:
    """Yield every number that breaks a rule."""
    for path, value in change.items():
        if value is None:
            continue
        largest, right = RANGES[path]
        if not 0 <= value <= largest or (path == "priority" and value != int(value)):  # a NaN is not either
            yield finding("INVALID_OPTION", f"options.{path}", f"is {value:g}; {right}")


def acceptable(values: Stated) -> bool:
    """Tell whether no number breaks a rule."""
    return next(option_findings(values), None) is None


def checked(values: Stated, erid: str = "") -> Options | None:
    """Return the options that say this, None where nothing is said. Raises InvalidInput with every wrong place."""
    found = list(option_findings(values))
    if found:
        raise refusal(found, erid)
    return options_of(values) if values else None


def checked_change(change: Change, erid: str = "") -> Change:
    """Return a change that may be made. Raises InvalidInput with every wrong place."""
    found = list(option_findings(change))
    if found:
        raise refusal(found, erid)
    return {
        path: round(value, 6) if value is not None and "budget" in path else value for path, value in change.items()
    }


# ---- JSON ------------------------------------------------------------------------------------------------------------


def stated_in_document(document: OptionsDocument | UnsetType) -> Stated:
    """What a document says."""
    if document is UNSET:
        return {}
    return {path: value for path, value in change_in_document(document).items() if value is not None}


def change_in_document(document: OptionsDocument | OptionsChangeDocument) -> Change:
    """What a document changes."""
    budget: Any = document.budget
    parts = {} if budget is UNSET else dict.fromkeys(BUDGET_KEYS) if budget is None else _set_in(budget, BUDGET_KEYS)
    values = _set_in(document, [key for key in KEYS if key != "budget"])
    return {**values, **{f"budget.{key}": value for key, value in parts.items()}}


def document_of(options: Options) -> OptionsDocument:
    """Return options as JSON says them."""
    values = stated(options)
    parts = {key: values[f"budget.{key}"] for key in BUDGET_KEYS if f"budget.{key}" in values}
    return OptionsDocument(
        budget=BudgetDocument(**parts) if parts else UNSET,
        **{key: values[key] for key in KEYS if key in values},
    )


def _set_in(document: msgspec.Struct, keys: Sequence[str]) -> dict[str, float | None]:
    return {key: value for key in keys if (value := getattr(document, key)) is not UNSET}


def keys_of(document: OptionsDocument | UnsetType) -> int:
    """Count the keys of a document, its own and that of itself."""
    if document is UNSET:
        return 0
    budget = document.budget
    inner = 0 if budget is UNSET else 1 + len(_set_in(budget, BUDGET_KEYS))
    return 1 + inner + len(_set_in(document, [key for key in KEYS if key != "budget"]))


# ---- protobuf --------------------------------------------------------------------------------------------------------


def stated_in_message(message: contact_pb2.EnrichmentOptions) -> Stated:
    """What a message says."""
    return {path: getattr(holder, name) for path, holder, name in _places(message) if holder.HasField(name)}


def change_in_message(message: contact_pb2.EnrichmentOptions, mask: Sequence[str], erid: str = "") -> Change:
    """What a message changes: what it sets, and what the mask names besides. Raises InvalidInput."""
    named: dict[str, float | None] = {}
    for path in mask:
        known = [one for one in RANGES if one == path or one.startswith(f"{path}.")]
        if not known:
            what = f"names {path!r}, which is no option; known: {', '.join(RANGES)}"
            raise InvalidInput("INVALID_OPTION", f"update_mask {what}", erid=erid)
        named |= dict.fromkeys(known)
    values = stated_in_message(message)
    beside = [path for path in values if mask and path not in named]
    if beside:
        what = f"leaves out {beside[0]}, which `options` sets; name it, or leave the mask out"
        raise InvalidInput("INVALID_OPTION", f"update_mask {what}", erid=erid)
    return {**named, **values}


def options_message(options: Options) -> contact_pb2.EnrichmentOptions:
    """Return options as protobuf."""
    message = contact_pb2.EnrichmentOptions()
    values = stated(options)
    for path, holder, name in _places(message):
        if path in values:
            setattr(holder, name, int(values[path]) if path == "priority" else values[path])
    return message


def options_field(options: Options | None) -> bytes:
    """Return the field `options` of an encoded ContactBatch, empty where there are none."""
    if options is None:
        return b""
    encoded = options_message(options).SerializeToString(deterministic=True)
    return b"".join((_FIELD_TAG, bytes((len(encoded),)), encoded))  # at most 45 bytes: its length takes one


def _places(message: contact_pb2.EnrichmentOptions) -> Sequence[tuple[str, Any, str]]:
    """Each path with the message that holds it and its name there."""
    return [
        (path, message.budget if path.startswith("budget.") else message, path.rpartition(".")[2]) for path in RANGES
    ]
