"""Reads the named SQL statements of this package: one file a subject, every statement named, with its why.

A statement begins with `-- name: accept_batches` and runs to the next name; the comments between belong to it.
"""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def statements(subject: str) -> dict[str, str]:
    """Statements of `des/store/<subject>.sql`, by name. Raises ValueError where a name stands twice."""
    text = resources.files("des.store").joinpath(f"{subject}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{subject}.sql names {name} twice")
        found[name] = body.strip()
    return found
