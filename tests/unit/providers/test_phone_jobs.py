"""Apollo's phone numbers: whatever a poll answers, nothing that was paid for is lost."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.providers.contract import Outcome, OutcomeKind, Value
from des.providers.dialects.phone_jobs import Job, PhoneJobs
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent
from des.providers.transport import Reply, Transport
from des.providers.values import Values

EMAIL = {"professional_email": Value("john.doe@sayprimer.com", 0.95, "valid")}
WITH_EMAIL = Job("-42", "id0", "", EMAIL, 1.0)
WITHOUT = Job("-42", "id0", "US", {}, 1.0)


def jobs() -> PhoneJobs:
    return PhoneJobs("http://127.0.0.1:9", Transport(slots=1, deadline_s=1.0), Values(), SystemClock(), 8.0)


def judged(job: Job, status: int, document: Any, headers: dict[str, str] | None = None) -> Outcome:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return jobs()._judge(job, {"-42": Reply(status, HeaderMap(headers or {}), body)})


def people(*numbers: str, person_id: str = "id0") -> dict[str, Any]:
    phones = [{"sanitized_number": number} for number in numbers]
    return {
        "status": "success",
        "people": [{"id": "other", "phone_numbers": []}, {"id": person_id, "phone_numbers": phones}],
    }


def test_a_handle_holds_the_request_and_what_is_known() -> None:
    assert WITH_EMAIL.handle.startswith("-42 ")
    assert jobs()._read(WITH_EMAIL.handle) == WITH_EMAIL
    assert jobs()._read("-42") == Job("-42")


async def test_a_handle_that_is_none_is_unknown_and_asks_nobody() -> None:
    kinds = [outcome.kind for outcome in await jobs().collect(["", "x", "1/../2", '42 {"a"', "42 [7]"])]
    assert kinds == [OutcomeKind.UNKNOWN] * 5


def test_a_number_joins_what_was_given_and_costs_both() -> None:
    outcome = judged(WITH_EMAIL, 200, people("nonsense", "+14155550132"))
    assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.FOUND, 9.0, "id0")
    assert outcome.values == EMAIL | {"phone_number": Value("+14155550132", 0.7)}
    assert set(judged(WITHOUT, 200, people("(415) 555-0132")).values) == {"phone_number"}


def test_one_who_is_alone_in_a_result_needs_no_id() -> None:
    alone = {"people": [{"id": "id7", "phone_numbers": [{"raw_number": "+14155550132"}]}]}
    assert judged(Job("-42"), 200, alone).values["phone_number"].value == "+14155550132"


def test_no_number_leaves_what_was_given() -> None:
    with_email, without = judged(WITH_EMAIL, 200, people()), judged(WITHOUT, 200, people())
    assert (with_email.kind, with_email.values, with_email.cost) == (OutcomeKind.FOUND, EMAIL, 1.0)
    assert (without.kind, without.reason, without.cost) == (OutcomeKind.MISS, "NO_PHONE", 1.0)


def test_a_result_about_others_is_no_miss() -> None:
    outcome = judged(WITHOUT, 200, people("+14155550132", person_id="id9"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "NOT_IN_RESULT")


@pytest.mark.parametrize(
    ("status", "document", "reason"),
    [
        (400, {"error_code": "invalid_request_id"}, "INVALID_REQUEST_ID"),
        (404, {"error_code": "request_id_unknown"}, "REQUEST_ID_UNKNOWN"),
        (410, {"error_code": "request_id_expired"}, "REQUEST_ID_EXPIRED"),
        (410, b"", "REQUEST_ID_EXPIRED"),
    ],
)
def test_what_will_never_come_ends_the_question(status: int, document: Any, reason: str) -> None:
    without, with_email = judged(WITHOUT, status, document), judged(WITH_EMAIL, status, document)
    assert (without.kind, without.reason, without.cost) == (OutcomeKind.UNKNOWN, reason, 1.0)
    assert (with_email.kind, with_email.reason, with_email.values) == (OutcomeKind.FOUND, reason, EMAIL)


@pytest.mark.parametrize(
    ("status", "document", "headers", "in_s"),
    [
        (404, {"error_code": "result_pending", "retry_after_seconds": 25}, {}, 25.0),
        (404, {"error_code": "result_pending"}, {}, 60.0),
        (404, b"<html>", {}, 60.0),
        (401, b"Invalid access credentials.", {}, 60.0),
        (403, {"error_code": "API_INACCESSIBLE"}, {}, 60.0),
        (429, {"message": "too many"}, {"retry-after": "90"}, 90.0),
        (500, b"", {}, 60.0),
        (200, b"{", {}, 60.0),
        (200, {"people": 7}, {}, 60.0),
    ],
)
def test_what_is_not_there_yet_stays_pending(status: int, document: Any, headers: dict[str, str], in_s: float) -> None:
    now = SystemClock().time()
    outcome = judged(WITH_EMAIL, status, document, headers)
    assert (outcome.kind, outcome.handle) == (OutcomeKind.PENDING, WITH_EMAIL.handle)
    assert outcome.poll_at is not None
    assert in_s - 1 < outcome.poll_at - now < in_s + 2


@pytest.mark.parametrize("failed", [NotSent(Fault.CONNECT), MaybeSent(Fault.TIMEOUT)])
def test_a_poll_without_a_reply_is_made_again(failed: CallFailed) -> None:
    outcome = jobs()._judge(WITH_EMAIL, {"-42": failed})
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PENDING, failed.fault.value)
