"""Clients of every door: `push` returns when batches are acknowledged, and raises when they are to be sent again."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import aiohttp
import aiormq
import aiormq.exceptions
import grpc
from pamqp.commands import Basic

from des.broker.contract import INGEST_EXCHANGE
from des.message import JSON, PROTOBUF
from des.v1 import ingest_pb2
from des.v1.ingest_pb2_grpc import IngestServiceStub
from tests.faults.population import Batch

ANSWER_S = 20.0
_CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
]


class NotAcknowledged(Exception):
    """No OK came; the client has to send again."""


class Door(Protocol):
    """A way in."""

    async def push(self, batches: Sequence[Batch]) -> None:
        """Return when all are acknowledged. Raises NotAcknowledged."""

    async def close(self) -> None:
        """Let go of the connection."""


class GrpcDoor:
    """PushContacts: a client stream with one summary at its end."""

    def __init__(self, address: str) -> None:
        """Take `host:port`."""
        self._channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = IngestServiceStub(self._channel)

    async def push(self, batches: Sequence[Batch]) -> None:
        """See Door."""
        requests = [ingest_pb2.PushContactsRequest(batch=batch.message) for batch in batches]
        try:
            summary = await self._stub.PushContacts(iter(requests), timeout=ANSWER_S)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _TRY_AGAIN:
                raise
            raise NotAcknowledged(str(error.details())) from error
        assert not summary.rejected, summary.rejected

    async def close(self) -> None:
        """See Door."""
        await self._channel.close()


_TRY_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,  # "Internal error from Core": what grpc.aio says of a call that ended while it sent
}


class HttpDoor:
    """POST /v1/enrichments, a request for each batch."""

    def __init__(self, address: str) -> None:
        """Take the URL."""
        self._url = f"{address}/v1/enrichments"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))

    async def push(self, batches: Sequence[Batch]) -> None:
        """See Door."""
        for batch in batches:
            try:
                async with self._session.post(
                    self._url, data=batch.as_json(), headers={"Content-Type": JSON}
                ) as answer:
                    text = await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise NotAcknowledged(str(error)) from error
            if answer.status == 503:
                raise NotAcknowledged(text)
            assert answer.status == 202, text

    async def close(self) -> None:
        """See Door."""
        await self._session.close()


class AmqpDoor:
    """A direct publisher that knows the exchange, the routing key and the body, and waits for confirms."""

    def __init__(self, url: str, content_type: str) -> None:
        """Take the broker's URL, and protobuf or JSON."""
        self._url = url
        self._content_type = content_type
        self._opening = asyncio.Lock()
        self._connection: aiormq.abc.AbstractConnection | None = None
        self._channel: aiormq.abc.AbstractChannel | None = None

    async def push(self, batches: Sequence[Batch]) -> None:
        """See Door."""
        with _broker_failures():
            try:
                channel = await self._opened()
                async with asyncio.timeout(ANSWER_S):
                    for batch in batches:
                        await channel.basic_publish(
                            self._body(batch),
                            exchange=INGEST_EXCHANGE,
                            routing_key=str(batch.erid),
                            properties=Basic.Properties(content_type=self._content_type, delivery_mode=2),
                            mandatory=True,
                        )
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """See Door."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await close(connection)

    def _body(self, batch: Batch) -> bytes:
        return batch.message.SerializeToString() if self._content_type == PROTOBUF else batch.as_json()

    async def _opened(self) -> aiormq.abc.AbstractChannel:
        async with self._opening, asyncio.timeout(ANSWER_S):  # two that push must not open two connections
            if self._channel is None:
                connection = self._connection = aiormq.Connection(self._url)
                await connection.connect()
                self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel


async def close(connection: aiormq.abc.AbstractConnection) -> None:
    """Close a connection to the broker, whatever state it is in."""
    with contextlib.suppress(NotAcknowledged), _broker_failures():
        async with asyncio.timeout(2):
            await connection.close()


@contextlib.contextmanager
def _broker_failures() -> Iterator[None]:
    """Make one error of everything aiormq raises when the broker has gone; it cancels what waits for a confirm."""
    try:
        yield
    except (aiormq.exceptions.AMQPError, aiormq.exceptions.DeliveryError, OSError, RuntimeError, TimeoutError) as error:
        raise NotAcknowledged(str(error)) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise NotAcknowledged("aiormq cancelled the publish") from error


def doors(grpc_address: str, http_address: str, amqp_url: str) -> Sequence[Door]:
    """Open one client of each kind."""
    return (
        GrpcDoor(grpc_address),
        HttpDoor(http_address),
        AmqpDoor(amqp_url, PROTOBUF),
        AmqpDoor(amqp_url, JSON),
    )
