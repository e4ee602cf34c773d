"""The gRPC listener: serves the services of all stages, with health and reflection.

Keepalive: the client may ping once in MIN_PING_S, with or without a call, and is cut off after two strikes (gRPC's
own default is 300 s, more than load balancers keep a silent connection).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from des.errors import ConfigError
from des.ingest.answers import Answers
from des.lifecycle import TaskOwner
from des.limits import GRPC_MESSAGE_BYTES_MAX

MIN_PING_S: Final = 10
IDLE_PING_S: Final = 60
"""A connection on which nothing moves is pinged this often, and closed when the answer takes PING_ANSWER_S."""
PING_ANSWER_S: Final = 20
STOP_GRACE_S: Final = 5.0
"""What calls in hand get to finish once their services drain; then they are cancelled."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", IDLE_PING_S * 1000),
    ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_S * 1000),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second listener
)


class GrpcService(NamedTuple):
    """A service to serve: its full name, what registers it, and what makes its streams end when DES stops."""

    name: str
    add_to: Callable[[grpc.aio.Server], None]
    drain: Callable[[], None] = lambda: None


class GrpcServer:
    """Listens on one address. A Service: `start`, `stop`."""

    name = "grpc"

    def __init__(
        self,
        services: Sequence[GrpcService],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        calls_max: int | None = None,
    ) -> None:
        """Take the services, where to listen (port 0 for a free one), and calls served at once (None: no bound).

        Calls beyond that end with RESOURCE_EXHAUSTED.
        """
        self._services = tuple(services)
        self._host = host
        self._port_wanted = port
        self._calls_max = calls_max
        self._tasks = TaskOwner(self.name)
        self._server: grpc.aio.Server | None = None
        self._health: health.aio.HealthServicer | None = None
        self.port = 0
        """The port it listens on; 0 while it does not listen."""

    async def start(self) -> None:
        """Listen. Raises ConfigError where the address cannot be had."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=self._calls_max, interceptors=[Answers()])
        self._server = server
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for service in self._services:
            service.add_to(server)
            await self._health.set(service.name, health_pb2.HealthCheckResponse.SERVING)
        names = [service.name for service in self._services]
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        address = f"{self._host}:{self._port_wanted}"
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(f"cannot listen for gRPC on {address}: {error}") from error
        await self._begin(server)
        self.port = port

    async def _begin(self, server: grpc.aio.Server) -> None:
        """Start it whole: a grpc.aio server whose start was cancelled can be neither used nor stopped."""
        begin = self._tasks.spawn(server.start(), "start")
        try:
            await asyncio.shield(begin)
        except asyncio.CancelledError:
            await asyncio.wait((begin,))
            raise

    async def stop(self) -> None:
        """Say NOT_SERVING, let the services drain, and close; harmless when never started and twice."""
        server, self._server = self._server, None
        if server is None or self._health is None:
            return
        await self._health.enter_graceful_shutdown()
        for service in self._services:
            service.drain()
        await server.stop(STOP_GRACE_S)
        self.port = 0
