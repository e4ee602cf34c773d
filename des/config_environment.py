"""The environment as settings: `DES_HTTP__PORT=8080` becomes `{"http": {"port": "8080"}}`.

Texts stay texts; the models turn them into numbers. Variables that begin with `DES_` but name no setting are left
alone: Kubernetes puts `DES_SERVICE_HOST` and its like beside every service called `des`.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import orjson

from des.errors import ConfigError

PREFIX = "DES_"
BETWEEN = "__"
FILE_SUFFIX = "_FILE"


def variable(path: Collection[str]) -> str:
    """Name of the variable for a setting: `DES_HTTP__PORT` for `("http", "port")`."""
    return PREFIX + BETWEEN.join(str(part).upper() for part in path)


def nested(environment: Mapping[str, str], known: Collection[str]) -> dict[str, Any]:
    """Settings among the variables, in the sections whose names are `known`. Raises ConfigError."""
    settings: dict[str, Any] = {}
    for name in sorted(environment):  # a section's own JSON comes before what is set within it
        if not name.startswith(PREFIX):
            continue
        path, value = _read(name, environment)
        if path[0] in known:
            _put(settings, path, value, name)
    return settings


def _read(name: str, environment: Mapping[str, str]) -> tuple[list[str], Any]:
    """Path of a setting and what it is set to, by value or by the file that holds it."""
    if not name.endswith(FILE_SUFFIX):
        return _path(name), _value(environment[name], name)
    plain = name.removesuffix(FILE_SUFFIX)
    if plain in environment:
        raise ConfigError(f"{plain} and {name} are both set; unset one")
    try:
        text = Path(environment[name]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} names {environment[name]!r}, which cannot be read: {error}") from error
    return _path(plain), _value(text.rstrip("\r\n"), name)


def _path(name: str) -> list[str]:
    return name.removeprefix(PREFIX).lower().split(BETWEEN)


def _value(text: str, name: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{name} begins like JSON and is none: {error}") from error


def _put(settings: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    *sections, last = path
    for part in sections:
        settings = settings.setdefault(part, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"{name}: {part} is set to a value already and cannot be a section too")
    if isinstance(settings.get(last), dict) and isinstance(value, dict):
        value = settings[last] | value
    settings[last] = value
