"""The HTTP listener: serves route tables, and makes every error a problem+json with its reason."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from des.errors import ConfigError, DesError, InvalidInput, NotFound, TransientError
from des.limits import HTTP_BODY_BYTES_MAX, MIB, REQUEST_DEADLINE_S
from des.routes import Handler, Route
from des.serving.openapi import openapi_route
from des.serving.query import check_names
from des.surface import problem_json
from des.telemetry import Event, logger

log = logger(__name__)

STOP_PATIENCE_S = 5.0
"""What requests in hand get to finish once the listener is closed; then they are cancelled."""


class HttpServer:
    """Listens on one address. A Service: `start`, `stop`."""

    name = "http"

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_stop: Callable[[], None] = lambda: None,
        request_deadline_s: float = REQUEST_DEADLINE_S,
    ) -> None:
        """Take the routes of all stages, and what lets open streams go when it stops (`Watcher.release`)."""
        self._routes = (*routes, openapi_route(routes))
        self._host = host
        self._port_wanted = port
        self._on_stop = on_stop
        self._request_deadline_s = request_deadline_s
        self._runner: web.AppRunner | None = None
        self._observe: Callable[[float], None] = lambda _: None
        self.requests = 0
        self.in_flight = 0
        self.answered: Counter[str] = Counter(dict.fromkeys(("2xx", "3xx", "4xx", "5xx", "gone"), 0))
        """Requests taken, being answered, and answered, by the hundred of the status (`2xx`) or `gone`, unheard."""

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each request told."""
        self._observe = observe

    @property
    def port(self) -> int:
        """The port it listens on; where 0 was asked for, the one it was given. 0 while it does not listen."""
        addresses = self._runner.addresses if self._runner else []
        return int(addresses[0][1]) if addresses else 0

    async def start(self) -> None:
        """Listen. Raises ConfigError where the address cannot be had."""
        # The body limit bounds what a handler reads; one MiB more lets it say so itself, with its own words.
        app = web.Application(middlewares=[self._counted, problems], client_max_size=HTTP_BODY_BYTES_MAX + MIB)
        for route in self._routes:
            app.router.add_route(route.method, _pattern(route.path), self._served(route))
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,  # a client that leaves frees what its request holds
            shutdown_timeout=STOP_PATIENCE_S,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port_wanted).start()
        except OSError as error:
            address = f"{self._host}:{self._port_wanted}"
            raise ConfigError(f"cannot listen for HTTP on {address}: {error}") from error

    async def stop(self) -> None:
        """Close the listener, let streams go and requests finish; harmless when never started and twice."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._on_stop()
        await runner.cleanup()

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = asyncio.get_running_loop().time()
        self.requests += 1
        self.in_flight += 1
        outcome = "gone"
        try:
            response = await handler(request)
            outcome = f"{response.status // 100}xx"
            return response
        finally:
            self.in_flight -= 1
            self.answered[outcome] += 1
            self._observe(asyncio.get_running_loop().time() - began)

    def _served(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        deadline_s = None if route.streams else self._request_deadline_s

        async def served(request: web.Request) -> web.StreamResponse:
            check_names(request.query, route.query)
            deadline = asyncio.timeout(deadline_s)
            try:
                async with deadline:
                    return await route.handler(request)
            except TimeoutError as error:
                if not deadline.expired():
                    raise
                raise TransientError(f"the request was not done within {deadline_s:g} s; send it again") from error

        return served


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with problem+json."""
    try:
        return await handler(request)
    except DesError as error:
        return _problem(error)
    except web.HTTPException as error:
        return _problem(_error_of(request, error), allow=error.headers.get("Allow"))
    except Exception as error:  # whatever it is, the client gets the same form and the log the whole of it
        log.exception(Event.REQUEST_FAILED, method=request.method, path=request.path)
        return _problem(DesError(f"a fault of DES ({type(error).__name__}); it is in the log"))


def _error_of(request: web.Request, error: web.HTTPException) -> DesError:
    match error:
        case web.HTTPNotFound():
            return NotFound(f"there is no {request.path}; /openapi.json says what there is")
        case web.HTTPMethodNotAllowed():
            return InvalidInput("METHOD_NOT_ALLOWED", f"{request.path} does not take {request.method}")
        case web.HTTPRequestEntityTooLarge():
            return InvalidInput("TOO_LARGE", f"a body has at most {HTTP_BODY_BYTES_MAX} bytes")
        case _:
            return InvalidInput("BAD_REQUEST", error.reason)


def _problem(error: DesError, allow: str | None = None) -> web.Response:
    status, headers, body = problem_json(error)
    if allow is not None:
        headers["Allow"] = allow
    return web.Response(status=status, headers=headers, body=body)


def _pattern(path: str) -> Any:
    """Turn an OpenAPI path into aiohttp's: a parameter ends at a slash and at the colon of a verb."""
    return path.replace("{erid}", "{erid:[^/:]+}")
