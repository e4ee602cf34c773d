"""Every setting says what it does, in the words that `des config` and the documents show."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from des.config import Settings

TELLS_APART = "kind"
"""Names the model itself, whose docstring is what there is to say."""


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models within an annotation: itself, or those in `dict[str, Annotated[One | Other, …]]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def unexplained(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """`Model.field` of every setting that neither its description nor the docstring of its model explains."""
    if model in seen:
        return
    seen.add(model)
    said = "".join(parent.__doc__ or "" for parent in model.__mro__ if parent.__module__.startswith("des."))
    for name, field in model.model_fields.items():
        for part in models(field.annotation):
            yield from unexplained(part, seen)
        is_section = field.annotation in seen
        if not (name == TELLS_APART or is_section or field.description or f"`{name}`" in said):
            yield f"{model.__name__}.{name}"


def test_every_setting_says_what_it_does() -> None:
    seen: set[type[BaseModel]] = set()
    assert list(unexplained(Settings, seen)) == []
    assert [model.__name__ for model in seen if not model.__doc__] == []
