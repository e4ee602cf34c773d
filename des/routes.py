"""What an HTTP route is, as data: enough to serve it, to refuse what it does not take, and to describe it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    """A body of a request or an answer, by content type: a type msgspec describes, or None for text."""

    description: str
    content: Mapping[str, Any] = field(default_factory=dict)


class NoQuery(msgspec.Struct, frozen=True):
    """The query of a route that takes no parameters."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    `path` is the OpenAPI one (`/v1/enrichments/{erid}:seal`); a path parameter ends at `/` and `:`. `query` names
    and types the parameters it takes: any other is refused. `problems` are the statuses it answers with problem+json,
    besides those that any route may. `streams`: its answer may last, so the request deadline does not hold for it.
    """

    method: str
    path: str
    handler: Handler
    name: str
    summary: str
    answers: Mapping[int, Body]
    problems: tuple[int, ...] = ()
    query: type[msgspec.Struct] = NoQuery
    request_headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    body_required: bool = True
    streams: bool = False
