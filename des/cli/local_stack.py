"""The whole of DES on this machine, as services: private servers, schema, sandbox, the user's people, DES itself.

Servers named by URL in the settings are used and left running; those that are not are private ones in a folder of
their own, started with the stack and ended with it, whatever ends it. Everything keeps its data in that folder: a
stack started on it again goes on where the last one stopped.
"""

import os
from pathlib import Path

import msgspec

from des.app import App, build
from des.cli.dev_settings import local_settings
from des.cli.rehearsal import lift_rate_limits, load_people
from des.cli.stack_parts import FolderLock, SandboxProcess, Together
from des.config import Settings
from des.lifecycle import Services
from des.stack import PrivatePostgres, PrivateRabbitMQ, StackError
from des.store.migrate import migrate


class Addresses(msgspec.Struct, frozen=True):
    """Where everything listens: `grpc` as host:port, the others as URLs; `pid` is the service's own process."""

    grpc: str
    http: str
    amqp: str
    database: str
    sandbox: str
    pid: int


class LocalStack:
    """Puts the stack together. Run what `services` returns; what else it has is known once they have started."""

    def __init__(self, folder: Path, given: Settings, *, with_sandbox: bool = True) -> None:
        """Take the folder of its data, made where missing, and the settings that the user gave."""
        self._folder = folder
        self._given = given
        self._postgres = None if given.database_url.get_secret_value() else PrivatePostgres(folder / "postgres")
        self._rabbitmq = None if given.amqp_url.get_secret_value() else PrivateRabbitMQ(folder / "rabbitmq")
        self._sandbox = SandboxProcess(folder) if with_sandbox else None
        self._des = _Des(self)

    def services(self) -> Services:
        """Return the services in the order in which they start."""
        servers = [part for part in (self._postgres, self._rabbitmq, self._sandbox) if part is not None]
        return Services([FolderLock(self._folder), Together(servers), _Prepared(self), self._des])

    def settings(self) -> Settings:
        """Return the settings that DES runs with here."""
        return local_settings(
            self._given,
            database_url=self._postgres.url if self._postgres else None,
            amqp_url=self._rabbitmq.url if self._rabbitmq else None,
            sandbox_url=self.sandbox_url or None,
        )

    @property
    def sandbox_url(self) -> str:
        """URL of the sandbox; empty where there is none."""
        return self._sandbox.url if self._sandbox else ""

    def addresses(self) -> Addresses:
        """Return where everything listens."""
        settings = self.settings()
        return Addresses(
            grpc=self._des.app.grpc_address,
            http=self._des.app.http_address,
            amqp=settings.amqp_url.get_secret_value(),
            database=settings.database_url.get_secret_value(),
            sandbox=self.sandbox_url,
            pid=os.getpid(),
        )


class _Prepared:
    """A Service: the schema as DES needs it, the sandbox without limits, its people in an empty directory."""

    name = "preparation"

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    async def start(self) -> None:
        """Migrate, then prepare the rehearsal."""
        settings = self._stack.settings()
        await migrate(settings.database_url.get_secret_value())
        if self._stack.sandbox_url:
            await lift_rate_limits(self._stack.sandbox_url)
            await load_people(settings, self._stack.sandbox_url)

    async def stop(self) -> None:
        """Nothing stays open."""


class _Des:
    """A Service: DES itself, put together when the servers it needs are there."""

    name = "des"

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._app: App | None = None

    @property
    def app(self) -> App:
        """The process. Raises StackError before it was started."""
        if self._app is None:
            raise StackError("the local stack has not started yet")
        return self._app

    async def start(self) -> None:
        """Build and start it."""
        self._app = build(self._stack.settings())
        await self._app.start()

    async def stop(self) -> None:
        """Drain and stop it."""
        if self._app is not None:
            await self._app.stop()
