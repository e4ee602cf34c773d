"""A serving process in the test: store, watcher, gRPC and HTTP listeners on free ports."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import grpc
import pytest
from prometheus_client import CollectorRegistry

from des.clock import SystemClock
from des.ingest.server import GrpcServer, GrpcService
from des.providers.contract import Traits
from des.providers.waterfall import Waterfall
from des.serving.forecast import Tariff
from des.serving.health import HealthRoutes
from des.serving.http import EnrichmentRoutes
from des.serving.quote import Quoter
from des.serving.quote_http import QuoteRoutes
from des.serving.results import Results
from des.serving.server import HttpServer
from des.serving.servicer import EnrichmentServicer
from des.serving.watcher import Watcher
from des.store.postgres import Database
from des.store.quotes import Quotes
from des.store.serving import EnrichmentStore
from des.wire import decode_contacts
from tests.integration.serving.population import EMAIL, PHONE, Population
from tests.integration.serving.stub import Stub

TRAITS = {
    "directory": Traits("directory", frozenset({EMAIL, PHONE})),
    "hunter": Traits(
        "hunter",
        frozenset({EMAIL}),
        paid=True,
        remote=True,
        prices={EMAIL: 1.0},
        operation="email_finder",
        rate_windows=((15, 1.0), (500, 60.0)),
    ),
    "phones": Traits("phones", frozenset({EMAIL, PHONE}), paid=True, remote=True, prices={EMAIL: 1.0, PHONE: 8.0}),
}
TARIFFS = {name: Tariff(traits, 0.05 if traits.paid else 0.0) for name, traits in TRAITS.items()}
WATERFALL = Waterfall(
    {EMAIL: ("directory", "hunter", "phones"), PHONE: ("directory", "phones")},
    {name: traits.gives for name, traits in TRAITS.items()},
    {"hunter", "phones"},
)


@dataclass(frozen=True)
class Serving:
    """What a test talks to."""

    database: Database
    store: EnrichmentStore
    watcher: Watcher
    http: HttpServer
    grpc: GrpcServer

    @property
    def url(self) -> str:
        """Address of the HTTP listener."""
        return f"http://127.0.0.1:{self.http.port}"


@pytest.fixture
async def serving(database: Database) -> AsyncIterator[Serving]:
    """Everything of serving, started."""
    store = EnrichmentStore(database, decode_contacts)
    watcher = Watcher(store)
    results = Results(store, watcher, SystemClock())
    health = HealthRoutes({}, CollectorRegistry())
    quoter = Quoter(Quotes(database), WATERFALL, TARIFFS)
    routes = [*EnrichmentRoutes(store, results, watcher).routes(), *QuoteRoutes(quoter).routes(), *health.routes()]
    http = HttpServer(routes, on_stop=watcher.release)
    servicer = EnrichmentServicer(store, results, watcher, quoter)
    server = GrpcServer([GrpcService(servicer.service_name, servicer.add_to, servicer.drain)])
    await watcher.start()
    await http.start()
    await server.start()
    yield Serving(database, store, watcher, http, server)
    await http.stop()
    await server.stop()
    await watcher.stop()


@pytest.fixture
async def http(serving: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of it."""
    async with aiohttp.ClientSession(serving.url) as session:
        yield session


@pytest.fixture
async def stub(serving: Serving) -> AsyncIterator[Stub]:
    """A gRPC client of it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{serving.grpc.port}") as channel:
        yield Stub(channel)


@pytest.fixture
def population(database: Database) -> Population:
    """Rows of the default tenant."""
    return Population(database)
