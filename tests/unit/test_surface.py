"""How errors look outside: one table, two renderings."""

import grpc
import msgspec
import pytest
from google.rpc import error_details_pb2

from des import errors
from des.errors import BrokerUnavailable, DesError, InvalidInput, NotFound, Overloaded, TransientError, Violation
from des.surface import SURFACES, problem_json, rich_status, surface_of

TRAILER_BYTES_MAX = 8 * 1024


def error_classes() -> list[type[DesError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DesError)]


@pytest.mark.parametrize(
    ("error", "grpc_status", "http_status", "retryable"),
    [
        (InvalidInput("EMPTY_BATCH", "m"), grpc.StatusCode.INVALID_ARGUMENT, 422, False),
        (InvalidInput("MALFORMED_JSON", "m"), grpc.StatusCode.INVALID_ARGUMENT, 400, False),
        (InvalidInput("TOO_LARGE", "m"), grpc.StatusCode.INVALID_ARGUMENT, 413, False),
        (NotFound(), grpc.StatusCode.NOT_FOUND, 404, False),
        (Overloaded(), grpc.StatusCode.RESOURCE_EXHAUSTED, 503, True),
        (BrokerUnavailable(), grpc.StatusCode.UNAVAILABLE, 503, True),
        (TransientError(), grpc.StatusCode.UNAVAILABLE, 503, True),
        (DesError(), grpc.StatusCode.INTERNAL, 500, False),
    ],
)
def test_status_follows_the_reason(
    error: DesError, grpc_status: grpc.StatusCode, http_status: int, *, retryable: bool
) -> None:
    surface = surface_of(error)
    assert (surface.grpc_status, surface.http_status, surface.retryable) == (grpc_status, http_status, retryable)


def test_what_is_transient_may_be_retried_and_nothing_else_may() -> None:
    for kind in error_classes():
        if kind is not InvalidInput:
            assert surface_of(kind()).retryable == issubclass(kind, TransientError), kind


def test_codes_of_both_protocols_agree_on_whose_fault_it_is() -> None:
    theirs = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS}
    for reason, surface in SURFACES.items():
        assert reason.isupper()
        if surface.grpc_status in theirs:
            assert 400 <= surface.http_status < 500, reason


def test_a_problem_says_what_where_and_what_to_do() -> None:
    error = InvalidInput("UNKNOWN_FIELD", "not configured", (Violation("fields[0]", "known: a, b"),), "erid-1")
    status, headers, body = problem_json(error)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert "Retry-After" not in headers
    assert msgspec.json.decode(body) == {
        "type": "urn:des:error:unknown-field",
        "title": "Unknown field",
        "status": 422,
        "detail": "not configured",
        "reason": "UNKNOWN_FIELD",
        "erid": "erid-1",
        "violations": [{"field": "fields[0]", "description": "known: a, b"}],
    }


def test_a_retry_hint_is_whole_seconds_and_at_least_one() -> None:
    assert problem_json(Overloaded(retry_after_s=0.1))[1]["Retry-After"] == "1"
    assert problem_json(Overloaded(retry_after_s=4.2))[1]["Retry-After"] == "5"


def test_what_is_quoted_may_be_any_text() -> None:
    error = InvalidInput("INVALID_TEXT", "has \ud800", (Violation("a\ud800", "b\ud800"),), "c\ud800")
    assert b"has ?" in problem_json(error)[2]
    assert rich_status(error).message == "has ?"


def test_a_rich_status_carries_its_details() -> None:
    status = rich_status(InvalidInput("EMPTY_BATCH", "m", (Violation("contact_list", "send one"),), "erid-1"))
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["erid"]) == ("EMPTY_BATCH", "des.v1", "erid-1")
    assert status.details[1].Unpack(bad_request)
    (violation,) = bad_request.field_violations
    assert (violation.field, violation.description, violation.reason) == ("contact_list", "send one", "EMPTY_BATCH")


def test_a_rich_status_fits_a_trailer() -> None:
    many = tuple(Violation(f"contact_list[{n}].first_name", "x" * 200) for n in range(100))
    status = rich_status(InvalidInput("TEXT_TOO_LONG", "m" * 10_000, many, "e" * 60))
    assert len(status.SerializeToString()) * 4 / 3 + len(status.message) < TRAILER_BYTES_MAX
    bad_request = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad_request)
    assert len(bad_request.field_violations) > 5
