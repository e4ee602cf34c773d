"""What the stages see of the broker: deliveries to take and ack, messages to publish with a confirm."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from des.limits import ACCEPT_GROUP_BYTES_MAX
from des.message import Delivery as Delivery

INGEST_EXCHANGE = "des.ingest"
EVENTS_EXCHANGE = "des.events"
INGEST_QUEUE = "des.ingest"
SMALL_EXCHANGE = "des.ingest.small"
SMALL_QUEUE = "des.ingest.small"
DEAD_EXCHANGE = "des.ingest.dead"
DEAD_QUEUE = "des.ingest.dead"


class Consumer(Protocol):
    """What comes in by the ingest queues, one group of deliveries at a time."""

    async def take(self, deliveries_max: int, bytes_max: int = ACCEPT_GROUP_BYTES_MAX) -> Sequence[Delivery]:
        """Wait for at least one delivery, then return whatever has arrived, in order.

        At most `deliveries_max`, and no more than one beyond `bytes_max` of their bodies.
        """

    async def gather(self, deliveries: int, body_bytes: int) -> None:
        """Wait until so many deliveries have arrived that nobody has taken, or so many bytes of their bodies."""

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge them, soon and in groups; those of a channel that has gone are redelivered by the broker."""

    def dead_letter(self, delivery: Delivery) -> None:
        """Refuse it for good: the backstop queue keeps it."""


class Publisher(Protocol):
    """Publishes with confirms."""

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
        """Publish one persistent message and return when the broker has confirmed that it is queued.

        Raises Overloaded (nack, alarm) and BrokerUnavailable (unroutable, no confirm in time, no connection). Without
        `mandatory`, a message that no queue wants is confirmed and gone.
        """
