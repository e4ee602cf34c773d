"""A Publisher in the test's hands: it says when a message is confirmed, and how it fails."""

import asyncio
from collections.abc import Mapping

import msgspec

from des.broker.contract import INGEST_EXCHANGE, SMALL_EXCHANGE
from des.errors import DesError
from des.message import Delivery
from des.wire import EncodedBatch, encode_proto
from tests.wire_samples import ERID, KNOWN, message


class Published(msgspec.Struct, frozen=True):
    """One message on its way; the future is its confirm."""

    delivery: Delivery
    confirm: asyncio.Future[None]


class HeldPublisher:
    """Meets `des.broker.contract.Publisher`; while `holding`, nothing is confirmed before the test says so."""

    def __init__(self, *, holding: bool = True) -> None:
        self.holding = holding
        self.messages: list[Published] = []
        self._arrived = asyncio.Event()

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
        """Keep the message and wait for the test."""
        assert exchange in {INGEST_EXCHANGE, SMALL_EXCHANGE}
        assert mandatory
        assert not headers
        confirm = asyncio.get_running_loop().create_future()
        delivery = Delivery(body, content_type, type, "des", routing_key, len(self.messages) + 1, 1, queue=exchange)
        self.messages.append(Published(delivery, confirm))
        self._arrived.set()
        if self.holding:
            await confirm

    async def arrived(self, messages: int) -> None:
        """Wait until as many messages have been published in all."""
        async with asyncio.timeout(10):
            while len(self.messages) < messages:
                self._arrived.clear()
                await self._arrived.wait()

    def confirm(self, *numbers: int) -> None:
        """Confirm the messages of these indices."""
        for number in numbers:
            self.messages[number].confirm.set_result(None)

    def confirm_all(self) -> None:
        """Confirm what is there and whatever comes."""
        self.holding = False
        for published in self.messages:
            if not published.confirm.done():
                published.confirm.set_result(None)

    def refuse(self, number: int, error: DesError) -> None:
        """Fail one message."""
        self.messages[number].confirm.set_exception(error)


def encoded(name: str, tenant: str = "default", contacts: int = 1, erid: str = ERID) -> EncodedBatch:
    """A batch of contacts of that name."""
    return encode_proto(message([{"first_name": name}] * contacts, erid=erid), tenant, KNOWN)
