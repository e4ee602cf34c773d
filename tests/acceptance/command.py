"""Runs `des` as users do: a process of its own, judged by its exit code and what it printed."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DES = [sys.executable, "-m", "des.cli"]
READY_TIMEOUT_S = 100.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of DES, so that a test says all that counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DES_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **(extra or {})}


def des(
    *arguments: str | Path,
    stdin: bytes = b"",
    settings: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_s: float = 90,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*DES, *map(str, arguments)],
        input=stdin.decode(),
        env=environment(settings),
        cwd=folder or Path("/"),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def document(finished: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document that a successful command printed."""
    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stdout.splitlines()
    return json.loads(line)


def error(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The error that a failed command printed under --json."""
    assert finished.returncode != 0
    return dict(json.loads(finished.stderr.splitlines()[-1])["error"])


class Running:
    """A command that runs until it is told to stop; `ready` is the line of JSON it printed when it was ready."""

    def __init__(self, *arguments: str | Path, settings: Mapping[str, str] | None = None, log: Path) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*DES, *map(str, arguments)],
                env=environment(settings),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.ready: dict[str, Any] = self._first_line()

    def children(self) -> list[int]:
        """Process ids of those it started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def end(self, signum: int, timeout_s: float = 60) -> int:
        """Send a signal, wait for the end, return the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End it whatever it does; its private servers end with it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _first_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], READY_TIMEOUT_S)[0]:
            self.close()
            raise AssertionError(f"not ready after {READY_TIMEOUT_S:.0f} s:\n{self.log.read_text()}")
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise AssertionError(f"ended with {self.process.returncode} before it was ready:\n{self.log.read_text()}")
        return dict(json.loads(line))


def wait_for_end(pid: int, timeout_s: float = 30) -> bool:
    """Whether a process, not necessarily a child, ends within the time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
