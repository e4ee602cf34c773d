"""`/livez`, `/readyz`, `/metrics`: what an orchestrator and a monitor ask of the process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from des.errors import DesError
from des.routes import JSON, Body, Route

CHECK_DEADLINE_S = 2.0
"""Kubernetes gives a probe 1 s by default and people raise it to 5: an answer must come before the probe gives up."""

Check = Callable[[], Awaitable[None]]
"""Returns when the part it asks after can serve; raises the DesError that says why it cannot."""


class LiveDocument(msgspec.Struct, frozen=True):
    """The event loop turns."""

    live: bool


class ReadyDocument(msgspec.Struct, frozen=True):
    """Whether requests can be served, and `ok` or the reason for each check by name."""

    ready: bool
    checks: Mapping[str, str]


class HealthRoutes:
    """The handlers and their table."""

    def __init__(self, checks: Mapping[str, Check], registry: CollectorRegistry) -> None:
        """Take the checks of readiness by name, and the metrics."""
        self._checks = checks
        self._registry = registry

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        ready = Body("each check by name", {JSON: ReadyDocument})
        return (
            Route(
                "GET", "/livez", self.live, "live", "Whether the process lives",
                {200: Body("it does", {JSON: LiveDocument})},
            ),
            Route(
                "GET", "/readyz", self.ready, "ready", "Whether requests can be served", {200: ready, 503: ready}
            ),
            Route(
                "GET", "/metrics", self.metrics, "metrics", "Prometheus metrics",
                {200: Body("text exposition format", {"text/plain": None})},
            ),
        )  # fmt: skip

    async def live(self, request: web.Request) -> web.Response:
        """Answer: that this runs says it all."""
        del request
        return _answer(LiveDocument(live=True))

    async def ready(self, request: web.Request) -> web.Response:
        """Run the checks, all at once."""
        del request
        said = await asyncio.gather(*(_said(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, said, strict=True))
        ready = all(text == "ok" for text in said)
        return _answer(ReadyDocument(ready=ready, checks=checks), 200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with every metric."""
        del request
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _said(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_DEADLINE_S):
            await check()
    except DesError as error:
        return f"{error.reason}: {error.message}"
    except TimeoutError:
        return f"no answer within {CHECK_DEADLINE_S:g} s"
    return "ok"


def _answer(document: msgspec.Struct, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(document), status=status, content_type=JSON, headers=headers)
