"""One open connection with its one channel, topology declared, hot frames tapped: a `Wire`."""

import asyncio
import contextlib
from typing import Final

import aiormq
import aiormq.abc
import aiormq.exceptions
from yarl import URL

from des.broker import topology
from des.broker.tap import FrameSink, TappedTransport
from des.errors import BrokerUnavailable, ConfigError

CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 3.0
HEARTBEAT_S: Final = 10
"""RabbitMQ's guide gives 5 to 20 s as optimal; aiormq gives a silent peer up after three."""

_REFUSED = (
    aiormq.exceptions.AuthenticationError,
    aiormq.exceptions.ProbableAuthenticationError,
    aiormq.exceptions.ConnectionNotAllowed,
    aiormq.exceptions.ChannelAccessRefused,
)
_AWAY = (aiormq.exceptions.AMQPError, OSError, EOFError, TimeoutError, RuntimeError)
# RuntimeError: what aiormq says of a connection that closed between two of our calls.


class Wire:
    """A connection and its channel, as long as they last."""

    def __init__(
        self,
        connection: aiormq.abc.AbstractConnection,
        channel: aiormq.abc.AbstractChannel,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Take what `open_wire` opened."""
        self._connection = connection
        self._writer = writer
        self.channel = channel
        self.number = channel.number
        self.frame_max = connection.connection_tune.frame_max or 0

    def write(self, frames: bytes) -> None:
        """Send whole frames of this channel, in the order of the calls; aiormq's own go between them.

        What is written to a wire that is ending is lost with it, as are bytes that the socket has taken: `closed` tells.
        """
        with contextlib.suppress(RuntimeError):  # aiormq has ended its half already, and not yet said so
            self._writer.write(frames)

    @property
    def unsent_bytes(self) -> int:
        """Bytes the socket has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the socket has taken most of what was written. Raises BrokerUnavailable."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise BrokerUnavailable(f"the connection to RabbitMQ broke: {error}") from error

    async def closed(self) -> str:
        """Wait until the channel or the connection is gone; returns why."""
        ends = [self._connection.closing, self.channel.closing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            reasons = [str(end.exception() or "closed") for end in ends if end.done() and not end.cancelled()]
        finally:
            for end in ends:
                end.cancel()
        return reasons[-1] if reasons else "closed"

    async def close(self) -> None:
        """Close both, politely for a while; harmless when they are gone."""
        with contextlib.suppress(*_AWAY):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        self._writer.transport.abort()


async def open_wire(url: str, sink: FrameSink, name: str, *, confirms: bool) -> Wire:
    """Connect, open a channel, declare the topology, open the tap.

    Raises BrokerUnavailable, and ConfigError where the broker refuses the credentials or the topology.
    """
    transport = TappedTransport(sink)
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_S)
    connection = aiormq.Connection(
        address, transport_factory=transport, client_properties={"connection_name": f"des {name}", "product": "DES"}
    )
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.connect()
            channel = await connection.channel(publisher_confirms=confirms)
            await topology.declare(channel)
    except BaseException as error:
        with contextlib.suppress(*_AWAY):
            await connection.close()
        if isinstance(error, _REFUSED):
            raise ConfigError(f"RabbitMQ refuses DES: {error}; check user, password, vhost and rights") from error
        if isinstance(error, _AWAY):
            raise BrokerUnavailable(f"RabbitMQ: {str(error) or type(error).__name__}") from error
        raise
    return Wire(connection, channel, transport.tap(channel.number))
