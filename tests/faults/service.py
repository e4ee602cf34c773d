"""The service as a child process: started on the same ports again and again, killed, paused, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from des.failpoints import Failpoint
from des.stack.process import free_port

ROOT = Path(__file__).parents[2]
START_S = 60.0
DEATH_S = 60.0
STOP_S = 40.0
KILLED = -signal.SIGKILL


class Service:
    """`des serve` on given servers. Its ports are the same over all starts, so that clients find it again."""

    def __init__(self, folder: Path, environment: Mapping[str, str], name: str = "des") -> None:
        """Take a folder for its log and its settings as environment variables."""
        self._folder = folder
        self._log_path = folder / f"{name}.log"
        self._environment = dict(environment)
        self._grpc_port, self._http_port = free_port(), free_port()
        self._process: asyncio.subprocess.Process | None = None

    def twin(self, name: str) -> "Service":
        """Make another one with the same settings and ports of its own."""
        return Service(self._folder, self._environment, name)

    @property
    def grpc(self) -> str:
        """Its gRPC address."""
        return f"127.0.0.1:{self._grpc_port}"

    @property
    def http(self) -> str:
        """Its HTTP address."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, failpoint: Failpoint | None = None, count: int = 1, **settings: str) -> bool:
        """Return True when it is ready, False where it was killed by its failpoint before that."""
        environment = self._environment | settings
        if failpoint is not None:
            environment["DES_FAILPOINT"] = f"{failpoint}:{count}"
        environment |= {"DES_GRPC__PORT": str(self._grpc_port), "DES_HTTP__PORT": str(self._http_port)}
        self._process = await spawn("des.cli", ["serve", "--json"], environment, self._folder, self._log_path)
        async with asyncio.timeout(START_S):
            line = await _output(self._process).readline()
        if line:
            return True
        assert await self.ended() == KILLED, f"it ended while starting; {self.log_tail()}"
        return False

    async def ended(self, within_s: float = DEATH_S) -> int:
        """Wait until it has ended; return its exit status, negative for a signal."""
        process = self._started()
        try:
            async with asyncio.timeout(within_s):
                return await process.wait()
        except TimeoutError:
            raise AssertionError(f"still alive after {within_s:g} s; {self.log_tail()}") from None

    async def outlives(self, seconds: float) -> bool:
        """Whether it is still alive after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._started().wait()
        return self.running

    async def kill(self) -> None:
        """SIGKILL; harmless when it does not run."""
        if self.running:
            self._started().kill()
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM; it must end in order."""
        self._started().terminate()
        status = await self.ended(STOP_S)
        assert status == 0, f"ended with {status}; {self.log_tail()}"

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._started().terminate()

    def pause(self) -> None:
        """SIGSTOP: what a frozen virtual machine looks like from outside."""
        os.kill(self._started().pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self._started().pid, signal.SIGCONT)

    def log(self) -> str:
        """All it wrote, over all starts."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Return the last lines it wrote, for a failure's message."""
        return "the end of its log:\n" + "\n".join(self.log().splitlines()[-25:])

    def _started(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process


@contextlib.asynccontextmanager
async def provider(folder: Path) -> AsyncIterator[str]:
    """Run the bare provider, which outlives the service; yields its URL."""
    process = await spawn("bench.bare_provider", [], {}, folder, folder / "provider.log")
    try:
        async with asyncio.timeout(START_S):
            ready = msgspec.json.decode(await _output(process).readline(), type=dict[str, str])
        yield ready["url"]
    finally:
        process.kill()
        await process.wait()


async def spawn(
    module: str, arguments: list[str], environment: Mapping[str, str], folder: Path, log_path: Path
) -> asyncio.subprocess.Process:
    """Start a module of this project; nothing of our own environment reaches it, and it ends with us."""
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", module, *arguments]
    with log_path.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout
