"""Exchanges and queues as data, declared by whoever connects; declaring what is there already changes nothing.

    publishers ──▶ des.ingest (topic) ──#──▶ des.ingest (quorum queue) ──▶ DES
    doors, with a few contacts ──▶ des.ingest.small ──#──▶ des.ingest.small (the same) ──▶ DES, which takes it in turn
                                                  │ refused, or delivered too often
                                                  ▼
                                       des.ingest.dead (fanout) ──▶ des.ingest.dead (quorum queue), for a person
    DES ──▶ des.events (topic) ──▶ whoever binds a queue

The limit and the dead-letter exchange are explicit arguments: a policy needs administrator rights and the management
plugin or rabbitmqctl, and RabbitMQ 3.10 has no delivery limit unless it is told of one (without it, a message that
kills its reader does so for ever). Nor has it priorities in quorum queues: what must not wait behind a million contacts
has a queue of its own (`lanes`). The price: queue arguments cannot be changed later; another value needs a new queue.
"""

from collections.abc import Mapping
from typing import NamedTuple

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from des.broker.contract import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    EVENTS_EXCHANGE,
    INGEST_EXCHANGE,
    INGEST_QUEUE,
    SMALL_EXCHANGE,
    SMALL_QUEUE,
)
from des.errors import ConfigError
from des.limits import DELIVERY_LIMIT


class Exchange(NamedTuple):
    """A durable exchange."""

    name: str
    kind: str


class Queue(NamedTuple):
    """A durable queue, bound to `exchange` by `binding_key`."""

    name: str
    exchange: str
    binding_key: str
    arguments: Mapping[str, str | int]


EXCHANGES = (
    Exchange(INGEST_EXCHANGE, "topic"),
    Exchange(SMALL_EXCHANGE, "topic"),
    Exchange(DEAD_EXCHANGE, "fanout"),
    Exchange(EVENTS_EXCHANGE, "topic"),
)
_INGEST_ARGUMENTS: Mapping[str, str | int] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": DEAD_EXCHANGE,
    # With confirms between the two queues; it asks for reject-publish, which is also what a length limit set by policy
    # should do: a nack, so that the client hears of it.
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
QUEUES = (
    Queue(DEAD_QUEUE, DEAD_EXCHANGE, "", {"x-queue-type": "quorum"}),
    Queue(INGEST_QUEUE, INGEST_EXCHANGE, "#", _INGEST_ARGUMENTS),
    Queue(SMALL_QUEUE, SMALL_EXCHANGE, "#", _INGEST_ARGUMENTS),
)


async def declare(channel: AbstractChannel) -> None:
    """Declare all of it. Raises ConfigError where something of that name is otherwise, else what aio-pika raises."""
    try:
        for exchange in EXCHANGES:
            await channel.declare_exchange(exchange.name, exchange.kind, durable=True)
        for queue in QUEUES:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            await declared.bind(queue.exchange, queue.binding_key)
    except ChannelPreconditionFailed as error:
        raise ConfigError(
            f"the broker has something of this name with other properties: {error}; delete it there (a queue once it"
            " is empty) and DES declares it anew"
        ) from error
