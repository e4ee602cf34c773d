"""What vendors send by themselves: a body to an address, again and again until somebody takes it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from des.lifecycle import TaskOwner

RETRIES_MAX = 5
"""Tries after the first one; FullEnrich documents five, a minute apart."""
RETRY_S = 60.0
DEADLINE_S = 10.0


class Webhooks:
    """Delivers in tasks of its own. `retry_s`: seconds between two tries to deliver the same."""

    def __init__(self) -> None:
        """Open nothing before there is something to deliver."""
        self.retry_s = RETRY_S
        self.delivered = 0
        self.tries = 0
        self.given_up = 0
        self._session: aiohttp.ClientSession | None = None
        self._tasks = TaskOwner("sandbox webhooks")

    def __repr__(self) -> str:
        """How far they are."""
        return f"Webhooks({self.report()})"

    def report(self) -> dict[str, Any]:
        """Counts, as JSON."""
        return {
            "retry_s": self.retry_s,
            "waiting": len(self._tasks),
            "tries": self.tries,
            "delivered": self.delivered,
            "given_up": self.given_up,
        }

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Deliver the same bytes until the answer is 2xx, or there were enough tries."""
        self._tasks.spawn(self._deliver(url, body, headers), "delivery")

    async def stop(self) -> None:
        """Give up what is not delivered; harmless when nothing was ever sent and when repeated."""
        await self._tasks.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        for _ in range(1 + RETRIES_MAX):
            if await self._is_taken(url, body, headers):
                self.delivered += 1
                return
            await asyncio.sleep(self.retry_s)
        self.given_up += 1

    async def _is_taken(self, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE_S))
        self.tries += 1
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
