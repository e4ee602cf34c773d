"""The type of a gRPC client: its async form exists for type checkers only."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from des.v1.enrichment_pb2_grpc import EnrichmentServiceAsyncStub as Stub
else:
    from des.v1.enrichment_pb2_grpc import EnrichmentServiceStub as Stub

__all__ = ["Stub"]
