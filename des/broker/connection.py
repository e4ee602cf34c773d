"""One open connection with its one channel and the topology declared: a `Wire`."""

import asyncio
import contextlib
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import aio_pika
import aiormq.exceptions
from aio_pika.abc import AbstractChannel, AbstractConnection

from des.broker import topology
from des.errors import BrokerUnavailable, ConfigError, DesError

CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 3.0
HEARTBEAT_S: Final = 10
"""RabbitMQ's guide gives 5 to 20 s as optimal; aiormq gives a silent peer up after three."""

AWAY = (Exception,)
"""What aio-pika and aiormq raise when connection or channel are gone, or go while they wait: among it a bare Exception,
where a channel is opened on a connection that has just ended (aiormq's base.py), so that nothing narrower will do."""
_REFUSED = (
    aiormq.exceptions.AuthenticationError,
    aiormq.exceptions.ProbableAuthenticationError,
    aiormq.exceptions.ConnectionNotAllowed,
    aiormq.exceptions.ChannelAccessRefused,
)


class Wire:
    """A connection and its channel, as long as they last."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        """Take what `open_wire` opened."""
        self.connection = connection
        self.channel = channel
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel.close_callbacks.add(self._end)
        if channel.is_closed:
            self._end(channel, None)

    async def closed(self) -> str:
        """Wait until the channel or the connection is gone; returns why. For one caller."""
        return await self._ended

    async def blocked(self) -> bool:
        """Whether an alarm keeps the broker from reading; aiormq's `ready` returns at once unless it does."""
        transport = self.connection.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(0):
                await transport.ready()
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        """Close both, politely for a while; harmless when they are gone."""
        await _close(self.connection)

    def _end(self, _channel: AbstractChannel | None, error: BaseException | None) -> None:
        if not self._ended.done():
            self._ended.set_result(str(error or "") or "closed")


async def open_wire(url: str, name: str) -> Wire:
    """Connect, open a channel with confirms, declare the topology.

    Raises BrokerUnavailable, and ConfigError where the broker refuses the credentials or the topology.
    """
    settings: dict[str, Any] = {} if "heartbeat" in parse_qs(urlsplit(url).query) else {"heartbeat": HEARTBEAT_S}
    introduction: dict[str, Any] = {"connection_name": f"des {name}", "product": "DES"}
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(url, client_properties=introduction, **settings)
            try:
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await topology.declare(channel)
                return Wire(connection, channel)
            except BaseException:
                await _close(connection)
                raise
    except DesError:
        raise
    except _REFUSED as error:
        raise ConfigError(f"RabbitMQ refuses DES: {error}; check user, password, vhost and rights") from error
    except aiormq.exceptions.InvalidFrameError as error:
        # What aiormq makes of a close in answer to connection.open. It does not tell the reason, and RabbitMQ gives
        # one number to a virtual host that is not there, one that is not up yet, and one too many connections.
        hint = "see its log; is there such a virtual host?"
        raise BrokerUnavailable(f"RabbitMQ closed the connection that was being opened: {hint}") from error
    except AWAY as error:
        raise BrokerUnavailable(f"RabbitMQ: {str(error) or type(error).__name__}") from error


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(*AWAY):
        # Twice: aio-pika answers the first cancellation by waiting for the end all the same. Where the broker does not
        # read any more, what aiormq leaves behind lives as long as the socket.
        async with asyncio.timeout(CLOSE_TIMEOUT_S + 1), asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
