"""Everything that is wrong with a configuration, said at once: gathered while it is read and put together."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from des.errors import ConfigError, Violation

_Made = TypeVar("_Made")


class Problems:
    """Gathers what is wrong. What cannot be made is stood in for, so that the rest is looked at too."""

    def __init__(self, found: Iterable[Violation] = ()) -> None:
        """Begin with what was found before."""
        self.found = list(found)

    def of(self, make: Callable[[], _Made], otherwise: _Made) -> _Made:
        """Make a part; where its settings do not permit that, note why and answer `otherwise`."""
        try:
            return make()
        except ConfigError as error:
            self.found += error.violations or [Violation("", error.message)]
            return otherwise

    def add(self, place: str, description: str) -> None:
        """Note what is wrong at a place."""
        self.found.append(Violation(place, description))

    def raise_any(self) -> None:
        """Raise ConfigError with all that was found, if anything was."""
        if self.found:
            raise ConfigError(described(self.found), tuple(self.found))


def described(found: Sequence[Violation]) -> str:
    """The message of these problems: one on its line, several on a line each."""
    lines = [f"{one.field}: {one.description}" if one.field else one.description for one in found]
    if len(lines) == 1:
        return lines[0]
    return "\n".join([f"{len(lines)} settings are wrong:", *[f"  {line}" for line in lines]])
