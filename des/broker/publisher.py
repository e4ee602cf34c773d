"""Publishes with confirms: what `publish` returns from is on a durable quorum queue.

A message is written to the socket within the call and its confirm resolves one future: no queue, no task, no timer of
its own (one timer watches the oldest unconfirmed). At most `in_flight_max` are unconfirmed; more wait for their turn.
"""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from des.broker import frames
from des.broker.connection import Wire
from des.broker.supervisor import Supervisor
from des.broker.tap import FrameSink
from des.errors import BrokerUnavailable, DesError, Overloaded
from des.limits import CONFIRMS_IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, PUBLISH_DEADLINE_S

ALARM_RETRY_S: Final = 5.0
"""Hint to clients while a memory or disk alarm lasts; they last for seconds to minutes."""
NACK_RETRY_S: Final = 1.0
UNSENT_BYTES_MAX: Final = 4 * MESSAGE_BYTES_MAX
"""Bytes that may wait for the socket before publishers wait for them."""


class _Confirms(FrameSink):
    """Publishes of one wire that have no confirm yet, by delivery tag, oldest first."""

    def __init__(self, deadline_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = deadline_s
        self._waiting: dict[int, tuple[asyncio.Future[None], float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tag = 0
        self._confirmed_through = 0
        self._prefix = uuid4().hex + "-"
        self.alarm = ""

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self) -> tuple[str, asyncio.Future[None]]:
        """Count the next publish: its message id and the future of its confirm. To be written before any await."""
        self._tag = tag = self._tag + 1
        future = self._loop.create_future()
        at = self._loop.time() + self._deadline_s
        self._waiting[tag] = (future, at)
        if self._timer is None:
            self._timer = self._loop.call_at(at, self._expire)
        return f"{self._prefix}{tag}", future

    def confirmed(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """Settle one publish, or all up to `tag`."""
        error = None if taken else Overloaded("RabbitMQ refused the message (nack: queue full)", NACK_RETRY_S)
        if not multiple:
            self._settle(tag, error)
            return
        for each in range(self._confirmed_through + 1, tag + 1):
            self._settle(each, error)
        self._confirmed_through = max(self._confirmed_through, tag)

    def returned(self, message_id: str, reason: str) -> None:
        """Fail the publish that no queue took; the confirm that follows finds it gone."""
        prefix, _, tag = message_id.rpartition("-")
        if f"{prefix}-" == self._prefix and tag.isdigit():
            self._settle(int(tag), BrokerUnavailable(f"no queue takes the message: {reason}"))

    def blocked(self, reason: str) -> None:
        """Fail everything unconfirmed while an alarm lasts: the broker does not read it before the alarm is over."""
        self.alarm = reason
        if reason:
            self.fail(_alarm(reason))

    def fail(self, error: DesError) -> None:
        """Fail everything unconfirmed."""
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self, tag: int, error: DesError | None) -> None:
        entry = self._waiting.pop(tag, None)
        if entry is None or entry[0].done():
            return
        if error is None:
            entry[0].set_result(None)
        else:
            entry[0].set_exception(error)

    def _expire(self) -> None:
        """Fail those whose time is over; they stand in order of their deadlines."""
        now = self._loop.time()
        self._timer = None
        overdue = []
        for tag, (_, at) in self._waiting.items():
            if at > now:
                self._timer = self._loop.call_at(at, self._expire)
                break
            overdue.append(tag)
        for tag in overdue:
            self._settle(tag, BrokerUnavailable(f"no confirm from RabbitMQ within {self._deadline_s:g} s"))


def _alarm(reason: str) -> Overloaded:
    return Overloaded(f"RabbitMQ takes nothing for the moment (alarm: {reason})", ALARM_RETRY_S)


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
        self._supervisor = Supervisor(name, url, self, confirms=True)
        self._wire: Wire | None = None
        self._confirms: _Confirms | None = None

    @property
    def ready(self) -> bool:
        """Connected, and no alarm."""
        return self._supervisor.ready and self._confirms is not None and not self._confirms.alarm

    @property
    def in_flight(self) -> int:
        """Publishes without a confirm."""
        return 0 if self._confirms is None else len(self._confirms)

    async def start(self) -> None:
        """Connect. Raises BrokerUnavailable and ConfigError."""
        await self._supervisor.start()

    async def stop(self) -> None:
        """Close the connection; what is unconfirmed fails."""
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
        slots = self._slots
        if slots.locked() or (self._wire is not None and self._wire.unsent_bytes > UNSENT_BYTES_MAX):
            await self._wait_for_room()
        else:
            await slots.acquire()  # does not wait: the semaphore is not locked
        try:
            wire, confirms = self._usable()
            method = frames.publish_method(wire.number, exchange, routing_key, mandatory=mandatory)
            message_id, confirm = confirms.expect()
            wire.write(
                method
                + frames.content(
                    wire.number,
                    body,
                    wire.frame_max,
                    content_type=content_type,
                    message_id=message_id,
                    type=type,
                    user_id=self._user_id,
                    headers=headers,
                )
            )
            await confirm
        finally:
            slots.release()

    async def _wait_for_room(self) -> None:
        """Wait for a slot and for the socket, within one deadline; a slot is held after it."""
        self._usable()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._slots.acquire()
                try:
                    wire, _ = self._usable()
                    if wire.unsent_bytes > UNSENT_BYTES_MAX:
                        await wire.drain()
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError as error:
            raise BrokerUnavailable(f"no room to publish within {self._deadline_s:g} s") from error

    def _usable(self) -> tuple[Wire, _Confirms]:
        wire, confirms = self._wire, self._confirms
        if wire is None or confirms is None:
            raise BrokerUnavailable("no connection to RabbitMQ; DES is reconnecting")
        if confirms.alarm:
            raise _alarm(confirms.alarm)
        return wire, confirms

    # ---- for the supervisor ---------------------------------------------------------------------------------------

    def sink(self) -> FrameSink:
        """See WireUser."""
        self._confirms = _Confirms(self._deadline_s)
        return self._confirms

    async def opened(self, wire: Wire) -> None:
        """See WireUser."""
        self._wire = wire

    def lost(self, reason: str) -> None:
        """See WireUser."""
        self._wire = None
        if self._confirms is not None:
            self._confirms.fail(BrokerUnavailable(f"the connection to RabbitMQ broke before the confirm: {reason}"))
