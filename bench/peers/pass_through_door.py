"""A door that looks at nothing: gRPC in, confirmed publishes out, by the libraries that DES's own is made of.

    python -m bench.peers.pass_through_door --amqp-url URL

Messages stay the bytes they came as. They are put together while two publishes are unconfirmed, up to JOINED_BYTES_MAX,
and the stream is answered when everything is confirmed. It decodes nothing, refuses nothing, tells no duplicate and has
no bound: what it reaches is about what a door of these libraries could reach.
"""

import argparse
import asyncio
import json
from typing import Any

import aio_pika
import grpc
import uvloop

from des.broker import topology
from des.broker.contract import INGEST_EXCHANGE
from des.v1 import ingest_pb2

JOINED_BYTES_MAX = 256 * 1024
IN_FLIGHT_MIN = 2
IN_FLIGHT_MAX = 64


class Door:
    """Handles PushContacts."""

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        """Take where messages go."""
        self._exchange = exchange
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._in_flight = 0

    async def push(self, _: object, context: Any) -> ingest_pb2.PushContactsResponse:
        """Pass a stream on; a publish that is not confirmed fails it."""
        batches, joined, size = 0, list[bytes](), 0
        async with asyncio.TaskGroup() as group:
            while (raw := await context.read()) is not grpc.aio.EOF:
                batches += 1
                joined.append(raw)
                size += len(raw)
                if size >= JOINED_BYTES_MAX or self._in_flight < IN_FLIGHT_MIN:
                    await self._publish(group, b"".join(joined))
                    joined, size = [], 0
            if joined:
                await self._publish(group, b"".join(joined))
        return ingest_pb2.PushContactsResponse(accepted=batches)

    async def _publish(self, group: asyncio.TaskGroup, body: bytes) -> None:
        await self._slots.acquire()
        self._in_flight += 1
        group.create_task(self._publish_one(body))

    async def _publish_one(self, body: bytes) -> None:
        try:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await self._exchange.publish(message, routing_key="")
        finally:
            self._in_flight -= 1
            self._slots.release()


async def run(amqp_url: str) -> None:
    """Serve until it is ended."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await topology.declare(channel)
        door = Door(await channel.get_exchange(INGEST_EXCHANGE))
        server = grpc.aio.server()
        push: Any = grpc.stream_unary_rpc_method_handler(
            door.push, response_serializer=ingest_pb2.PushContactsResponse.SerializeToString
        )
        name = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"PushContacts": push}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--amqp-url", required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options.amqp_url))


if __name__ == "__main__":
    main()
