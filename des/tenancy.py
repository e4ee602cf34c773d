"""Whose request it is: the one place where a caller becomes a tenant."""

from typing import Any

import grpc
from aiohttp import web

from des.contact import TENANT_DEFAULT


def tenant_of(request: web.Request | grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the tenant of an HTTP request or a gRPC call: the default one, until callers have keys."""
    del request
    return TENANT_DEFAULT
