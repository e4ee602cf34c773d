"""The sandbox as the far end of a provider under test, with an event loop of its own.

Its tasks are not those of the test then, so that a check can say that none of the provider's is left.

    with sandbox_thread() as running:
        provider = MyProvider(running.sandbox.url)
        running.sandbox.desk.plan(FaultPlan(rates={Fault.RESET_AFTER: 1.0}))
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from des.sandbox.faults import BULK_FAULTS, Fault, FaultPlan
from des.sandbox.server import Sandbox
from des.testing.loop_thread import loop_thread
from des.testing.provider import Trouble

SLOW_BODY_S = 10.0
"""Longer than the deadline of a provider under test."""


class SandboxThread:
    """A sandbox that runs in a thread; `listen` and `leave` wait until that is so."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        """Take the sandbox, and the loop that runs in the thread."""
        self.sandbox = sandbox
        self._loop = loop

    def listen(self) -> None:
        """Serve, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self.sandbox.start(), self._loop).result(10)

    def leave(self) -> None:
        """Close the port and every connection."""
        asyncio.run_coroutine_threadsafe(self.sandbox.stop(), self._loop).result(10)

    def troubles(self) -> Mapping[str, Trouble]:
        """Every fault that one question can meet, each always on while it lasts; and nobody listening at all."""
        faults = {fault.value: partial(self._always, fault) for fault in Fault if fault not in BULK_FAULTS}
        return {**faults, "nobody listens": self._nobody_listens}

    @asynccontextmanager
    async def _always(self, fault: Fault) -> AsyncIterator[None]:
        self.sandbox.desk.plan(FaultPlan(rates={fault: 1.0}, slow_body_s=SLOW_BODY_S))
        yield
        self.sandbox.desk.plan(FaultPlan())

    @asynccontextmanager
    async def _nobody_listens(self) -> AsyncIterator[None]:
        self.leave()
        yield
        self.listen()


@contextmanager
def sandbox_thread(people: int = 200, seed: int = 1) -> Iterator[SandboxThread]:
    """A sandbox that permits any rate."""
    with loop_thread("sandbox") as loop:
        running = SandboxThread(Sandbox(people=people, seed=seed), loop)
        running.listen()
        for book in running.sandbox.desk.books.values():
            book.windows = ()
        try:
            yield running
        finally:
            running.leave()
