"""Places in a JSON document: `data.email`, `emails[0].value`, `[2].id`. Keys and positions, and nothing cleverer."""

import re
from typing import Any

from des.errors import ConfigError

_KEY = r"[^.\[\]\s]+"
_PATH = re.compile(rf"(?:{_KEY}|\[\d+\])(?:\.{_KEY}|\[\d+\])*")
_STEP = re.compile(rf"\[(?P<index>\d+)\]|(?P<key>{_KEY})")


class Path:
    """A compiled path. Raises ConfigError, naming `place`, where the text is none."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str, place: str) -> None:
        """Take the text, and where it stands in the settings."""
        self.text = text
        if not _PATH.fullmatch(text):
            raise ConfigError.at(
                place, f"{text!r} is no path; write keys and positions, as in data.email or emails[0].value"
            )
        steps = [(step["key"], step["index"]) for step in _STEP.finditer(text)]
        self._steps: tuple[str | int, ...] = tuple(int(index) if key is None else key for key, index in steps)

    def __repr__(self) -> str:
        """The text."""
        return f"Path({self.text!r})"

    def read(self, document: Any) -> Any:
        """What stands there; None where nothing does, or where the document has another shape."""
        for step in self._steps:
            if isinstance(step, str):
                if not isinstance(document, dict):
                    return None
                document = document.get(step)
            else:
                if not isinstance(document, list) or step >= len(document):
                    return None
                document = document[step]
        return document

    def read_text(self, document: Any) -> str:
        """What stands there as text; "" for nothing, for an object and for a list."""
        found = self.read(document)
        if isinstance(found, str):
            return found
        return str(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else ""
