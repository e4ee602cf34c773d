"""`/openapi.json`: the route table and the types it names, as an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from des.routes import JSON, Body, Route
from des.surface import PROBLEM_CONTENT_TYPE, Problem

_REF = "#/components/schemas/{name}"
_ALWAYS = (500, 503)
_PROBLEM_TITLES = {
    400: "the body cannot be read",
    401: "it is not signed by whom it claims to be from",
    404: "nothing of that ERID was accepted yet, or nothing has that name",
    409: "it contradicts what is there",
    413: "it is too large",
    415: "not a content type that is taken",
    422: "something sent is wrong; `violations` say where",
    500: "a fault of DES",
    503: "try again after `Retry-After` seconds",
}

Json = dict[str, Any]


def openapi_route(routes: Sequence[Route]) -> Route:
    """Route that answers with the document of these routes and of itself."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=document, content_type=JSON)

    content = {200: Body("an OpenAPI 3.1 document", {JSON: dict[str, Any]})}
    route = Route("GET", "/openapi.json", answer, "openapi", "This document", content)
    document = msgspec.json.encode(openapi_document([*routes, route]))
    return route


def openapi_document(routes: Sequence[Route]) -> Json:
    """Describe the routes. Every type they name becomes a component."""
    types = list(dict.fromkeys(_types(routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    named = {name: schema for name, schema in components.items() if name not in _query_names(routes)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Data Enrichment Service",
            "version": version("data-enrichment-service"),
            "description": "Takes contacts and keeps one enriched object per enrichment request id (ERID).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": named},
    }


def _operation(route: Route, schemas: Mapping[Any, Json], components: Mapping[str, Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {
            **{str(status): _content(body, schemas) for status, body in route.answers.items()},
            **{str(status): _problem(status, schemas) for status in _problem_statuses(route)},
        },
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route, components), *_header_parameters(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": route.body_required, **_content(route.body, schemas)}
    return operation


def _content(body: Body, schemas: Mapping[Any, Json]) -> Json:
    text: Json = {"type": "string"}
    content = {name: {"schema": text if type_ is None else schemas[type_]} for name, type_ in body.content.items()}
    return {"description": body.description, **({"content": content} if content else {})}


def _problem_statuses(route: Route) -> list[int]:
    # Any query parameter that a route does not know is refused, so each of them may answer 422.
    return sorted({*route.problems, 422, *_ALWAYS} - set(route.answers))


def _problem(status: int, schemas: Mapping[Any, Json]) -> Json:
    return {
        "description": _PROBLEM_TITLES[status],
        "content": {PROBLEM_CONTENT_TYPE: {"schema": schemas[Problem]}},
    }


def _path_parameters(route: Route) -> Iterable[Json]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        schema = {"type": "string", "format": "uuid"} if name == "erid" else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route, components: Mapping[str, Json]) -> Iterable[Json]:
    for name, schema in components[route.query.__name__].get("properties", {}).items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _header_parameters(route: Route) -> Iterable[Json]:
    for name, description in route.request_headers.items():
        yield {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _types(routes: Sequence[Route]) -> Iterable[Any]:
    yield Problem
    for route in routes:
        yield route.query
        bodies = [*route.answers.values(), *([route.body] if route.body else [])]
        yield from (type_ for body in bodies for type_ in body.content.values() if type_ is not None)


def _query_names(routes: Sequence[Route]) -> set[str]:
    return {route.query.__name__ for route in routes}
