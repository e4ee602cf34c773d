"""Clients that are not ours: curl, gRPC without stubs, aio-pika, asyncpg.

They send bytes, right or wrong, and say what came back.
"""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import grpc
import msgspec

from des.v1 import contact_pb2, enrichment_pb2, enrichment_pb2_grpc, ingest_pb2

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
ANSWER_S = 60.0


class Answer(msgspec.Struct, frozen=True):
    """What HTTP answered: `document` is the JSON of the body, None where there is none."""

    status: int
    content_type: str
    document: Any


def curl(url: str, *options: str, body: bytes | None = None) -> Answer:
    """Send a request with curl; a body comes from its standard input."""
    form = ["--write-out", "\n%{http_code} %{content_type}"]
    data = [] if body is None else ["--data-binary", "@-"]
    command = ["curl", "--silent", "--show-error", "--max-time", str(int(ANSWER_S)), *form, *data, *options, url]
    sent = subprocess.run(command, input=body or b"", capture_output=True, check=True)
    text, _, last = sent.stdout.rpartition(b"\n")
    status, _, content_type = last.decode().partition(" ")
    return Answer(int(status), content_type, json.loads(text) if text else None)


def post(http: str, body: bytes, content_type: str = JSON) -> Answer:
    """Push a batch by HTTP."""
    return curl(f"{http}/v1/enrichments", "--header", f"Content-Type: {content_type}", body=body)


# ---- gRPC, without stubs, so that bytes may be wrong -------------------------------------------------------


def wrapped(batch: bytes) -> bytes:
    """Put an encoded ContactBatch, broken or not, into a PushContactsRequest; nothing becomes a request without one."""
    if not batch:
        return b""
    length, remaining = bytearray(), len(batch)
    while remaining >= 0x80:
        length.append(remaining & 0x7F | 0x80)
        remaining >>= 7
    length.append(remaining)
    return b"\x0a" + bytes(length) + batch


def push_contacts(address: str, batches: Sequence[bytes]) -> ingest_pb2.PushContactsResponse:
    """Send encoded batches as one client stream of PushContacts."""
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_unary(
            "/des.v1.IngestService/PushContacts",
            request_serializer=None,
            response_deserializer=ingest_pb2.PushContactsResponse.FromString,
        )
        answer: ingest_pb2.PushContactsResponse = call(map(wrapped, batches), timeout=ANSWER_S)
        return answer


def stream_contacts(address: str, batches: Sequence[bytes]) -> list[ingest_pb2.StreamContactsResponse]:
    """Send encoded batches as one stream of StreamContacts; the answers in the order of the batches."""
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(
            "/des.v1.IngestService/StreamContacts",
            request_serializer=None,
            response_deserializer=ingest_pb2.StreamContactsResponse.FromString,
        )
        return sorted(call(map(wrapped, batches), timeout=ANSWER_S), key=lambda answer: answer.index)


# ---- RabbitMQ ----------------------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True):
    """What a direct publisher sends."""

    body: bytes
    content_type: str = JSON
    type: str = ""
    content_encoding: str = ""


def publish(amqp: str, messages: Sequence[Message]) -> None:
    """Publish with confirms and the mandatory flag, knowing nothing but the exchange, a routing key and the body."""
    asyncio.run(_publish(amqp, messages))


async def _publish(amqp: str, messages: Sequence[Message]) -> None:
    async with await aio_pika.connect(amqp) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange("des.ingest")
        for message in messages:
            sent = aio_pika.Message(
                message.body,
                content_type=message.content_type or None,
                type=message.type or None,
                content_encoding=message.content_encoding or None,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(sent, "any", mandatory=True)


# ---- what became of it -------------------------------------------------------------------------------------


def wait_until_done(address: str, erid: str, contacts: int) -> enrichment_pb2.Enrichment:
    """Watch an ERID until so many contacts are done; it need not be there yet."""
    with grpc.insecure_channel(address) as channel:
        stub = enrichment_pb2_grpc.EnrichmentServiceStub(channel)
        stub.CreateEnrichment(enrichment_pb2.CreateEnrichmentRequest(erid=erid), timeout=ANSWER_S)
        watching = stub.WatchEnrichment(enrichment_pb2.WatchEnrichmentRequest(erid=erid), timeout=ANSWER_S)
        for answer in watching:
            if answer.enrichment.progress.contacts_done >= contacts:
                watching.cancel()
                return answer.enrichment
    raise AssertionError(f"the watch of {erid} ended before {contacts} contacts were done")


def canary() -> tuple[str, Message]:
    """Make a good batch of a new ERID: once it is done, DES has dealt with everything published before it."""
    erid = str(uuid4())
    batch = contact_pb2.ContactBatch(erid=erid, fields_to_be_enriched=["professional_email"])
    batch.contact_list.add(first_name="Jane", last_name="Doe", company_name="sayprimer.com")
    return erid, Message(batch.SerializeToString(), PROTOBUF)


def publish_and_wait(amqp: str, address: str, messages: Sequence[Message]) -> None:
    """Publish, and return when DES has dealt with all of it."""
    erid, last = canary()
    publish(amqp, [*messages, last])
    wait_until_done(address, erid, 1)


def rows(database: str, query: str, *arguments: object) -> list[dict[str, Any]]:
    """Read the database as an operator would."""

    async def read() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(database)
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(read())


def counts(database: str, erid: str) -> tuple[int, int]:
    """Batches and contacts of an ERID as their tables hold them."""
    query = """select (select count(*) from batch where erid = $1)::int as batches,
                      (select count(*) from contact where erid = $1)::int as contacts"""
    (row,) = rows(database, query, UUID(erid))
    return row["batches"], row["contacts"]
