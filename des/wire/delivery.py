"""From a message of the broker to batches, one poisoned batch leaving its neighbours alone."""

import enum
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, assert_never, cast

import msgspec
from google.protobuf.message import DecodeError

from des import limits
from des.contact import TENANT_DEFAULT, ContactBatch
from des.errors import InvalidInput, Violation
from des.message import BATCH_SET_TYPE, BATCH_TYPE, JSON, PROTOBUF, Delivery
from des.v1 import contact_pb2
from des.wire.document import decode_json
from des.wire.envelope import ENVELOPE
from des.wire.parts import split
from des.wire.protobuf import decode_part, decode_proto
from des.wire.rules import readable, shown

_PROTOBUF_TYPES: Final = frozenset({PROTOBUF, "application/protobuf"})
_UNSAID_TYPES: Final = frozenset({"", "application/octet-stream"})
_PLAIN_ENCODINGS: Final = frozenset({"", "identity", "utf-8", "utf8"})
"""Of a body that is not packed; some clients name the character set here."""

_ProtoReader: TypeAlias = Callable[[contact_pb2.ContactBatch, str, frozenset[str]], ContactBatch]


class InvalidUnit(msgspec.Struct, frozen=True):
    """A batch, or a whole message, that cannot be accepted: what quarantine keeps.

    `erid` and `batch_id` are as sent, empty where they could not be read. `payload` is that of this unit alone, and
    `content_type` and `message_type` say how to read it.
    """

    tenant: str
    erid: str
    batch_id: str
    reason: str
    message: str
    violations: tuple[Violation, ...]
    content_type: str
    message_type: str
    payload: bytes


class TenantResolver:
    """Knows whose message it is by the user that the broker has validated."""

    def __init__(self, tenants: Mapping[str, str], own_user: str = "") -> None:
        """Take AMQP user → tenant, and DES's own AMQP user, empty where DES publishes without one."""
        self._tenants = tenants
        self._own_user = own_user

    def is_own(self, user_id: str) -> bool:
        """Tell whether DES itself has published it."""
        return bool(user_id) and user_id == self._own_user

    def of(self, user_id: str, claimed: str = "") -> str:
        """Return the tenant; the one a set claims is believed from DES itself, which speaks for all tenants."""
        if self.is_own(user_id):
            return claimed or TENANT_DEFAULT
        return self._tenants.get(user_id, TENANT_DEFAULT)


class _Form(enum.Enum):
    """How the body of a delivery is to be read."""

    JSON = enum.auto()
    BATCH = enum.auto()
    SET = enum.auto()


def decode_delivery(
    delivery: Delivery, tenants: TenantResolver, fields: frozenset[str]
) -> list[ContactBatch | InvalidUnit]:
    """Decode every batch of a delivery; whole batches too large for one unit of work come cut into parts.

    `fields` are the configured ones. Whatever the bytes are, it returns; what it cannot accept is an InvalidUnit.
    """
    tenant = tenants.of(delivery.user_id)
    read_proto = decode_part if tenants.is_own(delivery.user_id) else decode_proto
    try:
        match _form_of(delivery):
            case _Form.JSON:
                return [*split(decode_json(delivery.body, tenant, fields))]
            case _Form.BATCH:
                return [*split(read_proto(_parse_batch(delivery.body), tenant, fields))]
            case _Form.SET:
                claimed, bodies = _open_set(delivery.body)
                return _decode_set(bodies, tenants.of(delivery.user_id, claimed), fields, read_proto)
            case other:
                assert_never(other)
    except InvalidInput as error:
        return [_invalid(error, tenant, readable(delivery.content_type), readable(delivery.type), delivery.body)]


def _decode_set(
    bodies: list[bytes], tenant: str, fields: frozenset[str], read_proto: _ProtoReader
) -> list[ContactBatch | InvalidUnit]:
    units: list[ContactBatch | InvalidUnit] = []
    for body in bodies:
        try:
            units += split(read_proto(_parse_batch(body), tenant, fields))
        except InvalidInput as error:
            units.append(_invalid(error, tenant, PROTOBUF, BATCH_TYPE, body))
    return units


def _invalid(error: InvalidInput, tenant: str, content_type: str, message_type: str, body: bytes) -> InvalidUnit:
    return InvalidUnit(
        tenant,
        error.erid,
        error.batch_id,
        error.reason,
        error.message,
        error.violations,
        content_type,
        message_type,
        body,
    )


def _form_of(delivery: Delivery) -> _Form:
    """Tell how to read the body, by what was said of it or, where nothing was, by its first byte."""
    if not delivery.body:
        raise InvalidInput("EMPTY_BODY", "the message has no body; send a ContactBatch or its JSON")
    if len(delivery.body) > limits.HTTP_BODY_BYTES_MAX:
        size, limit = len(delivery.body), limits.HTTP_BODY_BYTES_MAX
        raise InvalidInput("TOO_LARGE", f"the message has {size:,} bytes; at most {limit:,} are taken")
    if delivery.content_encoding.strip().lower() not in _PLAIN_ENCODINGS:
        what = f"the content encoding is {shown(delivery.content_encoding)}; publish the body as it is, and say none"
        raise InvalidInput("UNKNOWN_CONTENT_ENCODING", what)
    content_type = delivery.content_type.partition(";")[0].strip().lower()
    if content_type in _UNSAID_TYPES:  # no field number of ours starts with the byte of an opening brace
        content_type = JSON if delivery.body.lstrip()[:1] == b"{" else PROTOBUF
    if content_type == JSON and delivery.type in {"", BATCH_TYPE}:
        return _Form.JSON
    if content_type in _PROTOBUF_TYPES and delivery.type in {"", BATCH_TYPE}:
        return _Form.BATCH
    if content_type in _PROTOBUF_TYPES and delivery.type == BATCH_SET_TYPE:
        return _Form.SET
    if content_type == JSON or content_type in _PROTOBUF_TYPES:
        takes = f"{BATCH_TYPE}, or {BATCH_SET_TYPE} as protobuf, or none"
        raise InvalidInput("UNKNOWN_MESSAGE_TYPE", f"the type is {shown(delivery.type)}; send {takes}")
    given = shown(delivery.content_type)
    raise InvalidInput("UNKNOWN_CONTENT_TYPE", f"the content type is {given}; send {PROTOBUF} or {JSON}")


def _parse_batch(body: bytes) -> contact_pb2.ContactBatch:
    try:
        return contact_pb2.ContactBatch.FromString(body)
    except DecodeError as error:
        what = f"the body of {len(body):,} bytes is no {BATCH_TYPE}; publish one encoded, or its document as {JSON}"
        raise InvalidInput("MALFORMED_PROTOBUF", what) from error


def _open_set(body: bytes) -> tuple[str, list[bytes]]:
    """Return the tenant that a set claims and the bytes of its batches."""
    try:
        envelope = ENVELOPE.FromString(body)
    except DecodeError as error:
        what = f"the body of {len(body):,} bytes is no {BATCH_SET_TYPE}; publish one encoded, or a {BATCH_TYPE} as that"
        raise InvalidInput("MALFORMED_PROTOBUF", what) from error
    if not envelope.batches:
        raise InvalidInput("EMPTY_BATCH", "the set holds no batch; put one into it, or publish no set")
    return cast(str, envelope.tenant), list(envelope.batches)
