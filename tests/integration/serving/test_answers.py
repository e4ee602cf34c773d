"""Whatever goes wrong in a gRPC call, its client hears a reason and nothing of the inside."""

from typing import NoReturn

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from des.serving.servicer import SERVICE_NAME
from des.store.serving import EnrichmentStore
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.conftest import Serving
from tests.integration.serving.stub import Stub

SECRET = "what only the inside knows"


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def answered(serving: Serving, method: str, request: bytes) -> None:
    """Call a method with these bytes, and take its first message."""
    path = f"/{SERVICE_NAME}/{method}"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{serving.grpc.port}") as channel:
        if method == "WatchEnrichment":
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            await anext(aiter(stream(request)))
        else:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await call(request)


@pytest.mark.parametrize("method", ["GetEnrichment", "QuoteEnrichment", "WatchEnrichment"])
async def test_a_request_that_is_no_message_is_told_by_name(serving: Serving, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answered(serving, method, b"\x0a\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == "MALFORMED_PROTOBUF"


async def test_a_method_that_is_not_there_is_unimplemented(serving: Serving) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answered(serving, "EraseEverything", b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_fault_of_ours_says_that_it_is_one_and_not_which(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> NoReturn:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(EnrichmentStore, "page", fails)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetEnrichment(pb.GetEnrichmentRequest(erid="3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"))
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert SECRET not in (caught.value.details() or "")
