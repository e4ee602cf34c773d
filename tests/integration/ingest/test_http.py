"""`POST /v1/enrichments` as a client sees it."""

import asyncio
import gzip
import io
from typing import Any

import msgspec
import pytest

from des import limits
from des.errors import BrokerUnavailable, Overloaded
from des.wire import TenantResolver, decode_delivery, decode_json
from tests.ingest_publisher import HeldPublisher
from tests.integration.ingest.conftest import Doors
from tests.wire_samples import ERID, JOHN, KNOWN, body

JSON = {"Content-Type": "application/json"}


async def post(doors: Doors, raw: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with doors.http.post("/v1/enrichments", data=io.BytesIO(raw), headers=JSON | named) as answer:
        return answer.status, dict(answer.headers), msgspec.json.decode(await answer.read())


async def test_the_missions_json_is_answered_202_once_it_is_confirmed(doors: Doors, held: HeldPublisher) -> None:
    async with asyncio.TaskGroup() as tasks:
        posting = tasks.create_task(post(doors, body([JOHN, JOHN])))
        await held.arrived(1)
        assert not posting.done()
        held.confirm(0)
    status, headers, answer = posting.result()
    batch = decode_json(body([JOHN, JOHN]), "default", KNOWN)
    assert (status, headers["Location"]) == (202, f"/v1/enrichments/{ERID}")
    assert answer == {
        "erid": ERID,
        "batch_id": str(batch.batch_id),
        "contacts": 2,
        "fields_to_be_enriched": ["phone_number", "professional_email"],
        "location": f"/v1/enrichments/{ERID}",
    }
    assert decode_delivery(held.messages[0].delivery, TenantResolver({}), KNOWN) == [batch]


async def test_a_compressed_body_is_taken(doors: Doors, held: HeldPublisher) -> None:
    held.confirm_all()
    status, _, answer = await post(doors, gzip.compress(body()), Content_Encoding="gzip")
    assert (status, answer["contacts"]) == (202, 1)


async def test_a_large_body_becomes_as_many_messages_as_it_needs(doors: Doors, held: HeldPublisher) -> None:
    held.confirm_all()
    status, _, answer = await post(doors, body([JOHN] * 25_000))
    assert (status, answer["contacts"], len(held.messages)) == (202, 25_000, 3)


@pytest.mark.parametrize(
    ("raw", "headers", "status_and_reason"),
    [
        (b"", {}, (400, "EMPTY_BODY")),
        (b"{", {}, (400, "MALFORMED_JSON")),
        (b"[" * 100_000, {}, (400, "TOO_DEEP")),
        (body(erid="7"), {}, (422, "INVALID_ERID")),
        (body(more=1), {}, (422, "UNKNOWN_KEY")),
        (body(fields_to_be_enriched=["shoe_size"]), {}, (422, "UNKNOWN_FIELD")),
        (body([{"first_name": "x" * 10_000}]), {}, (422, "TEXT_TOO_LONG")),
        (body().replace(b"John", b"\\ud800"), {}, (422, "INVALID_TEXT")),
        (body(), {"Content_Type": "text/plain"}, (415, "UNKNOWN_CONTENT_TYPE")),
        (body(), {"Content_Type": "application/json; charset=utf-16"}, (415, "UNKNOWN_CONTENT_TYPE")),
        (body(), {"Content_Encoding": "compress"}, (415, "UNKNOWN_CONTENT_ENCODING")),
        (body(), {"Content_Encoding": "gzip"}, (400, "MALFORMED_ENCODING")),
        (gzip.compress(b" " * (limits.HTTP_BODY_BYTES_MAX + 1)), {"Content_Encoding": "gzip"}, (413, "TOO_LARGE")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
async def test_bad_input_is_a_problem_by_name_and_the_door_stays_open(
    doors: Doors, held: HeldPublisher, raw: bytes, headers: dict[str, str], status_and_reason: tuple[int, str]
) -> None:
    answered, answer_headers, problem = await post(doors, raw, **headers)
    assert (answered, problem["reason"]) == status_and_reason
    assert problem["status"] == answered
    assert answer_headers["Content-Type"].startswith("application/problem+json")
    assert problem["detail"]
    held.confirm_all()
    assert (await post(doors, body()))[0] == 202


async def test_a_body_said_to_be_too_large_is_not_read(doors: Doors) -> None:
    async def never() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    length = {"Content-Length": str(limits.HTTP_BODY_BYTES_MAX + 1)}
    async with doors.http.post("/v1/enrichments", data=never(), headers=JSON | length) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    ("error", "retry_after"), [(Overloaded("alarm", retry_after_s=4.5), "5"), (BrokerUnavailable(), "1")]
)
async def test_a_broker_that_takes_nothing_is_503_with_a_time_to_come_back(
    doors: Doors, held: HeldPublisher, error: Overloaded | BrokerUnavailable, retry_after: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        posting = tasks.create_task(post(doors, body()))
        await held.arrived(1)
        held.refuse(0, error)
    status, headers, problem = posting.result()
    assert (status, headers["Retry-After"], problem["reason"]) == (503, retry_after, error.reason)
    assert problem["retryable"]


async def test_a_client_that_leaves_takes_nothing_back(doors: Doors, held: HeldPublisher) -> None:
    async with asyncio.TaskGroup() as tasks:
        posting = tasks.create_task(post(doors, body()))
        await held.arrived(1)
        posting.cancel()
    assert doors.intake.bytes_unconfirmed > 0
    held.confirm(0)
    await doors.intake.drain()
