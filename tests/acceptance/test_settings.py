"""Settings that bound the doors do so: a service of its own with small ones."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from des.v1 import enrichment_pb2, enrichment_pb2_grpc
from tests.acceptance.bad_batches import JOHN, document
from tests.acceptance.command import Running
from tests.acceptance.outsiders import ANSWER_S, post

ERID = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"
BODY_BYTES_MAX = 2_048
CALLS_MAX = 2


@pytest.fixture
def service(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Running]:
    """`des serve` with bounds that a test reaches."""
    settings = {
        "DES_DATABASE_URL": database_url,
        "DES_AMQP_URL": amqp_url,
        "DES_GRPC__PORT": "0",
        "DES_HTTP__PORT": "0",
        "DES_GRPC__MAX_STREAMS": str(CALLS_MAX),
        "DES_HTTP__BODY_BYTES_MAX": str(BODY_BYTES_MAX),
    }
    with closing(Running("serve", "--json", settings=settings, log=tmp_path / "log")) as running:
        yield running


def test_bodies_and_calls_are_bounded_as_set(service: Running) -> None:
    assert post(service.ready["http"], json.dumps(document()).encode()).status == 202
    large = post(service.ready["http"], json.dumps(document(contact_list=[JOHN] * 100)).encode())
    assert (large.status, large.document["reason"]) == (413, "TOO_LARGE")
    assert f"{BODY_BYTES_MAX:,}" in large.document["detail"]

    with grpc.insecure_channel(service.ready["grpc"]) as channel:
        stub = enrichment_pb2_grpc.EnrichmentServiceStub(channel)
        stub.CreateEnrichment(enrichment_pb2.CreateEnrichmentRequest(erid=ERID), timeout=ANSWER_S)
        watch = enrichment_pb2.WatchEnrichmentRequest(erid=ERID)
        open_calls = [stub.WatchEnrichment(watch, timeout=ANSWER_S) for _ in range(CALLS_MAX)]
        assert [next(call).enrichment.erid for call in open_calls] == [ERID] * CALLS_MAX
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetEnrichment(enrichment_pb2.GetEnrichmentRequest(erid=ERID), timeout=ANSWER_S)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in open_calls:
            call.cancel()
