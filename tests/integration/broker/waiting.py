"""Waiting for a state that has no signal of its own."""

import asyncio
from collections.abc import Callable


async def one_turn() -> None:
    """Let the event loop run what is ready."""
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Let the loop take turns until it holds: what is waited for comes by its own sockets. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():
            await one_turn()
