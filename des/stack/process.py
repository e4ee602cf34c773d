"""A server process: started, waited for, stopped, killed. Polls, because what it waits for is outside this process."""

import asyncio
import pwd
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from des.errors import DesError

PROGRAMS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What servers get as PATH: nothing of the caller's environment reaches them."""
POLL_S = 0.02
REPEAT_S = 0.5
"""Between two signals to stop."""
LOG_LINES_SHOWN = 15

# Below the range the kernel takes outgoing ports from (32768 up): a client that reconnects to a server that is down
# must not be given that very port as its own, or it finds itself connected to itself.
_PORTS = range(20_000, 32_000)


class StackError(DesError):
    """A private server did not start or stop."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on at the moment."""
    for port in random.SystemRandom().sample(_PORTS, k=200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StackError("found no free port on 127.0.0.1")


def private_folder(prefix: str) -> Path:
    """Make a folder for servers among this machine's temporary files; the caller removes it.

    Others may pass through it but not look around: as root, Postgres runs as another user.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o711)
    return folder


class ServerProcess:
    """One run of a server after another, all writing to the same log."""

    def __init__(self, name: str, log_path: Path, *, death_signal: signal.Signals | None) -> None:
        """`death_signal` is what the kernel sends it when the thread that started it dies; None sends nothing."""
        self._name = name
        self._log_path = log_path
        self._death_signal = death_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id. Raises StackError when it does not run."""
        if self._process is None:
            raise StackError(f"{self._name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def spawn(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        user: pwd.struct_passwd | None = None,
    ) -> None:
        """Start it, as `user` if one is given."""
        prefix = []
        if self._death_signal is not None:
            # Of util-linux, like the shell always there; a preexec_fn would run Python between fork and exec.
            prefix = ["setpriv", "--pdeathsig", self._death_signal.name.removeprefix("SIG"), "--"]
        with self._log_path.open("ab") as log:
            self._process = _open([*prefix, *command], environment, folder, user, output=log)

    async def ready(self, probe: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
        """Wait until `probe` is true; False when the process ended before. Raises StackError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.running:
            if await probe():
                return True
            if time.monotonic() > deadline:
                await self.kill()
                raise StackError(f"{self._name} was not ready after {timeout_s:.0f} s; {self.log_tail()}")
            await asyncio.sleep(POLL_S)
        return False

    async def stop(self, stop_signal: signal.Signals, timeout_s: float) -> None:
        """Ask it to end, and kill it when it has not done so in time; harmless when it does not run."""
        deadline = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline:
            # Once may not do: until a server is up it ignores what its parent ignores, as a shell's background job
            # does SIGINT.
            self._signal(stop_signal)
            await self._ended(REPEAT_S)
        await self.kill()

    async def kill(self) -> None:
        """End it with SIGKILL; harmless when it does not run."""
        if self.running:
            self._signal(signal.SIGKILL)
            await self._ended(timeout_s=30)
        self._process = None

    def log_tail(self) -> str:
        """Last lines it wrote, for an error message."""
        try:
            lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return f"the end of {self._log_path}:\n" + "\n".join(lines[-LOG_LINES_SHOWN:])

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signum)

    async def _ended(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110 - a process sets no asyncio.Event
            await asyncio.sleep(POLL_S)
        return not self.running


async def run_to_end(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    user: pwd.struct_passwd | None = None,
    timeout_s: float = 60,
) -> str:
    """Run a program to its end and return what it printed. Raises StackError where it fails or takes too long."""
    process = _open(command, environment, folder, user, output=subprocess.PIPE)
    try:
        output, _ = await asyncio.to_thread(process.communicate, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{command[0]} took longer than {timeout_s:.0f} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise StackError(f"{command[0]} failed with status {process.returncode}:\n{output.decode(errors='replace')}")
    return output.decode(errors="replace")


def _open(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    user: pwd.struct_passwd | None,
    output: IO[bytes] | int,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C is for us, who stop servers in order
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
