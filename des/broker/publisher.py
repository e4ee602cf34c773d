"""Publishes with confirms: what `publish` returns from is on a durable quorum queue.

At most `in_flight_max` publishes are unconfirmed; more wait for their turn. Each waits under one deadline, and whatever
ends its wire or stops the broker from reading moves that deadline to now, so that nobody waits for what cannot come.
"""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiormq.abc
from aio_pika import DeliveryMode
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq import spec

from des.broker.connection import AWAY, Wire
from des.broker.supervisor import Supervisor
from des.errors import BrokerUnavailable, DesError, Overloaded
from des.lifecycle import TaskOwner
from des.limits import CONFIRMS_IN_FLIGHT_MAX, PUBLISH_DEADLINE_S
from des.telemetry import Event, logger

log = logger(__name__)

ALARM_LOOK_S: Final = 0.1
"""How often it is looked for an alarm; an answer to a client may be that late."""
ALARM_RETRY_S: Final = 5.0
"""Hint to clients while a memory or disk alarm lasts; they last for seconds to minutes."""
NACK_RETRY_S: Final = 1.0


class _Line:
    """One wire as publishes see it: its channel, who waits for a confirm, and why nothing can be sent.

    The channel is aiormq's: by aio-pika's exchange and message on top of it a publish takes a third more CPU.
    """

    def __init__(self, wire: Wire, channel: aiormq.abc.AbstractChannel) -> None:
        self.wire = wire
        self.channel = channel
        self.alarm = False
        self.waits: set[asyncio.Timeout] = set()
        self._broke = ""

    def refusal(self) -> DesError | None:
        """Why nothing can be sent on it at present."""
        if self._broke or self.wire.channel.is_closed:
            return _broken(self._broke or "closed")
        if self.alarm:
            return Overloaded("RabbitMQ takes nothing for the moment (memory or disk alarm)", ALARM_RETRY_S)
        return None

    def end(self, reason: str) -> None:
        """Nothing more is sent or confirmed on it."""
        self._broke = reason or "closed"
        self._end_waits()

    def set_alarm(self, *, on: bool) -> None:
        """While an alarm lasts, the broker does not read what was written."""
        if on == self.alarm:
            return
        self.alarm = on
        log.warning(Event.BROKER_ALARM, on=on, unconfirmed=len(self.waits))
        if on:
            self._end_waits()

    def _end_waits(self) -> None:
        now = asyncio.get_running_loop().time()
        for wait in self.waits:
            if not wait.expired():
                wait.reschedule(now)


def _broken(reason: object) -> BrokerUnavailable:
    return BrokerUnavailable(f"the connection to RabbitMQ broke before the confirm: {reason}")


def user_of(url: str) -> str:
    """User of `amqp://user:…@…`: DES's own, which the broker validates on each message that names it."""
    return unquote(urlsplit(url).username or "guest")


class AmqpPublisher:
    """contract.Publisher on RabbitMQ, over a connection of its own. A Service."""

    name = "publisher"

    def __init__(
        self,
        url: str,
        *,
        in_flight_max: int = CONFIRMS_IN_FLIGHT_MAX,
        deadline_s: float = PUBLISH_DEADLINE_S,
        name: str = "publisher",
    ) -> None:
        """Take `amqp://…`, the most publishes without a confirm, and the longest wait for one."""
        self.name = name
        self._deadline_s = deadline_s
        self._user_id = user_of(url)
        self._slots = asyncio.Semaphore(in_flight_max)
        self._supervisor = Supervisor(name, url, self)
        self._tasks = TaskOwner(name)
        self._line: _Line | None = None
        # aiormq finds the publish that a returned message belongs to by its id, so no two attempts share one.
        self._ids_prefix = uuid4().hex
        self._ids = count()

    @property
    def ready(self) -> bool:
        """Connected, and no alarm."""
        return self._supervisor.ready and self._line is not None and self._line.refusal() is None

    @property
    def in_flight(self) -> int:
        """Publishes without a confirm."""
        return 0 if self._line is None else len(self._line.waits)

    async def start(self) -> None:
        """Connect. Raises BrokerUnavailable and ConfigError."""
        await self._supervisor.start()
        self._tasks.spawn(self._watch_alarm(), "alarm")

    async def stop(self) -> None:
        """Close the connection; what is unconfirmed fails."""
        await self._tasks.close()
        await self._supervisor.stop()

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        content_type: str,
        type: str = "",
        headers: Mapping[str, str] | None = None,
        mandatory: bool = True,
    ) -> None:
        """See contract.Publisher."""
        line = self._usable()
        properties = spec.Basic.Properties(
            content_type=content_type,
            message_type=type or None,
            headers=dict(headers) if headers else None,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=f"{self._ids_prefix}-{next(self._ids)}",
            user_id=self._user_id,
        )
        try:
            async with asyncio.timeout(self._deadline_s) as wait, self._slots:
                line = self._usable()  # another one, or none, after waiting for a slot
                line.waits.add(wait)
                try:
                    await _confirmed(line.channel, exchange, routing_key, body, properties, mandatory=mandatory)
                finally:
                    line.waits.discard(wait)
        except TimeoutError as error:
            late = BrokerUnavailable(f"no confirm from RabbitMQ within {self._deadline_s:g} s")
            raise line.refusal() or late from error

    def _usable(self) -> _Line:
        line = self._line
        if line is None:
            raise BrokerUnavailable("no connection to RabbitMQ; DES is reconnecting")
        if (refusal := line.refusal()) is not None:
            raise refusal
        return line

    async def _watch_alarm(self) -> None:
        """Look for alarms: nothing that aio-pika offers tells of one, but it knows of it when asked."""
        while True:
            await asyncio.sleep(ALARM_LOOK_S)
            if (line := self._line) is not None:
                line.set_alarm(on=await line.wire.blocked())

    # ---- for the supervisor ---------------------------------------------------------------------------------------

    async def opened(self, wire: Wire) -> None:
        """See WireUser."""
        self._line = _Line(wire, await wire.channel.get_underlay_channel())

    def lost(self, reason: str) -> None:
        """See WireUser."""
        if self._line is not None:
            self._line.end(reason)
            self._line = None


async def _confirmed(
    channel: aiormq.abc.AbstractChannel,
    exchange: str,
    routing_key: str,
    body: bytes,
    properties: spec.Basic.Properties,
    *,
    mandatory: bool,
) -> None:
    """Publish and wait for the confirm; aiormq's errors become those of contract.Publisher."""
    try:
        await channel.basic_publish(
            body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=mandatory
        )
    except PublishError as error:
        raise BrokerUnavailable(f"no queue takes the message: {error}") from error
    except DeliveryError as error:
        raise Overloaded("RabbitMQ refused the message (nack: queue full)", NACK_RETRY_S) from error
    except AWAY as error:
        raise _broken(str(error) or type(error).__name__) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _broken("cancelled by aiormq") from error  # how it ends confirms when the connection hangs
