"""The parts of each role, and the process they make."""

import enum
import gc
from collections.abc import Collection, Sequence
from uuid import UUID, uuid4

import msgspec

from des import failpoints
from des.actors.acceptor import Acceptor
from des.actors.backlog import Backlog
from des.actors.engine import Engine
from des.actors.learner import Learner
from des.actors.leases import LeaseKeeper
from des.actors.stalls import StallTeller
from des.app.metrics import (
    watch_consumer,
    watch_directory,
    watch_ingest,
    watch_publisher,
    watch_relay,
    watch_serving,
    watch_worker,
)
from des.app.providers import (
    build_caps,
    build_dispatchers,
    build_providers,
    build_receivers,
    build_tariffs,
    build_waterfall,
    drain_s,
)
from des.broker.lanes import Lanes
from des.broker.publisher import AmqpPublisher, user_of
from des.clock import SystemClock
from des.config import Settings
from des.errors import BrokerUnavailable
from des.ingest.http import IngestRoutes
from des.ingest.intake import Intake
from des.ingest.server import GrpcServer, GrpcService
from des.ingest.servicer import IngestServicer
from des.ingest.webhooks import WebhookRoutes
from des.lifecycle import Service, Services
from des.outbox import Relay
from des.providers.claimer import Claimer
from des.providers.contract import Outcome
from des.providers.late import LateAnswers
from des.providers.paid import PaidDispatcher
from des.routes import Route
from des.serving.health import Check, HealthRoutes
from des.serving.http import EnrichmentRoutes
from des.serving.quote import Quoter
from des.serving.quote_http import QuoteRoutes
from des.serving.results import Results
from des.serving.server import HttpServer
from des.serving.servicer import EnrichmentServicer
from des.serving.watcher import Watcher
from des.store import migrate
from des.store.contract import Commit
from des.store.directory import Directory
from des.store.held_directory import HeldDirectory
from des.store.jobs import Deliveries, PostgresJobs
from des.store.learning import Standings
from des.store.leases import Leases
from des.store.ledger import PostgresLedger
from des.store.notices import Notices
from des.store.outbox import Outbox
from des.store.people_reader import PeopleReader
from des.store.postgres import Database, sessions_of
from des.store.quotes import Quotes
from des.store.serving import EnrichmentStore
from des.store.stalls import PostgresStalls
from des.store.work import PostgresWorkStore
from des.telemetry import Telemetry
from des.v1 import enrichment_pb2
from des.v1.enrichment_pb2_grpc import add_EnrichmentServiceServicer_to_server
from des.wire import TenantResolver, decode_contacts

ENRICHMENT_SERVICE = enrichment_pb2.DESCRIPTOR.services_by_name["EnrichmentService"].full_name


class Role(enum.StrEnum):
    """What a process can be, in the order of the data."""

    INGEST = "ingest"
    WORKER = "worker"
    RELAY = "relay"
    SERVING = "serving"


class App:
    """A process of DES. A Service: `start`, `stop`."""

    name = "des"

    def __init__(self, settings: Settings, roles: Collection[Role]) -> None:
        """Make the parts of these roles. Raises ConfigError where the settings cannot work; starts nothing."""
        settings.require_servers()
        failpoint = settings.armed_failpoint
        failpoints.arm(*failpoint or (None,))
        self._settings = settings
        self._clock = SystemClock()
        self._owner: UUID = uuid4()
        self._stopped_at = 0.0
        self.telemetry = Telemetry()
        self._checks: dict[str, Check] = {}
        self._routes: list[Route] = []
        self._grpc_services: list[GrpcService] = []
        self._fields = frozenset(settings.fields)
        self._amqp_url = settings.amqp_url.get_secret_value()
        self._database = Database(
            settings.database_url.get_secret_value(),
            settings.database_connections_max,
            application_name=sessions_of(self._owner),
        )
        self._relay: Relay | None = None
        self._watcher: Watcher | None = None
        services: list[Service] = [self._database, _Schema(self._database)]
        self._checks["postgres"] = self._database.check
        if Role.RELAY in roles:
            services += self._relay_parts()
        if Role.SERVING in roles:
            services += self._serving_parts()
        if Role.WORKER in roles:
            services += self._worker_parts()
        if Role.INGEST in roles:
            services += self._ingest_parts()
        self._grpc = GrpcServer(
            self._grpc_services,
            host=settings.grpc.host,
            port=settings.grpc.port,
            calls_max=settings.grpc.max_streams,
        )
        self._routes += HealthRoutes(self._checks, self.telemetry.registry).routes()
        self._http = HttpServer(
            self._routes, host=settings.http.host, port=settings.http.port, on_stop=self._release_streams
        )
        watch_serving(self.telemetry, self._http)
        if self._grpc_services:
            services.append(self._grpc)
        self._services = Services([*services, self._http])

    @property
    def grpc_address(self) -> str:
        """Where gRPC listens, `host:port`; empty where this process serves none."""
        return f"{self._settings.grpc.host}:{self._grpc.port}" if self._grpc.port else ""

    @property
    def http_address(self) -> str:
        """Where HTTP listens, as a URL."""
        return f"http://{self._settings.http.host}:{self._http.port}"

    async def start(self) -> None:
        """Start every part, downstream first. Raises what the first that fails raises."""
        await self._services.start()
        _spare_the_collector()

    async def stop(self) -> None:
        """Stop every part in the order of the data, within the grace: intake closes, mail drains."""
        self._stopped_at = self._clock.monotonic()
        await self._services.stop(self._settings.shutdown_grace_s)

    def hurry(self) -> None:
        """Cut the stop short."""
        self._services.hurry()

    # ---- roles ---------------------------------------------------------------------------------------------------

    def _relay_parts(self) -> Sequence[Service]:
        publisher = AmqpPublisher(self._amqp_url, name="event publisher")
        self._checks["event publisher"] = _ready(publisher)
        self._relay = Relay(Outbox(self._database), publisher, self._clock)
        watch_relay(self.telemetry, self._relay)
        return [publisher, self._relay]

    def _serving_parts(self) -> Sequence[Service]:
        store = EnrichmentStore(self._database, decode_contacts)
        watcher = self._watcher = Watcher(store)
        results = Results(store, watcher, self._clock)
        # Asked of nothing here: what they give, cost and permit is what a quote is made of.
        providers = build_providers(self._settings, Directory(self._database), self._clock)
        tariffs = build_tariffs(self._settings, providers)
        quoter = Quoter(Quotes(self._database), build_waterfall(self._settings, providers), tariffs)
        servicer = EnrichmentServicer(store, results, watcher, quoter)
        self._grpc_services.append(
            GrpcService(
                ENRICHMENT_SERVICE,
                lambda server: add_EnrichmentServiceServicer_to_server(servicer, server),
                watcher.release,
            )
        )
        self._routes += EnrichmentRoutes(store, results, watcher).routes()
        self._routes += QuoteRoutes(quoter, body_bytes_max=self._settings.http.body_bytes_max).routes()
        return [watcher]

    def _worker_parts(self) -> Sequence[Service]:
        settings, database, clock = self._settings, self._database, self._clock
        people = HeldDirectory(Directory(database), PeopleReader(database), clock)
        providers = build_providers(settings, people, clock)
        waterfall = build_waterfall(settings, providers)
        claimer = Claimer(
            PostgresLedger(database, self._owner, build_caps(settings), replay_after_s=settings.worker.replay_after_s)
        )
        dispatchers = build_dispatchers(settings, providers, clock, claimer)
        store = PostgresWorkStore(database, self._owner)
        backlog = Backlog(store, clock, settings.worker.accepted_contacts_high_water)

        def on_committed(commit: Commit, contacts: int) -> None:
            backlog.add(-contacts)
            if commit.events and self._relay is not None:
                self._relay.wake()
            if self._watcher is not None:
                for tenant, erid in commit.changed:
                    self._watcher.notify(tenant, erid)

        engine = Engine(
            store,
            clock,
            waterfall,
            dispatchers,
            on_committed=on_committed,
            contacts_in_work_max=settings.worker.contacts_in_work_max,
            drain_s=lambda: drain_s(settings, dispatchers, clock.monotonic() - self._stopped_at),
        )
        engine.allot(None)
        claimer.landing = engine.committer.landing
        router = engine.router
        later = [one for one in dispatchers if isinstance(one, PaidDispatcher) and one.answers_later]
        late = LateAnswers(later, PostgresJobs(database, self._owner), clock)
        notices = self._notices(engine, late, people)
        keeper = LeaseKeeper(
            Leases(database, self._owner, rates=[rate for one in dispatchers for rate in one.traits.rate_windows]),
            clock,
            on_gained=router.gained,
            on_lost=router.lost,
            on_release=engine.release,
            on_portion=engine.allot,
        )
        consumer = Lanes(self._amqp_url)
        acceptor = Acceptor(
            consumer,
            store,
            clock,
            backlog,
            tenants=TenantResolver(settings.tenants, user_of(self._amqp_url)),
            fields=self._fields,
            accepting=engine.accepting,
            actors=router,
            on_dirty=engine.recovery.dirty,
        )
        self._checks["consumer"] = _ready(consumer)
        watch_worker(self.telemetry, engine, acceptor, backlog)
        watch_consumer(self.telemetry, consumer)
        learner = [Learner(Standings(database), waterfall.orders, clock)] if waterfall.orders else []
        watch_directory(self.telemetry, people)
        # The keeper first, so that it stops last: leases are given back when nothing is in work under them.
        stalls = StallTeller(PostgresStalls(database, self._owner), clock, dispatchers, engine.scheduler.park)
        return [keeper, claimer, people, *learner, engine, stalls, late, notices, backlog, consumer, acceptor]

    def _notices(self, engine: Engine, late: LateAnswers, people: HeldDirectory) -> Notices:
        """Hear what other processes say, for the parts of a worker."""
        recovery, router = engine.recovery, engine.router

        def look_again() -> None:
            for partition in router.owned:
                recovery.dirty(partition)

        return Notices(
            self._database,
            self._clock,
            on_partition=lambda partition: recovery.dirty(partition) if partition in router.owned else None,
            on_cancelled=lambda tenant, erid: router.cancel((tenant, erid)),
            on_delivered=late.delivered,
            on_directory=people.changed,
            on_resumed=look_again,
        )

    def _ingest_parts(self) -> Sequence[Service]:
        publisher = AmqpPublisher(self._amqp_url, name="intake publisher")
        self._checks["intake publisher"] = _ready(publisher)
        intake = Intake(publisher)
        watch_ingest(self.telemetry, intake)
        watch_publisher(self.telemetry, publisher)
        servicer = IngestServicer(intake, self._fields)
        self._grpc_services.append(GrpcService(servicer.service_name, servicer.add_to, servicer.drain))
        body_bytes_max = self._settings.http.body_bytes_max
        self._routes += IngestRoutes(intake, self._fields, body_bytes_max=body_bytes_max).routes()
        deliveries = Deliveries(self._database)

        async def keep(provider: str, handle: str, outcome: Outcome) -> None:
            await deliveries.keep(provider, handle, msgspec.json.encode(outcome).decode())

        self._routes += WebhookRoutes(build_receivers(self._settings, self._clock), keep).routes()
        return [publisher, intake]

    def _release_streams(self) -> None:
        if self._watcher is not None:
            self._watcher.release()


def _spare_the_collector() -> None:
    """Take what the start has made out of the garbage collector's sight, and let it look at the rest less often.

    Contacts in work are many small objects without cycles; collecting them at the interpreter's default pace cost a
    sixth of the service's CPU (bench end_to_end: 24.6 to 20.4 microseconds a contact).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Schema:
    """A Service: refuses to go on where the schema is not this version's."""

    name = "schema"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self) -> None:
        """Check. Raises SchemaMismatch."""
        await migrate.check(self._database)

    async def stop(self) -> None:
        """Nothing stays open."""


def _ready(part: AmqpPublisher | Lanes) -> Check:
    """Make a check of a part that knows whether it is connected."""

    async def check() -> None:
        if not part.ready:
            raise BrokerUnavailable(f"the {part.name} has no connection to RabbitMQ")

    return check


def build(settings: Settings, roles: Collection[str] = tuple(Role)) -> App:
    """Make a process with these roles. Raises ConfigError."""
    return App(settings, frozenset(Role(role) for role in roles))
