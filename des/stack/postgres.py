"""A Postgres of one's own, durable as in production."""

import asyncio
import os
import pwd
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

from des.errors import ConfigError
from des.stack import programs
from des.stack.process import PROGRAMS_PATH, ServerProcess, StackError, free_port, run_to_end

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
STARTS_MAX = 40

# No wal_compression: over COPYs of finished contacts it saved no byte that could be told from noise.
_SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
log_checkpoints = off
"""


class PrivatePostgres:
    """A Service: one Postgres in `data_dir`, on loopback, with a database `des` and a superuser `postgres`."""

    name = "private postgres"

    def __init__(self, data_dir: Path, *, tied: bool = True) -> None:
        """Take the folder it may have for itself, made where missing; `tied`: it ends with the calling thread."""
        self._folder = data_dir.absolute()
        self._cluster = self._folder / "cluster"
        self._password_path = self._folder / "password"
        self._port = 0
        self._process = ServerProcess(self.name, self._folder / "log", death_signal=signal.SIGINT if tied else None)

    @property
    def url(self) -> str:
        """`postgresql://…` of database `des`; of another with `.rsplit("/", 1)`. The same over restarts."""
        return f"postgresql://postgres:{self._password()}@127.0.0.1:{self._port}/des"

    @property
    def pid(self) -> int:
        """Process id of the postmaster. Raises StackError when it does not run."""
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Where it lives: `cluster/`, `log`, `password`."""
        return self._folder

    async def start(self) -> None:
        """Make the cluster if there is none, start it, return when it takes connections.

        Raises ConfigError (not installed, folder out of reach) and StackError (did not come up).
        """
        if self._process.running:
            return
        binaries, user = programs.postgres_folder(), programs.postgres_account()
        self._make_folder(user)
        fresh = not (self._cluster / "PG_VERSION").exists()
        if fresh:
            await self._initialise(binaries, user)
        await self._start_server(binaries, user)
        if fresh:
            await self._create_database(binaries)

    async def stop(self) -> None:
        """Shut down in order: sessions are ended, a checkpoint is made."""
        await self._process.stop(signal.SIGINT, STOP_TIMEOUT_S)

    async def kill(self) -> None:
        """SIGKILL; the next start recovers from the log, as after a power cut."""
        await self._process.kill()

    async def restart(self) -> None:
        """Stop, then start on the same port."""
        await self.stop()
        await self.start()

    def _make_folder(self, user: pwd.struct_passwd | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if user is None:
            return
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        for parent in self._folder.parents:
            if not _may_search(parent, user):
                raise ConfigError(
                    f"Postgres runs as user {user.pw_name!r}, who cannot reach {self._folder} through {parent}; "
                    f"choose another data directory, or: chmod o+x {parent}"
                )

    async def _initialise(self, binaries: Path, user: pwd.struct_passwd | None) -> None:
        _write_secret(self._password_path, secrets.token_hex(16), user)
        command = [str(binaries / "initdb"), f"--pgdata={self._cluster}", "--username=postgres"]
        command += [f"--pwfile={self._password_path}", "--auth=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8"]
        await run_to_end(command, _environment(), self._folder, user)
        with (self._cluster / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("include 'des.conf'\n")

    async def _start_server(self, binaries: Path, user: pwd.struct_passwd | None) -> None:
        command = [str(binaries / "postgres"), "-D", str(self._cluster)]
        # More than one try: the port may have been taken since it was found free, and after a kill the sessions of
        # the dead server hold its shared memory for a moment.
        for _ in range(STARTS_MAX):
            self._write_settings()
            self._process.spawn(command, _environment(), self._folder, user)
            if await self._process.ready(self._takes_connections, START_TIMEOUT_S):
                return
            log = self._process.log_tail()
            if "could not bind" in log:
                self._port = 0
            elif "is still in use" not in log:
                break
            await asyncio.sleep(0.1)
        raise StackError(f"{self.name} ended while starting; {self._process.log_tail()}")

    def _write_settings(self) -> None:
        self._port = self._port or free_port()
        (self._cluster / "des.conf").write_text(_SETTINGS.format(port=self._port), encoding="utf-8")

    async def _takes_connections(self) -> bool:
        status = self._cluster / "postmaster.pid"  # its last line is the state, as pg_ctl reads it
        try:
            lines = status.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    async def _create_database(self, binaries: Path) -> None:
        command = [str(binaries / "createdb"), "--host=127.0.0.1", f"--port={self._port}"]
        command += ["--username=postgres", "des"]
        await run_to_end(command, _environment() | {"PGPASSWORD": self._password()}, self._folder)

    def _password(self) -> str:
        return self._password_path.read_text(encoding="ascii").strip()


def _environment() -> dict[str, str]:
    """Nothing of the caller's (a PGDATA or PGPORT of theirs is for their own server)."""
    return {"PATH": PROGRAMS_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _write_secret(path: Path, secret: str, user: pwd.struct_passwd | None) -> None:
    path.touch(mode=0o600)
    path.write_text(secret + "\n", encoding="ascii")
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _may_search(folder: Path, user: pwd.struct_passwd) -> bool:
    def bits() -> Iterator[int]:
        status = folder.stat()
        yield 0o001
        if status.st_uid == user.pw_uid:
            yield 0o100
        if status.st_gid == user.pw_gid:
            yield 0o010

    return any(folder.stat().st_mode & bit for bit in bits())
