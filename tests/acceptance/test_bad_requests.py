"""Wrong questions about an enrichment: gRPC's rich errors and problem+json say the same."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from des.v1 import enrichment_pb2, enrichment_pb2_grpc
from tests.acceptance.bad_batches import JOHN
from tests.acceptance.command import Running
from tests.acceptance.outsiders import curl, wait_until_done

NOBODY = "7d0e6a52-2f0c-4d0b-8a53-0a9c6f1d2e3b"
"""An ERID that nobody has sent."""

BUF_CURL = [str(Path(sys.executable).parent / "buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge"]

Call = Callable[[enrichment_pb2_grpc.EnrichmentServiceStub, str], object]
CALLS: dict[str, tuple[Call, str, str]] = {
    "get": (
        lambda stub, erid: stub.GetEnrichment(enrichment_pb2.GetEnrichmentRequest(erid=erid)),
        "GET",
        "",
    ),
    "seal": (
        lambda stub, erid: stub.SealEnrichment(enrichment_pb2.SealEnrichmentRequest(erid=erid)),
        "POST",
        ":seal",
    ),
    "cancel": (
        lambda stub, erid: stub.CancelEnrichment(enrichment_pb2.CancelEnrichmentRequest(erid=erid)),
        "POST",
        ":cancel",
    ),
    "results": (
        lambda stub, erid: list(stub.StreamResults(enrichment_pb2.StreamResultsRequest(erid=erid))),
        "GET",
        "/results",
    ),
    "watch": (
        lambda stub, erid: list(stub.WatchEnrichment(enrichment_pb2.WatchEnrichmentRequest(erid=erid))),
        "GET",
        "/events",
    ),
}


def buf_curl(address: str, method: str, request: Any) -> subprocess.CompletedProcess[str]:
    """Call a method by what reflection says of it."""
    url = f"http://{address}/des.v1.{method}"
    command = [*BUF_CURL, "--data", json.dumps(request)]
    return subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=False)


def refusal(address: str, call: Call, erid: str) -> tuple[grpc.StatusCode, str, list[str]]:
    """Return status, reason and wrong places of a call that must fail."""
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as raised:
        call(enrichment_pb2_grpc.EnrichmentServiceStub(channel), erid)
    error: Any = raised.value
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    places: list[str] = []
    for detail in status.details:
        if detail.Unpack(bad_request):
            places = [violation.field for violation in bad_request.field_violations]
        else:
            assert detail.Unpack(info)
    assert info.domain == "des.v1"
    return error.code(), info.reason, places


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("erid", "expected"),
    [
        ("no-uuid", (grpc.StatusCode.INVALID_ARGUMENT, 422, "INVALID_ERID")),
        (NOBODY, (grpc.StatusCode.NOT_FOUND, 404, "NOT_FOUND")),
    ],
)
def test_grpc_and_http_refuse_for_the_same_reason(
    stack: Running, name: str, erid: str, expected: tuple[grpc.StatusCode, int, str]
) -> None:
    code, status, reason = expected
    call, method, path = CALLS[name]
    places = ["erid"] if reason == "INVALID_ERID" else []
    assert refusal(stack.ready["grpc"], call, erid) == (code, reason, places)
    answer = curl(f"{stack.ready['http']}/v1/enrichments/{erid}{path}", "--request", method)
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert answer.document["reason"] == reason
    assert [place["field"] for place in answer.document.get("violations", ())] == places


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("page_size=-1", "INVALID_PARAMETER"),
        ("page_size=many", "INVALID_PARAMETER"),
        ("page_token=%00", "INVALID_PAGE_TOKEN"),
        ("page=2", "UNKNOWN_PARAMETER"),
    ],
)
def test_a_query_that_is_wrong_is_refused_by_name(stack: Running, query: str, reason: str) -> None:
    answer = curl(f"{stack.ready['http']}/v1/enrichments?{query}")
    assert (answer.status, answer.document["reason"]) == (422, reason)


def test_paths_and_methods_that_are_not_there_are_refused_by_name(stack: Running) -> None:
    http = stack.ready["http"]
    assert curl(f"{http}/v2/nothing").document["reason"] == "NOT_FOUND"
    deleted = curl(f"{http}/v1/enrichments", "--request", "DELETE")
    assert (deleted.status, deleted.document["reason"]) == (405, "METHOD_NOT_ALLOWED")


def test_reflection_tells_buf_what_there_is(stack: Running) -> None:
    url = f"http://{stack.ready['grpc']}"
    listed = subprocess.run([*BUF_CURL, "--list-methods", url], capture_output=True, text=True, timeout=60, check=True)
    assert {
        "des.v1.IngestService/PushContacts",
        "des.v1.IngestService/StreamContacts",
        "des.v1.EnrichmentService/GetEnrichment",
        "des.v1.EnrichmentService/StreamResults",
        "grpc.health.v1.Health/Check",
    } <= set(listed.stdout.split())


def test_buf_pushes_reads_and_is_refused(stack: Running) -> None:
    erid = str(uuid4())
    batch = {"erid": erid, "contact_list": [JOHN], "fields_to_be_enriched": ["professional_email"]}
    pushed = buf_curl(stack.ready["grpc"], "IngestService/PushContacts", {"batch": batch})
    assert json.loads(pushed.stdout) == {"accepted": "1", "contacts": "1"}, pushed.stderr
    wait_until_done(stack.ready["grpc"], erid, 1)
    read = buf_curl(stack.ready["grpc"], "EnrichmentService/GetEnrichment", {"erid": erid})
    (contact,) = json.loads(read.stdout)["contactList"]
    assert contact["enriched"]["professional_email"]["value"] == "john.doe@sayprimer.com"

    refused = buf_curl(stack.ready["grpc"], "EnrichmentService/GetEnrichment", {"erid": "no-uuid"})
    assert refused.returncode != 0
    told = json.loads(refused.stderr)
    assert (told["code"], told["message"].split(":")[0]) == ("invalid_argument", "erid")
    assert [detail["type"] for detail in told["details"]] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
