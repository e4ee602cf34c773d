"""The worker that a competent engineer writes first: FastStream and asyncpg, one transaction per message.

    python -m bench.peers.faststream_worker --database-url URL --amqp-url URL

Does what DES does with a batch, on the same tables: decode, look the people up in the directory, guess addresses from
the patterns of their domains, write the batch, its contacts, the totals of the enrichment and an event to the outbox,
commit, ack. A message that comes again changes nothing. It validates nothing, recovers nothing, and nobody gets a turn.

Helped where it can be: contact rows in one statement, reads before the transaction, the contended row last and for the
shortest time, patterns remembered, no dependency injection, 200 deliveries at once over 20 connections.
"""

import argparse
import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue

from des.broker.contract import INGEST_QUEUE
from des.contact import TENANT_DEFAULT, Contact, FieldResult, FieldState
from des.events import batch_finished
from des.people import SEPARATOR
from des.providers.address_patterns import render
from des.providers.names import block_of, company_of, name_key
from des.store.contract import partition_of
from des.v1.contact_pb2 import ContactBatch
from des.wire import decode_contacts

PREFETCH = 200
CONNECTIONS = 20
SAMPLES_MIN = 3

_PEOPLE = """
    select q.index, p.email, p.phone from unnest($2::text[], $3::integer[]) as q (key, index)
    join directory_person p on p.tenant = $1 and p.identity = q.key
    union all
    select q.index, p.email, p.phone from unnest($2::text[], $3::integer[]) as q (key, index)
    join directory_person p on p.tenant = $1 and p.by_company = q.key
"""
_PATTERNS = """
    select distinct on (q.company) q.company, d.pattern, d.people
    from unnest($2::text[]) as q (company)
    join directory_pattern d on d.tenant = $1 and d.domain = coalesce(
        (select c.domain from directory_company c where c.tenant = $1 and c.company = q.company limit 1), q.company
    )
    where d.pattern <> '' order by q.company, d.people desc
"""
_BATCH = """
    insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields, contacts,
        contacts_done, finished_at)
    values ($1, $2, $3, 0, 1, 0, $4, $5, $6, $7, $7, now())
    on conflict do nothing returning seq
"""
_CONTACTS = """
    insert into contact (tenant, erid, batch_id, position, input, fields)
    select $1, $2, $3, u.ordinal - 1, u.input::jsonb, u.fields::jsonb
    from unnest($4::text[], $5::text[]) with ordinality as u (input, fields, ordinal)
"""
_EVENT = "insert into outbox (id, type, tenant, erid, payload) values ($1, $2, $3, $4, $5)"
_TOTALS = """
    insert into enrichment as e (tenant, erid, partition, fields, contacts, contacts_done, batches, batches_done,
        fields_found, fields_not_found, revision)
    values ($1, $2, $3, $4, $5, $5, 1, 1, $6, $7, 1)
    on conflict (tenant, erid) do update set contacts = e.contacts + excluded.contacts,
        contacts_done = e.contacts_done + excluded.contacts_done, batches = e.batches + 1,
        batches_done = e.batches_done + 1, fields_found = e.fields_found + excluded.fields_found,
        fields_not_found = e.fields_not_found + excluded.fields_not_found, revision = e.revision + 1, updated_at = now()
"""

Results = dict[str, FieldResult]


class Worker:
    """Handles one message at a time, many times at once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Take an open pool."""
        self._pool = pool
        self._patterns: dict[str, tuple[str, int] | None] = {}

    async def handle(self, body: bytes) -> None:
        """Do everything for one batch; it is acked when this returns."""
        message = ContactBatch.FromString(body)
        contacts = decode_contacts(body, len(message.contact_list))
        fields = sorted(message.fields_to_be_enriched)
        async with self._pool.acquire() as connection:
            results = await self._enrich(connection, contacts, fields)
            async with connection.transaction():
                await _write(connection, message, contacts, results, hashlib.sha256(body).digest())

    async def _enrich(self, connection: Any, contacts: Sequence[Contact], fields: Sequence[str]) -> list[Results]:
        named = [(company_of(one), name_key(one.first_name, one.last_name, one.full_name)) for one in contacts]
        keys = [SEPARATOR.join((company, block_of(name), name)) for company, name in named]
        people = await connection.fetch(_PEOPLE, TENANT_DEFAULT, keys, list(range(len(keys))))
        known = {index: {"professional_email": email, "phone_number": phone} for index, email, phone in people}
        missed = [index for index in range(len(contacts)) if not known.get(index, {}).get("professional_email")]
        await self._learn(connection, {named[index][0] for index in missed})
        guessed = {index: self._guess(*named[index]) for index in missed}
        return [
            {field: _result(known.get(index, {}).get(field), guessed.get(index), field) for field in fields}
            for index in range(len(contacts))
        ]

    async def _learn(self, connection: Any, companies: set[str]) -> None:
        new = [company for company in companies if company not in self._patterns]
        if new:
            rows = await connection.fetch(_PATTERNS, TENANT_DEFAULT, new)
            self._patterns |= dict.fromkeys(new)
            self._patterns |= {company: (pattern, people) for company, pattern, people in rows}

    def _guess(self, company: str, name: str) -> str | None:
        pattern = self._patterns[company]
        first, _, last = name.partition(" ")
        if pattern is None or pattern[1] < SAMPLES_MIN:
            return None
        local, _, host = pattern[0].partition("@")
        return f"{render(local, first, last)}@{host}"


def _result(known: str | None, guessed: str | None, field: str) -> FieldResult:
    if known:
        return FieldResult(FieldState.FOUND, known, "directory", 1.0)
    if guessed and field == "professional_email":
        return FieldResult(FieldState.FOUND, guessed, "email_pattern", 0.9)
    return FieldResult(FieldState.NOT_FOUND)


async def _write(
    connection: Any, message: ContactBatch, contacts: Sequence[Contact], results: Sequence[Results], digest: bytes
) -> None:
    erid, batch_id, fields = UUID(message.erid), UUID(message.batch_id), list(message.fields_to_be_enriched)
    partition, count = partition_of(TENANT_DEFAULT, erid), len(contacts)
    new = await connection.fetchval(_BATCH, TENANT_DEFAULT, erid, batch_id, partition, digest, fields, count)
    if new is None:
        return
    inputs = [msgspec.json.encode(contact).decode() for contact in contacts]
    outputs = [msgspec.json.encode(each).decode() for each in results]
    await connection.execute(_CONTACTS, TENANT_DEFAULT, erid, batch_id, inputs, outputs)
    event = batch_finished(TENANT_DEFAULT, erid, batch_id, count)
    await connection.execute(_EVENT, uuid4(), event.type, TENANT_DEFAULT, erid, event.payload.decode())
    found = sum(result.state is FieldState.FOUND for each in results for result in each.values())
    asked = count * len(fields)
    await connection.execute(_TOTALS, TENANT_DEFAULT, erid, partition, fields, count, found, asked - found)


async def _body(message: RabbitMessage) -> bytes:
    return message.body


async def run(database_url: str, amqp_url: str) -> None:
    """Work until it is ended."""
    async with asyncpg.create_pool(database_url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        broker = RabbitBroker(
            amqp_url, default_channel=Channel(prefetch_count=PREFETCH), apply_types=False, logger=None
        )
        queue = RabbitQueue(INGEST_QUEUE, queue_type=QueueType.QUORUM, durable=True, declare=False)
        subscriber = broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR, decoder=_body, no_reply=True)
        subscriber(Worker(pool).handle)
        await broker.start()
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--amqp-url", required=True)
    options = parser.parse_args()
    asyncio.run(run(options.database_url, options.amqp_url))


if __name__ == "__main__":
    main()
