"""The sandbox as an HTTP server: every vendor's routes and the control routes, on one port of loopback."""

from typing import Self, TypeVar

import msgspec
from aiohttp import web

from des.sandbox.desk import Desk
from des.sandbox.faults import NO_FAULTS, FaultPlan
from des.sandbox.population import Population, population_csv
from des.sandbox.vendors import VENDORS

_Body = TypeVar("_Body")


class AccountChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /sandbox/accounts/{vendor}`: what is named changes, the rest stays."""

    credits: float | msgspec.UnsetType | None = msgspec.UNSET
    windows: tuple[tuple[int, float], ...] | msgspec.UnsetType = msgspec.UNSET
    ready_after_s: float | msgspec.UnsetType = msgspec.UNSET
    job_status: str | msgspec.UnsetType = msgspec.UNSET


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /sandbox/webhooks`: seconds between two tries to deliver the same."""

    retry_s: float


class Sandbox:
    """The server. `url` and `port` are known once it has started; `port` 0 takes a free one."""

    name = "sandbox"

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 1, people: int = 10_000) -> None:
        """Take where to listen, and who exists."""
        self.host = host
        self.port = port
        self.desk = Desk()
        self.population = Population(seed, people)
        self._seed = seed
        self._runner: web.AppRunner | None = None

    def __repr__(self) -> str:
        """Address and size."""
        return f"Sandbox({self.url}, people={len(self.population.people)})"

    @property
    def url(self) -> str:
        """Base address of every vendor."""
        return f"http://{self.host}:{self.port}"

    def application(self) -> web.Application:
        """The aiohttp application. A request whose caller has left is cancelled, as a vendor's would be."""
        application = web.Application()
        for vendor in VENDORS:
            application.add_routes(vendor(self.population, self.desk).routes())
        application.add_routes([
            web.get("/sandbox/bill", self._bill),
            web.delete("/sandbox/bill", self._clear_bill),
            web.get("/sandbox/faults", self._faults),
            web.put("/sandbox/faults", self._plan_faults),
            web.delete("/sandbox/faults", self._stop_faults),
            web.put("/sandbox/accounts/{vendor}", self._change_account),
            web.get("/sandbox/webhooks", self._webhooks),
            web.put("/sandbox/webhooks", self._change_webhooks),
            web.get("/sandbox/population.csv", self._csv),
        ])  # fmt: skip
        return application

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        if self._runner is not None:
            return
        runner = web.AppRunner(self.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, self.host, self.port, backlog=1024).start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Close the server and every connection; harmless when never started and when repeated."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        await self.desk.webhooks.stop()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    # ---- control ---------------------------------------------------------------------------------------------------

    async def _bill(self, request: web.Request) -> web.Response:
        people = request.query.get("people", "true") != "false"
        return _json({name: book.report(people=people) for name, book in self.desk.books.items()})

    async def _clear_bill(self, _: web.Request) -> web.Response:
        for book in self.desk.books.values():
            book.clear()
        return web.Response(status=204)

    async def _faults(self, _: web.Request) -> web.Response:
        return _json(self.desk.faults.plan)

    async def _plan_faults(self, request: web.Request) -> web.Response:
        plan = await _body(request, FaultPlan)
        unknown = plan.vendors - self.desk.books.keys()
        if unknown:
            raise web.HTTPBadRequest(text=f"no such vendor: {', '.join(sorted(unknown))}")
        self.desk.plan(plan)
        return _json(plan)

    async def _stop_faults(self, _: web.Request) -> web.Response:
        self.desk.plan(NO_FAULTS)
        return web.Response(status=204)

    async def _change_account(self, request: web.Request) -> web.Response:
        book = self.desk.books.get(request.match_info["vendor"])
        if book is None:
            raise web.HTTPNotFound(text=f"no such vendor; there are {', '.join(self.desk.books)}")
        change = await _body(request, AccountChange)
        for name, value in msgspec.structs.asdict(change).items():
            if value is not msgspec.UNSET:
                setattr(book, name, value)
        return _json(book.report(people=False))

    async def _webhooks(self, _: web.Request) -> web.Response:
        return _json(self.desk.webhooks.report())

    async def _change_webhooks(self, request: web.Request) -> web.Response:
        self.desk.webhooks.retry_s = (await _body(request, WebhookChange)).retry_s
        return _json(self.desk.webhooks.report())

    async def _csv(self, request: web.Request) -> web.Response:
        try:
            share = float(request.query.get("share", "0.5"))
        except ValueError as error:
            raise web.HTTPBadRequest(text="share is a number from 0 to 1") from error
        return web.Response(
            text=population_csv(self._seed, len(self.population.people), share), content_type="text/csv"
        )


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(document: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")
