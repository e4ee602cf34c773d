"""Results and events as streams: whole, in order, once; and clients that come back, read slowly or leave."""

import asyncio
import contextlib
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest

from des.clock import SystemClock
from des.serving.results import Results
from des.serving.watcher import Watcher
from des.v1 import enrichment_pb2 as pb
from tests.integration.serving.conftest import Serving
from tests.integration.serving.population import EMAIL, PHONE, Population, people
from tests.integration.serving.stub import Stub


async def test_ndjson_has_every_finished_contact_once_in_order(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(2_500))
    started = await population.accept(erid, people(10, 2_500))
    await population.finish(erid, started, people(3, 2_504), first=4)
    await population.accept(erid, people(5, 9_000))
    for number in range(3_000, 3_020):
        await population.finished_batch(erid, people(1, number))
    async with http.get(f"/v1/enrichments/{erid}/results?format=ndjson") as answer:
        assert answer.content_type == "application/x-ndjson"
        lines = [json.loads(line) async for line in answer.content]
    numbers = [int(line["first_name"][1:]) for line in lines]
    assert numbers == [*range(2_500), 2_504, 2_505, 2_506, *range(3_000, 3_020)]
    assert lines[0]["enriched"][EMAIL]["value"] == "p0@example.com"


async def test_grpc_streams_the_same_contacts(stub: Stub, population: Population) -> None:
    erid = await population.open()
    await population.finished_batch(erid, people(2_500))
    groups = [group async for group in stub.StreamResults(pb.StreamResultsRequest(erid=str(erid)))]
    assert [one.contact.first_name for group in groups for one in group.contacts] == [f"P{n}" for n in range(2_500)]
    assert all(group.contacts for group in groups)


@pytest.mark.parametrize("reopened_from", [0, 500, 1_200, 2_499])
@pytest.mark.parametrize("read", [1_000, 2_000])
async def test_a_slow_follower_gets_what_was_reopened_while_it_read(
    serving: Serving, population: Population, read: int, reopened_from: int
) -> None:
    """A budget is raised, and what it had ended is outstanding again, then done: each contact is sent once."""
    erid = await population.open()
    await population.finished_batch(erid, people(2_500))
    await population.finished_batch(erid, people(10, 2_500))
    sealed = await serving.store.seal("default", erid)
    assert sealed.ended
    results = Results(serving.store, serving.watcher, SystemClock())
    seen: list[str] = []
    async with (
        asyncio.TaskGroup() as tasks,
        contextlib.aclosing(results.groups("default", erid, follow=True)) as groups,
    ):
        async for group in groups:
            seen += [one.contact.first_name for one in group]
            if len(seen) == read:
                await population.reopen(erid, reopened_from)
                tasks.create_task(population.end_again(erid, after_s=0.3))
    assert len(seen) == len(set(seen)) == 2_510


async def test_csv_has_a_row_a_contact(http: aiohttp.ClientSession, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.finished_batch(erid, people(2))
    async with http.get(f"/v1/enrichments/{erid}/results?format=csv") as answer:
        rows = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
    assert [row["first_name"] for row in rows] == ["P0", "P1"]
    assert rows[1]["batch_id"] == str(batch_id)
    assert (rows[1][EMAIL], rows[1][f"{EMAIL}_provider"]) == ("p1@example.com", "directory")
    assert (rows[1][PHONE], rows[1][f"{PHONE}_state"], rows[1][f"{PHONE}_confidence"]) == ("", "not_found", "")


async def test_a_follower_gets_what_finishes_later_and_ends_with_the_enrichment(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    first = await population.accept(erid, people(100))
    await population.finish(erid, first, people(10, 50), first=50)
    async with http.get(f"/v1/enrichments/{erid}/results?follow=true") as answer:
        seen = [int(json.loads(await answer.content.readline())["first_name"][1:]) for _ in range(10)]
        assert seen == list(range(50, 60))
        second = await population.accept(erid, people(1, 200))
        await population.finish(erid, second, people(1, 200))
        assert json.loads(await answer.content.readline())["first_name"] == "P200"
        await population.finish(erid, first, people(50))
        await population.finish(erid, first, people(40, 60), first=60)
        async with http.post(f"/v1/enrichments/{erid}:seal"):
            rest = [int(json.loads(line)["first_name"][1:]) async for line in answer.content]
    assert sorted(rest) == [*range(50), *range(60, 100)]


async def test_grpc_followers_end_with_a_cancelled_enrichment(stub: Stub, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    stream = stub.StreamResults(pb.StreamResultsRequest(erid=str(erid), follow=True))
    await population.finish(erid, batch_id, people(1))
    assert [one.position for one in (await anext(aiter(stream))).contacts] == [0]
    await stub.CancelEnrichment(pb.CancelEnrichmentRequest(erid=str(erid)))
    await population.finish(erid, batch_id, people(1, 1), first=1)
    assert [[one.position for one in group.contacts] async for group in stream] == [[1]]


async def test_grpc_watchers_see_progress_until_completion(stub: Stub, population: Population) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    stream = aiter(stub.WatchEnrichment(pb.WatchEnrichmentRequest(erid=str(erid))))
    assert (await anext(stream)).enrichment.progress.contacts_done == 0
    await population.finish(erid, batch_id, people(1))
    assert (await anext(stream)).enrichment.progress.contacts_done == 1
    await stub.SealEnrichment(pb.SealEnrichmentRequest(erid=str(erid)))
    assert (await anext(stream)).enrichment.sealed
    await population.finish(erid, batch_id, people(1, 1), first=1)
    last = [one.enrichment async for one in stream][-1]
    assert last.state == pb.ENRICHMENT_STATE_COMPLETED
    assert last.progress.contacts_done == 2


async def test_an_event_source_that_comes_back_is_told_what_it_has_not_seen(
    http: aiohttp.ClientSession, population: Population
) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(2))
    path = f"/v1/enrichments/{erid}/events"
    async with http.get(path) as answer:
        assert answer.content_type == "text/event-stream"
        seen = await anext(_events(answer))
    await population.finish(erid, batch_id, people(1))
    async with http.get(path, headers={"Last-Event-ID": seen["id"]}) as answer:
        events = _events(answer)
        news = await anext(events)
        assert news["data"]["progress"]["contacts_done"] == 1
    async with http.get(path, headers={"Last-Event-ID": news["id"]}) as answer:
        events = _events(answer)
        await population.finish(erid, batch_id, people(1, 1), first=1)
        assert (await anext(events))["data"]["state"] == "settled"
        async with http.post(f"/v1/enrichments/{erid}:seal"):
            last = [event async for event in events][-1]
    assert (last["event"], last["data"]["state"]) == ("ended", "completed")
    async with http.get(path, headers={"Last-Event-ID": last["id"]}) as answer:
        assert answer.status == 204
    async with http.get(path) as answer:
        assert [event["id"] async for event in _events(answer)] == [last["id"]]


async def test_what_the_process_commits_itself_wakes_its_watchers_at_once(
    serving: Serving, population: Population
) -> None:
    erid = await population.open()
    batch_id = await population.accept(erid, people(1))
    watcher = Watcher(serving.store, interval_s=3_600)
    await watcher.start()
    async with watcher.watch("default", erid) as watch:
        watcher.notify("default", erid)  # the first look is over when this has been seen to
        await population.finish(erid, batch_id, people(1))
        watcher.notify("default", erid)
        changed = await watch.change(within_s=30)
    assert changed is not None
    assert changed.progress.contacts_done == 1
    await watcher.stop()


async def test_a_client_that_does_not_read_holds_no_connection(serving: Serving, population: Population) -> None:
    erid = await population.open()
    for start in range(0, 30_000, 3_000):
        await population.finished_batch(erid, people(3_000, start))
    slow = [await _half_read(serving, f"/v1/enrichments/{erid}/results") for _ in range(12)]
    async with aiohttp.ClientSession(serving.url) as http, http.get(f"/v1/enrichments/{erid}?page_size=1") as answer:
        assert answer.status == 200  # the pool has ten connections, and twelve streams are stuck
    rest = 0
    for reader, writer in slow:
        rest += _unchunked(await reader.read()).count(b'"position"')
        writer.close()
    assert rest == 12 * 30_000


async def test_a_client_that_leaves_is_watched_for_no_more(serving: Serving, population: Population) -> None:
    erid = await population.open()
    before = asyncio.all_tasks()
    clients = [
        await _half_read(serving, f"/v1/enrichments/{erid}/{what}") for what in ("events", "results?follow=true")
    ]
    assert len(serving.watcher) == 1
    for _, writer in clients:
        writer.transport.abort()
    await _until_nobody_watches(serving.watcher, asyncio.all_tasks() - before)


async def test_a_grpc_client_that_leaves_is_watched_for_no_more(
    serving: Serving, stub: Stub, population: Population
) -> None:
    erid = await population.open()
    before = asyncio.all_tasks()
    watch = stub.WatchEnrichment(pb.WatchEnrichmentRequest(erid=str(erid)))
    await anext(aiter(watch))
    assert len(serving.watcher) == 1
    watch.cancel()
    await _until_nobody_watches(serving.watcher, asyncio.all_tasks() - before)


async def test_a_stop_releases_streams(serving: Serving, population: Population) -> None:
    erid = await population.open()
    events, events_writer = await _half_read(serving, f"/v1/enrichments/{erid}/events")
    results, results_writer = await _half_read(serving, f"/v1/enrichments/{erid}/results?follow=true")
    async with asyncio.timeout(3):
        await serving.http.stop()
        assert (await events.read()).endswith(b"0\r\n\r\n")  # ended: the client comes again
        with contextlib.suppress(ConnectionError):
            assert not (await results.read()).endswith(b"0\r\n\r\n")  # cut: what it has is not the whole
    events_writer.close()
    results_writer.close()


async def test_a_stop_tells_grpc_watchers_to_come_again(serving: Serving, stub: Stub, population: Population) -> None:
    erid = await population.open()
    watch = stub.WatchEnrichment(pb.WatchEnrichmentRequest(erid=str(erid)))
    await anext(aiter(watch))
    async with asyncio.timeout(3):
        await serving.grpc.stop()
    assert await watch.code() is grpc.StatusCode.UNAVAILABLE


async def _half_read(serving: Serving, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a stream and read no more than the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.http.port, limit=1_024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    return reader, writer


def _unchunked(body: bytes) -> bytes:
    """The body of an answer in chunks (RFC 9112, 7.1)."""
    pieces: list[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(pieces)


async def _until_nobody_watches(watcher: Watcher, tasks: set[asyncio.Task[Any]]) -> None:
    """Wait while tasks that serve the clients that have left end one by one, for the last watch to end."""
    while len(watcher):
        done, tasks = await asyncio.wait(tasks, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert done, f"{watcher} after {tasks}"


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if not name and "id" in event:
            yield {**event, "data": json.loads(event["data"])}
            event = {}
        elif name:
            event[name] = value
