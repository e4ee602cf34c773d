"""How log events are written: one JSON object a line for machines, coloured columns for people, on standard error.

Libraries log through the standard library and come out in the same form. Those that say something for every frame at
debug are kept at WARNING whatever the level is, and aiormq, which reports every failed attempt as an error, losses
with a traceback, at CRITICAL: des.broker logs each loss, each attempt and each alarm once.
"""

import logging
import sys
from typing import Any, Literal

import orjson
import structlog

from des.errors import ConfigError

KEPT_QUIET = {
    "aio_pika": logging.WARNING,
    "aiormq": logging.CRITICAL,
    "pamqp": logging.WARNING,
    "grpc": logging.WARNING,
    "asyncio": logging.WARNING,
}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(form: Literal["auto", "json", "console"] = "auto", level: str = "info") -> None:
    """Set up logging for this process: once, before it does anything else. Raises ConfigError."""
    if level not in _LEVELS:
        raise ConfigError(f"log.level {level!r} is none of {', '.join(_LEVELS)}")
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        shared.append(structlog.processors.dict_tracebacks)
    _configure_own(shared, _LEVELS[level], as_json=as_json)
    _configure_libraries(shared, _LEVELS[level], as_json=as_json)


def _configure_own(shared: list[Any], level: int, *, as_json: bool) -> None:
    own: list[Any] = [*shared, structlog.processors.JSONRenderer(serializer=_json_bytes) if as_json else _columns()]
    structlog.configure(
        processors=own,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _configure_libraries(shared: list[Any], level: int, *, as_json: bool) -> None:
    renderer: Any = structlog.processors.JSONRenderer(serializer=_json_text) if as_json else _columns()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.INFO), force=True)
    for name, quiet in KEPT_QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet))


def _columns() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _json_bytes(event: dict[str, Any], **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


def _json_text(event: dict[str, Any], **_: Any) -> str:
    return _json_bytes(event).decode()
