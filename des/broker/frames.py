"""The few AMQP 0-9-1 frames of the hot path, encoded and read: deliveries, acknowledgements, publishes, confirms.

Everything else (handshake, channels, declarations, heartbeats, close) is aiormq's. Layouts are those of the AMQP 0-9-1
specification, sections 2.3.5 and 4.2, with RabbitMQ's extensions (basic.nack, connection.blocked). Pure: bytes in,
bytes or values out.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

METHOD = 1
HEADER = 2
BODY = 3
FRAME_END = 0xCE
FRAME_OVERHEAD = 8
"""Bytes of a frame beside its payload: type, channel, size and the end mark."""

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"

# Class and method as the first four bytes of a method's payload.
CONNECTION_BLOCKED = 10 << 16 | 60
CONNECTION_UNBLOCKED = 10 << 16 | 61
BASIC_PUBLISH = 60 << 16 | 40
BASIC_RETURN = 60 << 16 | 50
BASIC_DELIVER = 60 << 16 | 60
BASIC_ACK = 60 << 16 | 80
BASIC_REJECT = 60 << 16 | 90
BASIC_NACK = 60 << 16 | 120

FRAME_HEAD = struct.Struct(">BHI")
METHOD_ID = struct.Struct(">I")
TAG_AND_BITS = struct.Struct(">QB")
_ACK_FRAME = struct.Struct(">BHIIQBB")
_CONTENT_HEAD = struct.Struct(">HHQH")
_LONG = struct.Struct(">I")

# Property flags of a content header, in the order in which the properties follow (specification 4.2.6.1).
_CONTENT_TYPE, _ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
_CORRELATION_ID, _REPLY_TO, _EXPIRATION, _MESSAGE_ID, _TIMESTAMP = 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 6
_TYPE, _USER_ID = 1 << 5, 1 << 4
_PERSISTENT = b"\x02"


class Properties(NamedTuple):
    """Of a message's properties, those that DES reads."""

    content_type: str = ""
    message_id: str = ""
    type: str = ""
    user_id: str = ""


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """basic.ack of one delivery, or of all up to `tag`."""
    return _ACK_FRAME.pack(METHOD, channel, 13, BASIC_ACK, tag, multiple, FRAME_END)


def reject(channel: int, tag: int) -> bytes:
    """basic.reject without requeue: the broker dead-letters the message."""
    return _ACK_FRAME.pack(METHOD, channel, 13, BASIC_REJECT, tag, 0, FRAME_END)


def publish_method(channel: int, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """The method frame of a publish. Raises ValueError for a name longer than 255 bytes."""
    payload = b"".join(
        (
            METHOD_ID.pack(BASIC_PUBLISH),
            b"\x00\x00",
            _short(exchange),
            _short(routing_key),
            b"\x01" if mandatory else b"\x00",
        )
    )
    return _frame(METHOD, channel, payload)


def content(
    channel: int,
    body: bytes,
    frame_max: int,
    *,
    content_type: str,
    message_id: str,
    type: str = "",
    user_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Header and body frames of one persistent message; `frame_max` as tuned, in bytes, 0 for no limit."""
    flags = _CONTENT_TYPE | _DELIVERY_MODE | _MESSAGE_ID
    table = b""
    if headers:
        flags |= _HEADERS
        table = _table(headers)
    kind = b""
    if type:
        flags |= _TYPE
        kind = _short(type)
    user = b""
    if user_id:
        flags |= _USER_ID
        user = _short(user_id)
    head = _CONTENT_HEAD.pack(60, 0, len(body), flags)
    payload = b"".join((head, _short(content_type), table, _PERSISTENT, _short(message_id), kind, user))
    return b"".join((_frame(HEADER, channel, payload), *_body_frames(channel, body, frame_max)))


def _body_frames(channel: int, body: bytes, frame_max: int) -> list[bytes]:
    most = frame_max - FRAME_OVERHEAD if frame_max else len(body)
    if 0 < len(body) <= most:
        return [_frame(BODY, channel, body)]
    return [_frame(BODY, channel, body[at : at + most]) for at in range(0, len(body), most or 1)]


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"%b%b\xce" % (FRAME_HEAD.pack(kind, channel, len(payload)), payload)


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"{text[:40]!r}… has {len(encoded)} bytes; AMQP takes at most 255")
    return b"%c%b" % (len(encoded), encoded)


def _table(headers: Mapping[str, str]) -> bytes:
    """Field table of text values (long strings, `S`)."""
    fields = []
    for name, value in headers.items():
        encoded = value.encode()
        fields.append(b"%bS%b%b" % (_short(name), _LONG.pack(len(encoded)), encoded))
    joined = b"".join(fields)
    return _LONG.pack(len(joined)) + joined


def read_routing_key(payload: bytes, at: int) -> str:
    """Routing key of a method's payload whose exchange name begins at `at`."""
    at += 1 + payload[at]
    return payload[at + 1 : at + 1 + payload[at]].decode("utf-8", "replace")


def read_deliver(payload: bytes) -> tuple[int, bool, str]:
    """Tag, redelivered, routing key of a basic.deliver payload."""
    at = 5 + payload[4]  # behind the consumer tag
    tag, redelivered = TAG_AND_BITS.unpack_from(payload, at)
    return tag, bool(redelivered), read_routing_key(payload, at + 9)


def read_header(payload: bytes) -> tuple[int, Properties]:
    """Body size in bytes and properties of a content header's payload. Raises IndexError and struct.error."""
    _, _, size, flags = _CONTENT_HEAD.unpack_from(payload)
    at = 14
    content_type = message_id = kind = user_id = ""
    if flags & _CONTENT_TYPE:
        content_type, at = _read_short(payload, at)
    if flags & _ENCODING:
        at += 1 + payload[at]
    if flags & _HEADERS:
        at += 4 + _LONG.unpack_from(payload, at)[0]
    at += bool(flags & _DELIVERY_MODE) + bool(flags & _PRIORITY)
    for flag in (_CORRELATION_ID, _REPLY_TO, _EXPIRATION):
        if flags & flag:
            at += 1 + payload[at]
    if flags & _MESSAGE_ID:
        message_id, at = _read_short(payload, at)
    if flags & _TIMESTAMP:
        at += 8
    if flags & _TYPE:
        kind, at = _read_short(payload, at)
    if flags & _USER_ID:
        user_id, at = _read_short(payload, at)
    return size, Properties(content_type, message_id, kind, user_id)


def _read_short(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    # A publisher may send any bytes; what is no text must not take the connection down.
    return payload[at + 1 : end].decode("utf-8", "replace"), end
