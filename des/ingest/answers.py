"""Every gRPC error has its reason: what any handler raises leaves as the rich error model has it.

As `problems` does for HTTP. Requests are decoded here, where what cannot be decoded can be answered by name; streams of
requests are their handlers' to read.
"""

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from des.errors import DesError, InvalidInput
from des.surface import abort
from des.telemetry import Event, logger

log = logger(__name__)

_GRPC_OWN: Final = "/grpc."
"""Health and reflection answer for themselves."""

_Handler: TypeAlias = Any
"""A `grpc.RpcMethodHandler`, None where there is no such method; its stubs know one of its four behaviours only."""
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Details: TypeAlias = grpc.HandlerCallDetails


class Answers(grpc.aio.ServerInterceptor):
    """Stands around every method of DES's own services."""

    async def intercept_service(
        self, continuation: Callable[[_Details], Awaitable[_Handler]], handler_call_details: _Details
    ) -> _Handler:
        """Return the method's handler, or None where there is none, with its errors told."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_GRPC_OWN):
            return handler
        if handler.request_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.response_streaming
                else grpc.stream_unary_rpc_method_handler
            )
            behaviour = handler.stream_stream or handler.stream_unary
            return make(_told(method, behaviour, None), handler.request_deserializer, handler.response_serializer)
        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        behaviour = handler.unary_stream or handler.unary_unary
        return make(_told(method, behaviour, handler.request_deserializer), None, handler.response_serializer)


def _told(method: str, behaviour: Any, read: Callable[[bytes], Any] | None) -> Any:
    """The handler, of either kind, with its errors told; `read` decodes its request."""

    async def answer(request: Any, context: _Context) -> Any:
        async with _errors_told(method, context):
            return await behaviour(_decoded(request, read), context)

    async def answers(request: Any, context: _Context) -> AsyncIterator[Any]:
        async with (
            _errors_told(method, context),
            contextlib.aclosing(behaviour(_decoded(request, read), context)) as all_,
        ):
            async for one in all_:
                yield one

    return answers if inspect.isasyncgenfunction(behaviour) else answer


@contextlib.asynccontextmanager
async def _errors_told(method: str, context: _Context) -> AsyncIterator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except DesError as error:
        await abort(context, error)
    except Exception as error:  # whatever it is, the client gets the same form and the log the whole of it
        log.exception(Event.REQUEST_FAILED, method="gRPC", path=method)
        await abort(context, DesError(f"a fault of DES ({type(error).__name__}); it is in the log"))


def _decoded(request: Any, read: Callable[[bytes], Any] | None) -> Any:
    """The request's message. Raises InvalidInput MALFORMED_PROTOBUF."""
    if read is None:
        return request
    try:
        return read(request)
    except DecodeError as error:
        what = f"the request is not the message that the method takes, as protobuf: {error}"
        raise InvalidInput("MALFORMED_PROTOBUF", what) from error
