"""A connection to the running service, for commands that are its clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from des.client import Client
from des.config import load_settings


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    """Lend a client of the service at `address`; where that is empty, of the one that the settings name."""
    if not address:
        grpc = load_settings().grpc
        address = f"{grpc.host}:{grpc.port}"
    async with Client(address) as client:
        yield client
