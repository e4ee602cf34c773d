"""What the stages see of the broker: deliveries to take and ack, messages to publish with a confirm."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

INGEST_EXCHANGE = "des.ingest"
EVENTS_EXCHANGE = "des.events"
INGEST_QUEUE = "des.ingest"

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
BATCH_TYPE = "des.v1.ContactBatch"
BATCH_SET_TYPE = "des.v1.ContactBatchSet"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message as it came: payload and acknowledgement travel together.

    `user_id` is validated by the broker, empty where the publisher set none. `tag` counts within `generation`,
    the channel it came by.
    """

    body: bytes
    content_type: str
    type: str
    user_id: str
    routing_key: str
    tag: int
    generation: int
    redelivered: bool = False


class Consumer(Protocol):
    """The ingest queue, one group of deliveries at a time."""

    async def take(self, deliveries_max: int) -> Sequence[Delivery]:
        """Wait for at least one delivery, then return whatever has arrived, at most `deliveries_max`, in order."""

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
    ) -> None:
        """Publish one persistent message and return when the broker has confirmed that it is queued.

        Raises Overloaded (nack, alarm) and BrokerUnavailable (unroutable, no confirm in time, no connection).
        """
