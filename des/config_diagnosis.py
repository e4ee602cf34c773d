"""What is wrong with settings that cannot be read: every place at once, in words that say what would be right.

The models name what they refuse and stop there. So that one look tells everything, what was refused is left out and
the rest is read again: what it has to say comes on top, and what is left can be looked at further (`des.app.checked`).
"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from des.config_places import Steps, dotted
from des.errors import Violation

Model = TypeVar("Model", bound=BaseModel)

ENTRIES = ("fields", "providers", "budgets")
"""Sections whose entries have names of the user's: of these the whole entry is left out where part of it is wrong."""
TAGGED = "providers"
"""Pydantic puts the `kind` of a provider between its name and its settings."""
_KEY = "[key]"


def diagnosed(model: type[Model], given: Mapping[str, Any]) -> tuple[Model, list[Violation]]:
    """What can be read of the settings, and everything that cannot."""
    left = deepcopy(dict(given))
    found: list[Violation] = []
    while True:
        try:
            return model.model_validate(left), found
        except ValidationError as error:
            for one in error.errors(include_input=False, include_url=False):
                steps = _steps(one["loc"])
                found.append(Violation(dotted(steps), _said(model, one, steps)))
                _leave_out(left, steps)


def waterfall_problems(fields: Mapping[str, Any], providers: Collection[str]) -> Iterator[Violation]:
    """Names that are no provider's, or stand there twice; `fields` as they are given, right or wrong."""
    for field, given in fields.items():
        for key in ("waterfall", "verify"):
            names = given.get(key) if isinstance(given, dict) else None
            if isinstance(names, list | tuple):
                yield from _name_problems(f"fields.{field}.{key}", names, providers)


def _name_problems(place: str, names: Sequence[Any], providers: Collection[str]) -> Iterator[Violation]:
    for name in dict.fromkeys(map(str, names)):
        if name not in providers:
            meant = _meant(name, providers)
            there_are = ", ".join(sorted(providers))
            yield Violation(
                place,
                f"names {name!r}, which is no provider{meant}; add [providers.{name}] or use one of: {there_are}",
            )
        elif names.count(name) > 1:
            yield Violation(place, f"names {name!r} {names.count(name)} times; once is enough")


def _steps(location: tuple[int | str, ...]) -> Steps:
    """The way to a wrong place as it is written."""
    steps = [step for step in location if step != _KEY]
    if steps[:1] == [TAGGED] and len(steps) > 2:
        del steps[2]
    return steps


def _leave_out(given: dict[str, Any], steps: Steps) -> None:
    """Take out what is wrong: the whole entry where it has a name, else the setting or the section that it is in."""
    way = steps[:2] if steps[0] in ENTRIES and len(steps) > 1 else steps
    holder: Any = given
    for step in way[:-1]:
        if not (isinstance(holder, dict) and isinstance(holder.get(step), dict)):
            holder = given
            way = way[:1]
            break
        holder = holder[step]
    if way[-1] in holder:
        del holder[way[-1]]
    else:
        given.pop(str(way[0]), None)


def _said(model: type[BaseModel], error: Mapping[str, Any], steps: Steps) -> str:
    """What is wrong, and what would be right."""
    match error["type"]:
        case "missing":
            return "must be set"
        case "extra_forbidden":
            known = _known(model, error["loc"][:-1])
            return f"there is no such setting{_meant(str(steps[-1]), known)}; there are {', '.join(known)}"
        case "union_tag_invalid":
            context = error["ctx"]
            kinds = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
            return f"no kind is called {context['tag']!r}{_meant(context['tag'], kinds)}; there are {', '.join(kinds)}"
        case "union_tag_not_found":
            return "its `kind` must be set"
        case "string_pattern_mismatch" if error["loc"][-1] == _KEY:
            return "is no name; it takes lower-case letters, digits and underscores, a letter first"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


def _meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (is {near[0]!r} meant?)" if near else ""


def _known(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Names of the settings at a location within the model."""
    at: Any = model
    for step in location:
        at = _inner(at, step)
    return sorted(at.model_fields) if isinstance(at, type) and issubclass(at, BaseModel) else []


def _inner(annotation: Any, step: int | str) -> Any:
    """The annotation of what stands under a key, at a position, or behind the tag of a kind."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    inside = get_args(annotation)
    if get_origin(annotation) is dict:
        return inside[1]
    if get_origin(annotation) is tuple:
        return inside[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields[str(step)].annotation if step in annotation.model_fields else None
    models = [part for part in inside if isinstance(part, type) and issubclass(part, BaseModel)]
    return next((part for part in models if step in get_args(part.model_fields["kind"].annotation)), None)
