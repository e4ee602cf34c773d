"""Waiting for a state that has no signal of its own."""

import asyncio
from collections.abc import Callable


async def one_turn() -> None:
    """Let the event loop run what is ready."""
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Look again and again until it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for is the other side's and gives no signal
            await asyncio.sleep(0.001)
