"""A sandbox with an event loop of its own, so that its tasks are not those of the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from des.sandbox.server import Sandbox


class SandboxThread:
    """A sandbox that runs in a thread; `listen` and `leave` wait until that is so."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self.sandbox = sandbox
        self._loop = loop

    def listen(self) -> None:
        """Serve, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self.sandbox.start(), self._loop).result(10)

    def leave(self) -> None:
        """Close the port and every connection."""
        asyncio.run_coroutine_threadsafe(self.sandbox.stop(), self._loop).result(10)


@contextmanager
def sandbox_thread(people: int = 200, seed: int = 1) -> Iterator[SandboxThread]:
    """A sandbox that permits any rate."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox")
    thread.start()
    running = SandboxThread(Sandbox(people=people, seed=seed), loop)
    running.listen()
    for book in running.sandbox.desk.books.values():
        book.windows = ()
    try:
        yield running
    finally:
        running.leave()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
