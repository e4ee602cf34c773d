"""Where a setting is written: its dotted place, and the table of the file or the variable that says it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from des import config_environment

Steps = Sequence[str | int]
"""A way into the settings: keys, and positions in lists."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def dotted(steps: Steps) -> str:
    """A place as it is named: `providers.acme.outcomes[1].when.path`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def steps_of(place: str) -> Steps:
    """The way to a dotted place."""
    return [int(index) if index else key for index, key in _STEP.findall(place)]


@dataclass(frozen=True)
class Written:
    """What this process was given: the file with its tables, and the names of the variables of its environment."""

    file: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)
    variables: Collection[str] = ()

    def where(self, place: str) -> str:
        """Where a place is written: its variable, or its table and the variable that would replace it."""
        steps = steps_of(place)
        keys = [
            str(step) for step in takewhile(lambda step: isinstance(step, str), steps)
        ]  # a variable holds a list as a whole
        for depth in range(len(keys), 0, -1):
            name = config_environment.variable(keys[:depth])
            for spelled in (name, name + config_environment.FILE_SUFFIX):
                if spelled in self.variables:
                    return spelled
        table = self._table(steps)
        mine = config_environment.variable(keys)
        return f"{table} of {self.file.name}, or {mine}" if self.file and table else mine

    def _table(self, steps: Steps) -> str:
        """The header under which a place stands in the file; "" where no table on the way to it is there."""
        found: Any = self.tables
        header, number = "", 0
        above: list[str] = []
        for step in steps:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                break
            if isinstance(step, int):
                number = step + 1
                header = f"[[{'.'.join(above)}]] number {number}"
            else:
                above.append(step)
                if isinstance(found, dict) and not number:
                    header = f"[{'.'.join(above)}]"
        return header or ("the top" if len(steps) == 1 and steps[0] in self.tables else "")
