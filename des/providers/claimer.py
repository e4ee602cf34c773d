"""The claimer: puts claims of all providers that are made at the same moment into one transaction.

As at the commit: while one is under way the next gathers, so that load makes the group larger and not the latency. When
`claim` returns, the claims are committed, and only then may a call be sent.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from des.errors import TransientError
from des.ledger import Claim, Decision, Ledger
from des.lifecycle import TaskOwner

CLAIMS_PER_GROUP = 500


class Claimer:
    """A `Ledger` in front of another. A Service: `start`, `stop`."""

    name = "claimer"

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger that decides."""
        self.landing: asyncio.Event | None = None
        """Claims wait while this is not set: commits fail, and what is paid for now could not be kept soon."""
        self._ledger = ledger
        self._waiting: deque[tuple[Sequence[Claim], asyncio.Future[Sequence[Decision]]]] = deque()
        self._wake = asyncio.Event()
        self._tasks = TaskOwner(self.name, vital=True)
        self.groups = 0

    async def start(self) -> None:
        """Start claiming."""
        self._tasks.spawn(self._run(), "claim")

    async def stop(self) -> None:
        """Stop claiming; who waits for a decision is told that there will be none."""
        await self._tasks.close()
        while self._waiting:
            self._fail(self._waiting.popleft()[1], TransientError("DES is stopping"))

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """See Ledger."""
        decided: asyncio.Future[Sequence[Decision]] = asyncio.get_running_loop().create_future()
        self._waiting.append((claims, decided))
        self._wake.set()
        return await decided

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if self.landing is not None:
                    await self.landing.wait()
                await self._decide(self._take())

    def _take(self) -> list[tuple[Sequence[Claim], "asyncio.Future[Sequence[Decision]]"]]:
        """Claims that wait, up to the bound of a group, no key twice, at least those of one caller."""
        group: list[tuple[Sequence[Claim], asyncio.Future[Sequence[Decision]]]] = []
        keys: set[object] = set()
        while self._waiting and (not group or len(keys) + len(self._waiting[0][0]) <= CLAIMS_PER_GROUP):
            mine = [claim.key for claim in self._waiting[0][0]]
            if not keys.isdisjoint(mine):
                break
            keys.update(mine)
            group.append(self._waiting.popleft())
        return group

    async def _decide(self, group: list[tuple[Sequence[Claim], "asyncio.Future[Sequence[Decision]]"]]) -> None:
        self.groups += 1
        try:
            decisions = await self._ledger.claim([claim for claims, _ in group for claim in claims])
        except Exception as error:  # noqa: BLE001 - each caller decides about its own, the claimer goes on
            for _, decided in group:
                self._fail(decided, error)
            return
        at = 0
        for claims, decided in group:
            if not decided.done():
                decided.set_result(decisions[at : at + len(claims)])
            at += len(claims)

    @staticmethod
    def _fail(decided: "asyncio.Future[Sequence[Decision]]", error: Exception) -> None:
        if not decided.done():
            decided.set_exception(error)
