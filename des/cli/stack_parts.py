"""Parts of a local stack beside DES: the lock of its folder, the sandbox's process, servers started side by side."""

import asyncio
import contextlib
import fcntl
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from des.errors import DesError
from des.lifecycle import Service
from des.stack import StackError
from des.stack.process import ServerProcess, free_port

SANDBOX_START_TIMEOUT_S = 30.0
SANDBOX_STOP_TIMEOUT_S = 5.0


class FolderInUse(DesError):
    """Another stack runs in this folder; stop it, or give this one a --data-dir of its own."""

    reason = "FOLDER_IN_USE"


class FolderLock:
    """A Service: holds a folder for one stack; the kernel lets it go when the process ends, however it ends."""

    name = "folder lock"

    def __init__(self, folder: Path) -> None:
        """Take the folder, made where missing."""
        self._folder = folder
        self._file: IO[bytes] | None = None

    async def start(self) -> None:
        """Hold it. Raises FolderInUse."""
        if self._file is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / "lock").open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            message = f"another stack runs in {self._folder}; stop it, or give this one a --data-dir of its own"
            raise FolderInUse(message) from error
        self._file = file

    async def stop(self) -> None:
        """Let it go."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Together:
    """A Service: several that do not need each other, started and stopped side by side."""

    name = "servers"

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)

    async def start(self) -> None:
        """Start all of them; raise the first error when every one has come up or failed."""
        _raise_first(await asyncio.gather(*(one.start() for one in self._services), return_exceptions=True))

    async def stop(self) -> None:
        """Stop all of them; raise the first error when every one has stopped or failed."""
        _raise_first(await asyncio.gather(*(one.stop() for one in self._services), return_exceptions=True))


class SandboxProcess:
    """A Service: `des sandbox` as a process of its own, so that its work is not done on the service's time."""

    name = "sandbox"

    def __init__(self, folder: Path) -> None:
        """Take the folder for its log."""
        self._folder = folder
        self._port = 0
        self._process = ServerProcess(self.name, folder / "sandbox.log", death_signal=signal.SIGKILL)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; another one after every start."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Return when it takes connections. Raises StackError."""
        if self._process.running:
            return
        self._port = free_port()
        command = [sys.executable, "-m", "des.cli", "sandbox", "--json", "--port", str(self._port)]
        self._process.spawn(command, {"PYTHONPATH": _import_path()}, self._folder)
        if not await self._process.ready(self._takes_connections, SANDBOX_START_TIMEOUT_S):
            raise StackError(f"the sandbox ended while starting; {self._process.log_tail()}")

    async def stop(self) -> None:
        """End it."""
        await self._process.stop(signal.SIGTERM, SANDBOX_STOP_TIMEOUT_S)

    async def _takes_connections(self) -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.transport.abort()
            return True
        return False


def _import_path() -> str:
    """Where `des` itself is imported from: the child runs this very DES, wherever it is started."""
    return str(Path(__file__).parents[2])


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
