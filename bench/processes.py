"""Processes that are measured: started, told ready by their first line, watched through /proc, stopped."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

_ROOT = Path(__file__).parents[1]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Measured:
    """A running process; `ready` is the JSON of its first line."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Mapping[str, Any]) -> None:
        """Take what `running` started."""
        self._process = process
        self.ready = ready

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def ask(self, line: str) -> Mapping[str, Any]:
        """Write it a line and return the JSON of the line it answers with."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(f"{line}\n".encode())
        answer: Mapping[str, Any] = json.loads(await self._process.stdout.readline())
        return answer

    def cpu_s(self) -> float:
        """CPU spent so far in seconds, user and system, all threads; the kernel counts in 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def memory_peak_mb(self) -> float:
        """Most memory it ever held at once (VmHWM), in MB of 10^6 bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6


class Together:
    """Several of them, as one service."""

    def __init__(self, processes: Sequence[Measured]) -> None:
        """Take them."""
        self._processes = tuple(processes)

    def __len__(self) -> int:
        """How many."""
        return len(self._processes)

    def memory_peaks_mb(self) -> list[float]:
        """See Measured: of each."""
        return [process.memory_peak_mb() for process in self._processes]

    def cpu_s(self) -> float:
        """See Measured: of all of them."""
        return sum(process.cpu_s() for process in self._processes)


@contextlib.asynccontextmanager
async def running(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Measured]:
    """Run `python -m module arguments` in `folder` for the length of the block; nothing of our environment reaches it.

    Yields when its first line has come. Raises RuntimeError with what it wrote where none comes, and TimeoutError.
    """
    log_path = folder / f"{module}.log"
    # Of util-linux: whatever ends the benchmark ends what it started.
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", module, *arguments]
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(_ROOT), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield Measured(process, await _first_line(process, log_path))
    finally:
        await _stopped(process)


async def _first_line(process: asyncio.subprocess.Process, log_path: Path) -> Mapping[str, Any]:
    if process.stdout is None:
        raise RuntimeError("the process was started without a pipe")
    async with asyncio.timeout(READY_TIMEOUT_S):
        line = await process.stdout.readline()
    if not line:
        log = await asyncio.to_thread(log_path.read_text, errors="replace")
        raise RuntimeError(f"it ended before it was ready:\n{log[-4_000:]}")
    ready: Mapping[str, Any] = json.loads(line)
    return ready


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
