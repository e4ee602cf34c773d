"""IngestService on grpc.aio: streams of batches in, not read faster than the broker confirms.

Messages are read as bytes and decoded here, not by gRPC's deserializer: a batch that is broken is rejected by its
index, and its stream goes on. Reading is a task beside the handler, so that a drain need not wait for a message.
"""

import asyncio
from typing import Any, Final, TypeAlias

import grpc

from des.errors import DesError, TransientError
from des.ingest.acknowledgement import Acknowledgements, Summary
from des.ingest.intake import Intake
from des.ingest.stream import BatchStream
from des.lifecycle import TaskOwner
from des.tenancy import tenant_of
from des.v1 import ingest_pb2

SERVICE_NAME: Final = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Reader: TypeAlias = "asyncio.Task[DesError | None]"


class IngestServicer:
    """Both RPCs of IngestService."""

    service_name = SERVICE_NAME

    def __init__(self, intake: Intake, fields: frozenset[str]) -> None:
        """Take where batches go and the configured fields."""
        self._intake = intake
        self._fields = fields
        self._tasks = TaskOwner("grpc ingest")
        self._readers: dict[_Reader, BatchStream] = {}
        self._draining = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service; its messages reach it as bytes."""
        self._draining = False
        push: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
            self.push_contacts, response_serializer=ingest_pb2.PushContactsResponse.SerializeToString
        )
        stream: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self.stream_contacts, response_serializer=ingest_pb2.StreamContactsResponse.SerializeToString
        )
        methods = {"PushContacts": push, "StreamContacts": stream}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, methods),))

    def drain(self) -> None:
        """End every stream with UNAVAILABLE once what was read of it is confirmed; the client sends the rest again."""
        self._draining = True
        for reader, stream in self._readers.items():
            stream.called()
            reader.cancel()

    async def push_contacts(self, _: object, context: _Context) -> ingest_pb2.PushContactsResponse:
        """Take every batch of the stream and answer once, when all of them are confirmed."""
        summary = Summary()
        stream = BatchStream(self._intake, tenant_of(context), self._fields, summary)
        reader = self._start_reading(context, stream)
        try:
            await asyncio.wait((reader,))
            error = _error_of(stream, reader) or await _settled(stream)
        finally:
            self._stop_reading(stream, reader)
        if error is not None:
            raise error
        return summary.finished()

    async def stream_contacts(self, _: object, context: _Context) -> None:
        """Take every batch of the stream and acknowledge each when it is confirmed."""
        acknowledgements = Acknowledgements()
        stream = BatchStream(self._intake, tenant_of(context), self._fields, acknowledgements)
        reader = self._start_reading(context, stream)
        reader.add_done_callback(acknowledgements.wake)
        try:
            while acknowledgements.error is None and (acknowledgements.outstanding or not reader.done()):
                await acknowledgements.changed()
                while (response := acknowledgements.next()) is not None:
                    await context.write(response)
            error = acknowledgements.error or _error_of(stream, reader)
        finally:
            self._stop_reading(stream, reader)
        if error is not None:
            raise error

    def _start_reading(self, context: _Context, stream: BatchStream) -> _Reader:
        reader = self._tasks.spawn(_read(context, stream), "read")
        stream.on_error = reader.cancel  # it may wait for a message that does not come
        self._readers[reader] = stream
        if self._draining:
            reader.cancel()
        return reader

    def _stop_reading(self, stream: BatchStream, reader: _Reader) -> None:
        """Let go of a stream that is over, or whose client has left; what was submitted is intake's to finish."""
        stream.close()
        reader.cancel()
        self._readers.pop(reader, None)


async def _read(context: _Context, stream: BatchStream) -> DesError | None:
    """Read the stream to its end; return the error it cannot go on with."""
    try:
        while (raw := await context.read()) is not grpc.aio.EOF:
            stream.receive(raw)
            if not stream.has_room:
                await stream.room()
        stream.take()
    except DesError as error:
        return error
    return None


def _error_of(stream: BatchStream, reader: _Reader) -> DesError | None:
    """Return why reading ended early; a reader is cancelled by its stream's error, and by a drain.

    Raises what is none of ours.
    """
    if not reader.cancelled():
        return reader.result()
    if stream.error is None:
        what = "DES is stopping; send again what was not acknowledged, to another one or in a moment"
        return TransientError(what)
    if isinstance(stream.error, DesError):
        return stream.error
    raise stream.error


async def _settled(stream: BatchStream) -> DesError | None:
    try:
        await stream.settled()
    except DesError as error:
        return error
    return None
