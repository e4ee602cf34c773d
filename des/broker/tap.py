"""The tap: takes the frames of the hot path out of the byte stream before aiormq reads it.

aiormq puts every frame through two queues and makes a task per delivery, which costs eight times the tap. Its
`transport_factory` lets us hand it the stream: this reader is a StreamReader that gives deliveries, confirms, returns
and `connection.blocked` to a `FrameSink`, synchronously as the bytes arrive, and leaves every other frame to aiormq. It
is on the wire only for the channel it is told of; before that, and where a byte is out of place, all goes to aiormq,
which judges it.
"""

import asyncio
import struct
from typing import Any

import aiormq.connection
from yarl import URL

from des.broker import frames
from des.broker.frames import Properties
from des.errors import BrokerUnavailable

_SIGN_OF_LIFE_S = 1.0


class FrameSink:
    """Receives what the tap takes out, in order, within the event loop; may not raise.

    Ignores what is not overridden.
    """

    def delivered(self, tag: int, redelivered: bool, routing_key: str, properties: Properties, body: bytes) -> None:
        """A message of the consumer."""

    def returned(self, message_id: str, reason: str) -> None:
        """A mandatory publish that no queue took; its confirm follows."""

    def confirmed(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """The broker acked (`taken`) or nacked a publish, or all up to `tag`."""

    def blocked(self, reason: str) -> None:
        """An alarm: the broker reads nothing more from this connection; empty when it reads again."""


class _Content:
    """A delivery or return whose header and body are still coming."""

    __slots__ = ("body", "left", "method", "payload", "properties")

    def __init__(self, method: int, payload: bytes) -> None:
        self.method = method
        self.payload = payload
        self.properties: Properties | None = None
        self.left = 0
        self.body: list[bytes] = []


class TappedReader(asyncio.StreamReader):
    """A StreamReader that keeps the hot frames of one channel for its sink."""

    def __init__(self, sink: FrameSink) -> None:
        """Take the sink; `tapped_channel` opens the tap."""
        super().__init__()
        self._sink = sink
        self._rest = b""
        self._content: _Content | None = None
        self._open = True
        self._alive_at = 0.0
        self._loop_time = asyncio.get_running_loop().time
        self.tapped_channel = -1

    def feed_data(self, data: bytes) -> None:  # type: ignore[override] # typeshed says Iterable; transports give bytes
        """Split what has arrived into frames; called by the transport."""
        if not self._open:
            super().feed_data(data)
            return
        data = self._rest + data if self._rest else data
        try:
            at, passed, taken = self._split(data)
        except (IndexError, struct.error):
            at, passed, taken = 0, [], False
            self._open = False
        if not self._open:  # a byte out of place: aiormq closes the connection with the reason
            self._rest = b""
            super().feed_data(b"".join((*passed, data[at:])))
            return
        self._rest = data[at:]
        if taken:
            passed += self._sign_of_life()
        if passed:
            super().feed_data(b"".join(passed))

    def _split(self, data: bytes) -> tuple[int, list[bytes], bool]:
        """Hand out the whole frames of `data`: where the rest begins, what aiormq gets, whether any was taken."""
        at, end_of_data, taken = 0, len(data), False
        passed: list[bytes] = []
        unpack = frames.FRAME_HEAD.unpack_from
        while end_of_data - at >= frames.FRAME_OVERHEAD:
            kind, channel, size = unpack(data, at)
            if kind not in _KINDS:
                self._open = False
                break
            end = at + frames.FRAME_OVERHEAD + size
            if end > end_of_data:
                break
            if data[end - 1] != frames.FRAME_END:
                self._open = False
                break
            if self._takes(kind, channel, data[at + 7 : end - 1]):
                taken = True
            else:
                passed.append(data[at:end])
            at = end
        return at, passed, taken

    def _takes(self, kind: int, channel: int, payload: bytes) -> bool:
        if channel == 0:
            if kind == frames.METHOD:
                self._watch_alarm(payload)
            return False
        if channel != self.tapped_channel:
            return False
        if kind == frames.METHOD:
            return self._takes_method(payload)
        if self._content is None:
            return False
        if kind == frames.HEADER:
            self._content.left, self._content.properties = frames.read_header(payload)
        else:
            self._content.body.append(payload)
            self._content.left -= len(payload)
        if self._content.left <= 0:
            self._finish(self._content)
        return True

    def _takes_method(self, payload: bytes) -> bool:
        (method,) = frames.METHOD_ID.unpack_from(payload)
        match method:
            case frames.BASIC_DELIVER | frames.BASIC_RETURN:
                self._content = _Content(method, payload)
            case frames.BASIC_ACK | frames.BASIC_NACK:
                tag, bits = frames.TAG_AND_BITS.unpack_from(payload, 4)
                self._sink.confirmed(tag, multiple=bool(bits & 1), taken=method == frames.BASIC_ACK)
            case _:
                return False
        return True

    def _finish(self, content: _Content) -> None:
        self._content = None
        properties = content.properties or Properties()
        body = content.body[0] if len(content.body) == 1 else b"".join(content.body)
        if content.method == frames.BASIC_DELIVER:
            tag, redelivered, routing_key = frames.read_deliver(content.payload)
            self._sink.delivered(tag, redelivered, routing_key, properties, body)
            return
        text_at = 6  # behind the reply code
        reason = content.payload[text_at + 1 : text_at + 1 + content.payload[text_at]]
        self._sink.returned(properties.message_id, reason.decode("utf-8", "replace"))

    def _watch_alarm(self, payload: bytes) -> None:
        (method,) = frames.METHOD_ID.unpack_from(payload)
        if method == frames.CONNECTION_BLOCKED:
            self._sink.blocked(payload[5:].decode("utf-8", "replace") or "alarm")
        elif method == frames.CONNECTION_UNBLOCKED:
            self._sink.blocked("")

    def _sign_of_life(self) -> list[bytes]:
        """A heartbeat for aiormq now and then: a broker that sends messages sends none, and aiormq sees no messages."""
        now = self._loop_time()
        if now - self._alive_at < _SIGN_OF_LIFE_S:
            return []
        self._alive_at = now
        return [frames.HEARTBEAT]


_KINDS = frozenset((frames.METHOD, frames.HEADER, frames.BODY, 8))


class TappedTransport(aiormq.connection.TransportFactory):
    """Opens the socket for aiormq, with a tap in front of it."""

    def __init__(self, sink: FrameSink) -> None:
        """Take the sink of the one connection that this opens."""
        self._sink = sink
        self._opened: tuple[TappedReader, asyncio.StreamWriter] | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the socket, with TLS for amqps. Raises aiormq's AMQPConnectionError."""
        loop = asyncio.get_running_loop()
        tls = await kwargs.pop("ssl_context_provider").get_context() if url.scheme == "amqps" else None
        reader = TappedReader(self._sink)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, url.host or "localhost", url.port or 5672, ssl=tls
            )
        except OSError as error:
            raise aiormq.exceptions.AMQPConnectionError(*error.args) from error
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._opened = (reader, writer)
        return reader, writer

    def tap(self, channel: int) -> asyncio.StreamWriter:
        """Open the tap for a channel of the connection that was made; returns the writer to send its frames by."""
        if self._opened is None:
            raise BrokerUnavailable("no connection was opened")
        reader, writer = self._opened
        reader.tapped_channel = channel
        return writer
