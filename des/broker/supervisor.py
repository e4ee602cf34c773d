"""Keeps one wire to the broker: opens it, hands it over, waits for its end, opens the next.

    disconnected ──open──▶ ready ──connection or channel gone, dropped──▶ disconnected (waits longer each time)

aio-pika's robust connections restore pieces one by one and have a history of lost consumers (aio-pika #231, #379,
#632); here all of it is thrown away and built anew: connection, channel, topology, consumer.
"""

import asyncio
from typing import Protocol

from des.broker.connection import Wire, open_wire
from des.clock import Backoff
from des.errors import BrokerUnavailable, ConfigError, DesError
from des.lifecycle import TaskOwner
from des.telemetry import Event, logger

log = logger(__name__)

RECONNECT_FIRST_S = 0.1
RECONNECT_MOST_S = 5.0
TAKE_INTO_USE_S = 5.0
"""Longest wait for a consume; while a queue has no leader, RabbitMQ 3.10 does not answer it."""
FIRST_CONNECT_S = 30.0
"""How long a start waits for a broker that is still coming up."""


class WireUser(Protocol):
    """Whose wire it is."""

    async def opened(self, wire: Wire) -> None:
        """Take the wire into use; what it raises ends this wire."""

    def lost(self, reason: str) -> None:
        """Forget the wire; called once after every `opened`, whether it raised or the wire ended later."""


class Supervisor:
    """Runs the life of a wire. `ready` is true while one is open and in use."""

    def __init__(self, name: str, url: str, user: WireUser) -> None:
        """Take what logs call it, `amqp://…`, and the user."""
        self._name = name
        self._url = url
        self._user = user
        self._tasks = TaskOwner(name, vital=True)
        self._wire: Wire | None = None
        self._settled: asyncio.Future[None] | None = None
        self._last_reason = "no answer"
        self.ready = False

    async def start(self) -> None:
        """Return once the wire is in use. Raises ConfigError at once, BrokerUnavailable after FIRST_CONNECT_S."""
        self._settled = settled = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._run(), "connection")
        try:
            async with asyncio.timeout(FIRST_CONNECT_S):
                await settled
        except TimeoutError as error:
            await self.stop()
            raise BrokerUnavailable(f"no RabbitMQ within {FIRST_CONNECT_S:.0f} s: {self._last_reason}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the wire; harmless when never started and when repeated."""
        await self._tasks.close()

    def drop(self, reason: str) -> None:
        """Give up the wire in use; the next is opened at once."""
        if self._wire is not None:
            log.warning(Event.BROKER_CONNECTION_DROPPED, connection=self._name, reason=reason)
            self._tasks.spawn(self._wire.close(), "drop")

    async def _run(self) -> None:
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MOST_S)
        while True:
            self._last_reason = reason = await self._lived(backoff)
            log.warning(Event.BROKER_CONNECTION_LOST, connection=self._name, reason=reason)
            await asyncio.sleep(backoff.next_s())

    async def _lived(self, backoff: Backoff) -> str:
        """One wire, whatever becomes of it: nobody but `stop` ends the task that opens the next."""
        try:
            return await self._live(backoff)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return "broken off by aiormq"  # which cancels what waits for a connection that has ended
        except Exception as error:
            log.exception(Event.BROKER_CONNECTION_FAILED, connection=self._name)
            return f"{type(error).__name__}: {error}"

    async def _live(self, backoff: Backoff) -> str:
        """One wire from opening to end; returns why it ended."""
        try:
            wire = await open_wire(self._url, self._name)
        except DesError as error:
            self._refuse_start(error)
            return str(error)
        reason = "stopped"
        self._wire = wire
        try:
            async with asyncio.timeout(TAKE_INTO_USE_S):
                await self._user.opened(wire)
            backoff.reset()
            self._admit_start()
            log.info(Event.BROKER_CONNECTED, connection=self._name)
            reason = await wire.closed()
        except DesError as error:
            reason = str(error)
        except TimeoutError:
            reason = f"RabbitMQ did not let the connection be used within {TAKE_INTO_USE_S:.0f} s"
        finally:
            self.ready = False
            self._wire = None
            self._user.lost(reason)
            await wire.close()
        return reason

    def _admit_start(self) -> None:
        self.ready = True
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _refuse_start(self, error: DesError) -> None:
        # Only at the start: a service that has run waits for the broker to be put right.
        if isinstance(error, ConfigError) and self._settled is not None and not self._settled.done():
            self._settled.set_exception(error)
