"""A RabbitMQ of one's own. Works with 3.10 and 4.x as Debian packages them, no plugin enabled."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from des.stack import programs
from des.stack.process import PROGRAMS_PATH, ServerProcess, StackError, free_port, run_to_end

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
STARTS_MAX = 5
NODE = "des@localhost"

_SETTINGS = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = false
log.file = server.log
log.file.level = warning
disk_free_limit.absolute = 100MB
"""

# Opens the protocol; any broker that takes connections answers with connection.start, a method frame on channel 0.
_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class PrivateRabbitMQ:
    """A Service: one RabbitMQ node in `data_dir`, on loopback, user `guest` on virtual host `/`."""

    name = "private rabbitmq"

    def __init__(self, data_dir: Path, *, tied: bool = True) -> None:
        """Take the folder it may have for itself, made where missing; `tied`: it ends with the calling thread."""
        self._folder = data_dir.absolute()
        self._port = self._distribution_port = self._epmd_port = 0
        self._has_run = False
        death_signal = signal.SIGKILL if tied else None
        self._process = ServerProcess(self.name, self._folder / "console.log", death_signal=death_signal)
        self._epmd = ServerProcess("epmd", self._folder / "epmd.log", death_signal=death_signal)

    @property
    def url(self) -> str:
        """`amqp://…` of virtual host `/`; another one's name goes after the last slash. The same over restarts."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def pid(self) -> int:
        """Process id of the node. Raises StackError when it does not run."""
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Where it lives: `mnesia/`, `log/`, `console.log`."""
        return self._folder

    async def start(self) -> None:
        """Start the node, return when it takes connections.

        Raises ConfigError (not installed) and StackError (did not come up).
        """
        if self._process.running:
            return
        server, epmd = programs.rabbitmq_server(), programs.epmd()
        for folder in ("home", "log", "mnesia", "conf.d"):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        # More than one try: a port may have been taken since it was found free, and epmd remembers the name of a
        # node that was killed for a moment.
        for _ in range(STARTS_MAX):
            await self._start_epmd(epmd)
            self._write_settings()
            self._process.spawn([str(server)], self._environment(), self._folder)
            if await self._process.ready(self._takes_connections, START_TIMEOUT_S):
                self._has_run = True
                return
            if not self._has_run:  # nobody knows the port yet
                self._port = self._distribution_port = 0
        raise StackError(f"{self.name} ended while starting; {self._process.log_tail()}")

    async def stop(self) -> None:
        """Shut down in order: connections are closed, queues are flushed."""
        await self._process.stop(signal.SIGTERM, STOP_TIMEOUT_S)
        await self._epmd.kill()

    async def kill(self) -> None:
        """SIGKILL; the next start recovers what was confirmed, as after a power cut.

        But for a quorum queue made within the last second or so (seen with 3.10): it comes back without a leader
        and answers nobody.
        """
        await self._process.kill()
        await self._epmd.kill()

    async def restart(self) -> None:
        """Stop, then start on the same port."""
        await self.stop()
        await self.start()

    async def add_vhosts(self, names: Sequence[str]) -> None:
        """Make virtual hosts in which `guest` may do everything: about a second, however many they are."""
        await self._evaluate(
            f'[begin rabbit_vhost:add(V, <<"guest">>),'
            f' rabbit_auth_backend_internal:set_permissions(<<"guest">>, V, <<".*">>, <<".*">>, <<".*">>,'
            f' <<"guest">>) end || V <- [{_binaries(names)}]].'
        )

    async def add_user(self, name: str, password: str, vhost: str = "/") -> None:
        """Make a user who may do everything in a virtual host; what a publisher of its own tenant needs."""
        who, secret, where = _binaries([name]), _binaries([password]), _binaries([vhost])
        await self._evaluate(
            f'rabbit_auth_backend_internal:add_user({who}, {secret}, <<"guest">>),'
            f' rabbit_auth_backend_internal:set_permissions({who}, {where}, <<".*">>, <<".*">>, <<".*">>,'
            f' <<"guest">>).'
        )

    async def _evaluate(self, erlang: str) -> str:
        rabbitmqctl = programs.rabbitmq_server().with_name("rabbitmqctl")
        command = [str(rabbitmqctl), "--quiet", "eval", erlang]
        return await run_to_end(command, self._environment(), self._folder)

    async def _start_epmd(self, program: Path) -> None:
        """Run Erlang's port mapper ourselves: the one a node starts is nobody's child and outlives everyone."""
        while not self._epmd.running:
            self._epmd_port = self._epmd_port or free_port()
            command = [str(program), "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd.spawn(command, self._environment(), self._folder)
            if not await self._epmd.ready(self._epmd_listens, timeout_s=10):
                self._epmd_port = 0

    async def _epmd_listens(self) -> bool:
        return await _answers(self._epmd_port, b"", b"")

    async def _takes_connections(self) -> bool:
        return await _answers(self._port, _HEADER, _METHOD_FRAME)

    def _write_settings(self) -> None:
        self._port = self._port or free_port()
        self._distribution_port = self._distribution_port or free_port()
        settings = _SETTINGS.format(port=self._port)
        (self._folder / "rabbitmq.conf").write_text(settings, encoding="utf-8")
        (self._folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        """Nothing of the caller's, and every path that would otherwise be the package's."""
        at = self._folder
        return {
            "PATH": PROGRAMS_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(at / "home"),  # the Erlang cookie is made there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(at / "mnesia"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(at / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(at / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(at / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(at / "pid"),
            # The shell script becomes the node instead of waiting for it: one process to signal and to tie to us.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Next to no spinning for work: the machine's cores are shared with Postgres and DES. With none at all each
            # of a boot's many file operations wakes a thread: 9 s in place of 3.5 on a virtual machine, for no gain.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            " +sbwt very_short +sbwtdcpu none +sbwtdio very_short",
        }


async def _answers(port: int, hello: bytes, reply: bytes) -> bool:
    """Whether a server on this loopback port takes a connection and answers `hello` with `reply`."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(hello)
                return await reader.read(len(reply)) == reply if reply else True
            finally:
                writer.transport.abort()
    return False


def _binaries(texts: Sequence[str]) -> str:
    """Erlang binaries of these texts."""
    return ",".join(f"<<{','.join(str(byte) for byte in text.encode())}>>" for text in texts)
