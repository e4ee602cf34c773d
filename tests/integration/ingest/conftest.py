"""The doors, on a publisher the test holds and on a real broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import grpc
import msgspec
import pytest

from des.broker.contract import Publisher
from des.broker.publisher import AmqpPublisher
from des.ingest.http import IngestRoutes
from des.ingest.intake import Intake
from des.ingest.server import GrpcServer, GrpcService
from des.ingest.servicer import SERVICE_NAME, IngestServicer
from des.limits import INTAKE_BYTES_MAX
from des.serving.server import HttpServer
from tests.ingest_publisher import HeldPublisher
from tests.wire_samples import KNOWN


class Doors(msgspec.Struct, frozen=True):
    """Both doors of one intake, and a client of each."""

    intake: Intake
    grpc_server: GrpcServer
    channel: grpc.aio.Channel
    http: aiohttp.ClientSession


@asynccontextmanager
async def doors_on(publisher: Publisher, bytes_max: int = INTAKE_BYTES_MAX) -> AsyncIterator[Doors]:
    intake = Intake(publisher, bytes_max=bytes_max)
    servicer = IngestServicer(intake, KNOWN)
    grpc_server = GrpcServer([GrpcService(SERVICE_NAME, servicer.add_to, servicer.drain)])
    http_server = HttpServer(IngestRoutes(intake, KNOWN).routes())
    services = (intake, grpc_server, http_server)
    for service in services:
        await service.start()
    url = f"http://127.0.0.1:{http_server.port}"
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel,
        aiohttp.ClientSession(url) as http,
    ):
        yield Doors(intake, grpc_server, channel, http)
    for service in reversed(services):
        await service.stop()


@pytest.fixture
async def held() -> HeldPublisher:
    return HeldPublisher()


@pytest.fixture
async def doors(held: HeldPublisher) -> AsyncIterator[Doors]:
    """Doors whose confirms the test gives."""
    async with doors_on(held) as doors:
        yield doors
        held.confirm_all()


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(amqp_url)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def real_doors(publisher: AmqpPublisher) -> AsyncIterator[Doors]:
    """Doors of a real broker."""
    async with doors_on(publisher) as doors:
        yield doors
