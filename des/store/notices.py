"""What is said through Postgres: new batches for a partition, a cancelled enrichment, a delivery, a changed directory.

A notice is a hint and never the only way: after a break everything is looked at once (`on_resumed`, and `on_directory`
without a tenant).
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

import msgspec

from des.clock import Clock
from des.errors import StoreUnavailable
from des.lifecycle import TaskOwner
from des.store.postgres import Database, mapped_errors
from des.telemetry import Event, logger

log = logger(__name__)

RETRY_S = 0.5


class Cancelled(msgspec.Struct, frozen=True):
    """Payload of channel `des_cancel`."""

    tenant: str
    erid: UUID


class Notices:
    """A connection that listens. A Service: `start`, `stop`."""

    name = "notices"

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        on_partition: Callable[[int], None],
        on_cancelled: Callable[[str, UUID], None],
        on_delivered: Callable[[str], None],
        on_directory: Callable[[str], None],
        on_resumed: Callable[[], None],
    ) -> None:
        """Take the database, and whom to tell: of new batches, a cancelled ERID, a delivery, and the end of a break.

        `on_directory` hears the tenant whose directory has changed, and "" where any may have: whenever listening
        begins, the first time too, for what was read before.
        """
        self._database = database
        self._clock = clock
        self._on_partition = on_partition
        self._on_cancelled = on_cancelled
        self._on_delivered = on_delivered
        self._on_directory = on_directory
        self._on_resumed = on_resumed
        self._tasks = TaskOwner(self.name, vital=True)

    async def start(self) -> None:
        """Listen. Raises StoreUnavailable when it cannot begin."""
        listening = asyncio.Event()
        task = self._tasks.spawn(self._run(listening), "listen")
        waiter = self._tasks.spawn(listening.wait(), "wait until listening")
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiter.cancel()
            task.result()

    async def stop(self) -> None:
        """Stop listening."""
        await self._tasks.close()

    async def _run(self, listening: asyncio.Event) -> None:
        while True:
            try:
                await self._listen(listening)
            except StoreUnavailable as error:
                if not listening.is_set():
                    raise
                log.warning(Event.LISTENER_RESTARTED, error=str(error))
            await self._clock.sleep(RETRY_S)

    async def _listen(self, listening: asyncio.Event) -> None:
        """Listen on one connection until it is gone."""
        connection = await self._database.connect()
        gone = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: gone.set())
            with mapped_errors():  # it may be lost while it begins
                await connection.add_listener("des_batch", self._on_batch)
                await connection.add_listener("des_cancel", self._on_cancel)
                await connection.add_listener("des_delivered", self._on_delivery)
                await connection.add_listener("des_directory", self._on_change)
            self._on_directory("")
            if listening.is_set():
                self._on_resumed()
            listening.set()
            await gone.wait()
            log.warning(Event.LISTENER_RESTARTED, error="the connection was closed")
        finally:
            connection.terminate()

    def _on_batch(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for partition in str(payload).split(","):
            if partition.isdecimal():
                self._on_partition(int(partition))

    def _on_delivery(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._on_delivered(str(payload))

    def _on_change(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._on_directory(str(payload))

    def _on_cancel(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            cancelled = msgspec.json.decode(str(payload), type=Cancelled)
        except msgspec.MsgspecError:
            return
        self._on_cancelled(cancelled.tenant, cancelled.erid)
