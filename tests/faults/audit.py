"""The audit: what is in Postgres, on the broker, on the doors and what was announced, against what was sent.

Everything is compared whole, so that a lost contact, a doubled one and one that nobody sent are all found.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import aiormq
import asyncpg
import grpc
import msgspec

from des import events
from des.broker.contract import DEAD_QUEUE, INGEST_QUEUE, SMALL_QUEUE
from des.contact import TENANT_DEFAULT, Contact, FieldResult
from des.v1 import enrichment_pb2
from des.v1.enrichment_pb2_grpc import EnrichmentServiceStub
from tests.faults.announced import Announced
from tests.faults.population import Batch, contact_of, sent, truth_of

Position = tuple[UUID, UUID, int]

_ROWS = "select erid, batch_id, position, input, fields from contact"
_STATES = ("found", "not_found", "failed", "suppressed", "over_budget", "cancelled")
_EMPTY = {
    "outbox": "select count(*) from outbox",
    "quarantine": "select count(*) from quarantine",
    "payloads of finished batches": "select count(*) from batch where payload is not null",
    "unfinished batches": "select count(*) from batch where finished_at is null or contacts_done <> contacts",
    "leases of a worker that has stopped": "select count(*) from lease where owner is not null",
    "other tenants' rows": "select count(*) from enrichment where tenant <> 'default'",
}


def expected_contacts(batches: Iterable[Batch]) -> dict[Position, tuple[dict[str, str], dict[str, Any]]]:
    """Input and truth of each position."""
    return {
        (*batch.key, position): (contact_of(number), truth_of(number, batch.fields))
        for batch in batches
        for position, number in enumerate(batch.numbers)
    }


async def audit_contacts(database: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    """Every contact once, as it was sent, with what it must have become; nothing that was never sent."""
    found: dict[Position, tuple[dict[str, str], dict[str, Any]]] = {}
    for erid, batch_id, position, contact, fields in await database.fetch(_ROWS):
        results = msgspec.json.decode(fields, type=dict[str, FieldResult])
        truth = {name: (result.state, result.value) for name, result in results.items()}
        found[erid, batch_id, position] = sent(msgspec.json.decode(contact, type=Contact)), truth
    expected = expected_contacts(batches)
    lost, phantoms = expected.keys() - found.keys(), found.keys() - expected.keys()
    assert not lost, f"{len(lost)} of {len(expected)} contacts are lost: {list(lost)[:3]}"
    assert not phantoms, f"{len(phantoms)} contacts were never sent: {list(phantoms)[:3]}"
    wrong = [(where, found[where], expected[where]) for where in expected if found[where] != expected[where]]
    assert not wrong, f"{len(wrong)} contacts are not what they must be: {wrong[:2]}"


async def audit_batches(database: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    """Every batch whole; nothing waits, nothing is left over."""
    rows = await database.fetch(
        "select erid, batch_id, sum(contacts) as contacts, count(*) = max(parts) as whole from batch group by 1, 2"
    )
    found = {(row["erid"], row["batch_id"]): row["contacts"] for row in rows}
    assert found == {batch.key: len(batch.numbers) for batch in batches}
    assert all(row["whole"] for row in rows)
    left = {what: await database.fetchval(query) for what, query in _EMPTY.items()}
    assert left == dict.fromkeys(_EMPTY, 0)


async def audit_counts(database: asyncpg.Connection) -> None:
    """The counts of each object are those of its rows."""
    counters = ", ".join(f"fields_{state}" for state in _STATES)
    rows = await database.fetch(
        f"select erid, contacts, contacts_done, batches, batches_done, {counters} from enrichment"  # noqa: S608 - our own names
    )
    contacts = await _numbers(database, "select erid, count(*) from contact group by 1")
    batches = await _numbers(database, "select erid, count(distinct batch_id) from batch group by 1")
    states: Counter[tuple[UUID, str]] = Counter()
    for erid, state, count in await database.fetch(
        "select erid, value->>'state', count(*) from contact, jsonb_each(fields) group by 1, 2"
    ):
        states[erid, state] += count
    for row in rows:
        erid = row["erid"]
        assert row["contacts"] == row["contacts_done"] == contacts.get(erid, 0), erid
        assert row["batches"] == row["batches_done"] == batches.get(erid, 0), erid
        assert {state: row[f"fields_{state}"] for state in _STATES} == {
            state: states[erid, state] for state in _STATES
        }, erid


async def audit_events(database: asyncpg.Connection, batches: Sequence[Batch], announced: Announced) -> None:
    """Every change announced under its own id, the last revision with the counts that are there; nothing else."""
    expected = {
        events.batch_finished(TENANT_DEFAULT, batch.erid, batch.batch_id, len(batch.numbers)).id for batch in batches
    }
    rows = await database.fetch("select erid, revision, completed, contacts, batches from enrichment")
    for row in rows:
        revisions = range(1, row["revision"] + 1)
        no_progress = events.Progress(0, 0, 0, 0, {})
        settled = [events.enrichment_settled(TENANT_DEFAULT, row["erid"], r, no_progress, ()).id for r in revisions]
        completed = events.enrichment_completed(TENANT_DEFAULT, row["erid"], row["revision"], no_progress, ()).id
        if row["completed"]:
            settled.pop()  # sealed when it was settled: the last revision is that of its completion
            expected.add(completed)
        expected.update(settled)
        last = announced.events[completed if row["completed"] else settled[-1]].data
        assert last["revision"] == row["revision"]
        assert (last["progress"]["contacts_done"], last["progress"]["batches_done"]) == (
            row["contacts"],
            row["batches"],
        )
    assert announced.changed == []
    missing, phantoms = expected - announced.events.keys(), announced.events.keys() - expected
    assert not missing, f"{len(missing)} of {len(expected)} events never came"
    assert not phantoms, f"never happened: {[announced.events[one] for one in phantoms][:3]}"


async def audit_broker(amqp_url: str) -> None:
    """Nothing waits, and nothing was given up."""
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        for queue in (INGEST_QUEUE, SMALL_QUEUE, DEAD_QUEUE):
            answer = await channel.queue_declare(queue, passive=True)
            assert answer.message_count == 0, f"{answer.message_count} messages are in {queue}"


async def audit_objects(grpc_address: str, http_address: str, batches: Sequence[Batch]) -> None:
    """Readers see the same: progress by HTTP and gRPC, every contact once in the results."""
    expected: dict[UUID, set[tuple[str, int]]] = {}
    for batch in batches:
        positions = expected.setdefault(batch.erid, set())
        positions.update((str(batch.batch_id), position) for position in range(len(batch.numbers)))
    async with aiohttp.ClientSession(http_address) as http, grpc.aio.insecure_channel(grpc_address) as channel:
        service = EnrichmentServiceStub(channel)
        for erid, positions in expected.items():
            lines = (await _get(http, f"/v1/enrichments/{erid}/results?format=ndjson")).splitlines()
            contacts = [msgspec.json.decode(line) for line in lines]
            assert len(contacts) == len(positions)
            assert {(one["batch_id"], one["position"]) for one in contacts} == positions
            document = msgspec.json.decode(await _get(http, f"/v1/enrichments/{erid}?page_size=1"))
            assert document["progress"]["contacts"] == document["progress"]["contacts_done"] == len(positions)
            answer = await service.GetEnrichment(enrichment_pb2.GetEnrichmentRequest(erid=str(erid), page_size=1))
            assert answer.enrichment.progress.contacts_done == len(positions)
            assert answer.enrichment.state == enrichment_pb2.ENRICHMENT_STATE_SETTLED
            assert answer.enrichment.revision == document["revision"]


async def seal(http_address: str, erids: Iterable[UUID]) -> None:
    """Seal each, as its owner would when it has sent everything."""
    async with aiohttp.ClientSession(http_address) as http:
        for erid in erids:
            async with http.post(f"/v1/enrichments/{erid}:seal") as answer:
                assert answer.status == 200, await answer.text()


async def checksum(database: asyncpg.Connection, *, but: UUID | None = None) -> dict[str, str]:
    """Return a checksum of each table that holds the truth, over all rows but those of one ERID."""
    sums = {}
    for table in ("enrichment", "batch", "contact", "outbox", "quarantine"):
        rows = f"select t::text as row from {table} t where t.erid::text is distinct from $1"  # noqa: S608 - our own names
        query = f"select coalesce(md5(string_agg(row, ',' order by row)), '') from ({rows}) r"  # noqa: S608 - our own names
        sums[table] = await database.fetchval(query, str(but))
    return sums


async def _numbers(database: asyncpg.Connection, query: str) -> dict[UUID, int]:
    return {row[0]: row[1] for row in await database.fetch(query)}


async def _get(http: aiohttp.ClientSession, path: str) -> bytes:
    async with http.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()
