"""How an error looks outside: one table from reason code to gRPC status and HTTP status, and the two renderings.

Every door and every reader uses it, so a client can act on the reason code alone, whatever it speaks. gRPC gets
the rich error model (AIP-193: `ErrorInfo`, `BadRequest`, `RetryInfo`), HTTP gets problem+json (RFC 9457).
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import grpc
import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from des.errors import DesError, InvalidInput, Overloaded, TransientError, Violation

ERROR_DOMAIN: Final = "des.v1"
PROBLEM_CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1.0
"""When to try again after a transient error that says nothing better."""
_STATUS_METADATA: Final = "grpc-status-details-bin"
_SUMMARY_CHARS_MAX: Final = 500
_VIOLATIONS_BYTES_MAX: Final = 3072
"""gRPC peers drop calls whose trailers pass 8 KiB, and there the details stand in base64 beside the summary."""


class Surface(msgspec.Struct, frozen=True):
    """What the outside sees of one reason code: gRPC status, HTTP status, whether to send the same again."""

    grpc_status: grpc.StatusCode
    http_status: int
    retryable: bool = False


_INVALID = Surface(grpc.StatusCode.INVALID_ARGUMENT, 422)
_UNREADABLE = Surface(grpc.StatusCode.INVALID_ARGUMENT, 400)
_TOO_LARGE = Surface(grpc.StatusCode.INVALID_ARGUMENT, 413)
_UNSIGNED = Surface(grpc.StatusCode.UNAUTHENTICATED, 401)
_UNAVAILABLE = Surface(grpc.StatusCode.UNAVAILABLE, 503, retryable=True)

SURFACES: Final[Mapping[str, Surface]] = {
    "EMPTY_BODY": _UNREADABLE,
    "MALFORMED_JSON": _UNREADABLE,
    "MALFORMED_PROTOBUF": _UNREADABLE,
    "MALFORMED_ENCODING": _UNREADABLE,
    "TOO_DEEP": _UNREADABLE,
    "TOO_LARGE": _TOO_LARGE,
    "TOO_MANY_CONTACTS": _TOO_LARGE,
    "UNKNOWN_CONTENT_TYPE": Surface(grpc.StatusCode.INVALID_ARGUMENT, 415),
    "UNKNOWN_CONTENT_ENCODING": Surface(grpc.StatusCode.INVALID_ARGUMENT, 415),
    "BODY_UNREADABLE": _UNREADABLE,
    "SIGNATURE_MISSING": _UNSIGNED,
    "SIGNATURE_WRONG": _UNSIGNED,
    "METHOD_NOT_ALLOWED": Surface(grpc.StatusCode.UNIMPLEMENTED, 405),
    "NOT_FOUND": Surface(grpc.StatusCode.NOT_FOUND, 404),
    "BATCH_CONFLICT": Surface(grpc.StatusCode.ALREADY_EXISTS, 409),
    "CONFLICTING_OPTIONS": Surface(grpc.StatusCode.ALREADY_EXISTS, 409),
    "ENRICHMENT_CANCELLED": Surface(grpc.StatusCode.FAILED_PRECONDITION, 409),
    "OVERLOADED": Surface(grpc.StatusCode.RESOURCE_EXHAUSTED, 503, retryable=True),
    "BROKER_UNAVAILABLE": _UNAVAILABLE,
    "STORE_UNAVAILABLE": _UNAVAILABLE,
    "COMMIT_UNKNOWN": _UNAVAILABLE,
    "UNAVAILABLE": _UNAVAILABLE,
    "SCHEMA_MISMATCH": Surface(grpc.StatusCode.FAILED_PRECONDITION, 500),
    "INVALID_CONFIGURATION": Surface(grpc.StatusCode.FAILED_PRECONDITION, 500),
    "INTERNAL": Surface(grpc.StatusCode.INTERNAL, 500),
}
"""Reason codes with a status of their own; any other of an InvalidInput is 422, of a TransientError 503."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of every HTTP error: RFC 9457's members, the reason code, and the wrong places, at most 100."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    retryable: bool = False
    erid: str = ""
    violations: tuple[Violation, ...] = ()


def surface_of(error: DesError) -> Surface:
    """Return the row of the error's reason code, or that of its kind."""
    known = SURFACES.get(error.reason)
    if known is not None:
        return known
    if isinstance(error, InvalidInput):
        return _INVALID
    return _UNAVAILABLE if isinstance(error, TransientError) else SURFACES["INTERNAL"]


def retry_after_s(error: DesError) -> float:
    """Seconds after which sending the same again makes sense."""
    return error.retry_after_s if isinstance(error, Overloaded) else RETRY_AFTER_S


def problem_json(error: DesError) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) of the problem+json answer; `Retry-After` in whole seconds where it helps."""
    surface = surface_of(error)
    invalid = error if isinstance(error, InvalidInput) else None
    problem = Problem(
        type=f"urn:des:error:{error.reason.lower().replace('_', '-')}",
        title=error.reason.replace("_", " ").capitalize(),
        status=surface.http_status,
        detail=_well_formed(error.message),
        reason=error.reason,
        retryable=surface.retryable,
        erid=_well_formed(invalid.erid) if invalid else "",
        violations=_well_formed_all(invalid.violations) if invalid else (),
    )
    headers = {"Content-Type": PROBLEM_CONTENT_TYPE, "Cache-Control": "no-store"}
    if surface.retryable:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s(error))))
    return surface.http_status, headers, msgspec.json.encode(problem)


def rich_status(error: DesError) -> status_pb2.Status:
    """Return the google.rpc.Status of an error, with its details packed; short enough to travel as metadata."""
    surface = surface_of(error)
    invalid = error if isinstance(error, InvalidInput) else None
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    if invalid and invalid.erid:
        info.metadata["erid"] = _well_formed(invalid.erid)
    details: list[Message] = [info]
    if invalid and invalid.violations:
        details.append(_bad_request(invalid))
    if surface.retryable:
        delay = Duration()
        delay.FromMilliseconds(int(retry_after_s(error) * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code_pb2.Code.Value(surface.grpc_status.name), message=_summary(error))
    for detail in details:
        status.details.add().Pack(detail)
    return status


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: DesError) -> NoReturn:
    """End the call with the error's status and details."""
    trailer = ((_STATUS_METADATA, rich_status(error).SerializeToString()),)
    await context.abort(surface_of(error).grpc_status, _summary(error), trailer)
    raise AssertionError("abort() returned")  # it never does, which its type does not say


def _bad_request(error: InvalidInput) -> error_details_pb2.BadRequest:
    """Return as many of the wrong places as a trailer carries."""
    bad_request = error_details_pb2.BadRequest()
    for violation in error.violations:
        bad_request.field_violations.add(
            field=_well_formed(violation.field),
            description=_well_formed(violation.description),
            reason=error.reason,
        )
        if bad_request.ByteSize() > _VIOLATIONS_BYTES_MAX:
            del bad_request.field_violations[-1]
            break
    return bad_request


def _summary(error: DesError) -> str:
    return _well_formed(error.message)[:_SUMMARY_CHARS_MAX]


def _well_formed(text: str) -> str:
    """Replace what UTF-8 cannot carry (a lone surrogate quoted from a body)."""
    return text.encode("utf-8", "replace").decode()


def _well_formed_all(violations: tuple[Violation, ...]) -> tuple[Violation, ...]:
    return tuple(Violation(_well_formed(one.field), _well_formed(one.description)) for one in violations)
