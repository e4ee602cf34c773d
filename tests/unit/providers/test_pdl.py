"""People Data Labs' dialect: every status and body of its documentation has its outcome, alone and within a bulk."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import PdlConfig
from des.contact import Contact
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay
from des.providers.dialects.pdl import Pdl, query
from des.providers.transport import Reply
from des.providers.values import Values

FIELDS = ("professional_email", "phone_number", "linkedin_url", "job_title")
JOHN = Question("default", Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"), FIELDS)
DATA = {
    "id": "pdl_1",
    "work_email": "John.Doe@SayPrimer.com",
    "mobile_phone": None,
    "phone_numbers": ["+1 415 555 0132"],
    "linkedin_url": "linkedin.com/in/john-doe",
    "job_title": "founder",
}
NOT_FOUND = {"status": 404, "error": {"type": "not_found", "message": "No records were found"}}
SPENT = "x-call-credits-spent"


def pdl() -> Pdl:
    return Pdl("pdl", PdlConfig.model_validate({"kind": "pdl", "api_key": "k"}), Values(), SystemClock())


def reply(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return Reply(status, HeaderMap(headers or {}), body)


def judged(status: int, document: Any, headers: dict[str, str] | None = None) -> Outcome:
    return pdl()._judge_one(reply(status, document, headers), JOHN)


def bulk(*items: dict[str, Any], headers: dict[str, str] | None = None, status: int = 200) -> Any:
    return pdl()._judge_many(reply(status, list(items), headers), [JOHN] * 3)


def item(at: int, **said: Any) -> dict[str, Any]:
    return {"status": 200, "likelihood": 8, "data": DATA, "metadata": {"at": at}} | said


def miss(at: int) -> dict[str, Any]:
    return NOT_FOUND | {"metadata": {"at": at}}


def test_a_person_is_found_with_what_was_charged() -> None:
    outcome = judged(200, {"status": 200, "likelihood": 8, "data": DATA}, {SPENT: "2"})
    assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.FOUND, 2.0, "pdl_1")
    assert {name: value.value for name, value in outcome.values.items()} == {
        "professional_email": "John.Doe@sayprimer.com",
        "phone_number": "+14155550132",
        "linkedin_url": "https://linkedin.com/in/john-doe",
        "job_title": "founder",
    }
    assert {value.confidence for value in outcome.values.values()} == {0.8}


@pytest.mark.parametrize("spent", ["", "free", "nan", "-1", "inf"])
def test_the_price_is_that_of_the_settings_where_no_header_tells(spent: str) -> None:
    assert judged(200, {"status": 200, "data": DATA}, {SPENT: spent}).cost == 1.0


@pytest.mark.parametrize(("likelihood", "confidence"), [(1, 0.1), (6, 0.6), (10, 1.0), (99, 1.0), (None, 0.0)])
def test_confidence_is_a_tenth_of_the_likelihood(likelihood: int | None, confidence: float) -> None:
    outcome = judged(200, {"status": 200, "likelihood": likelihood, "data": DATA})
    assert outcome.values["professional_email"].confidence == confidence


def test_a_record_that_only_says_that_there_is_a_value_was_charged_and_has_none() -> None:
    hidden = {"id": "pdl_1", "work_email": True, "phone_numbers": True, "linkedin_url": None, "job_title": 7}
    outcome = judged(200, {"status": 200, "likelihood": 8, "data": hidden})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.MISS, "NO_VALUE", 1.0)


def test_only_what_was_asked_for_is_answered() -> None:
    question = Question("default", JOHN.contact, ("job_title",))
    outcome = pdl()._judge_one(reply(200, {"status": 200, "likelihood": 8, "data": DATA}), question)
    assert set(outcome.values) == {"job_title"}


def test_nobody_is_a_free_miss() -> None:
    assert judged(404, NOT_FOUND) == MISS
    assert judged(404, {"status": 404, "error": {"type": ["not_found"]}}) == MISS


@pytest.mark.parametrize("document", [b"<html>no such page</html>", {}, {"status": 404, "error": {"type": "route"}}])
def test_a_404_that_is_not_the_vendors_is_no_miss(document: Any) -> None:
    assert judged(404, document).kind is OutcomeKind.UNKNOWN


STATUSES = [
    (400, "invalid_request_error", OutcomeKind.INVALID_INPUT),
    (401, "authentication_error", OutcomeKind.UNAUTHORIZED),
    (402, "payment_required", OutcomeKind.QUOTA_EXHAUSTED),
    (405, "invalid_request_error", OutcomeKind.UNAUTHORIZED),
    (429, "rate_limit_error", OutcomeKind.RATE_LIMITED),
    (500, "api_error", OutcomeKind.TRANSIENT),
    (503, "api_error", OutcomeKind.TRANSIENT),
    (302, "", OutcomeKind.UNKNOWN),
    (418, "", OutcomeKind.UNKNOWN),
]


@pytest.mark.parametrize(("status", "error", "kind"), STATUSES)
def test_every_status_has_its_outcome(status: int, error: str, kind: OutcomeKind) -> None:
    document = {"status": status, "error": {"type": error, "message": "x"}}
    assert judged(status, document).kind is kind
    assert judged(status, b"").kind is kind
    assert bulk(status=status).kind is kind


@pytest.mark.parametrize(("status", "error", "kind"), STATUSES)
def test_every_status_within_a_bulk_is_its_items_own(status: int, error: str, kind: OutcomeKind) -> None:
    refused = {"status": status, "error": {"type": error, "message": "x"}, "metadata": {"at": 1}}
    first, second, third = bulk(item(0), refused, miss(2))
    assert (first.kind, second.kind, third) == (OutcomeKind.FOUND, kind, MISS)
    assert second.reason == f"HTTP_{status}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"status":200}', b'{"status":200,"data":7}', b"\xff"])
def test_success_that_cannot_be_read_may_have_been_charged(body: bytes) -> None:
    assert judged(200, body).kind is OutcomeKind.UNKNOWN
    assert pdl()._judge_many(reply(200, body), [JOHN] * 3).kind is OutcomeKind.UNKNOWN  # type: ignore[union-attr] # one outcome for the whole call


@pytest.mark.parametrize(
    "items",
    [
        [item(0), item(1)],
        [item(0), item(1), item(2), item(2)],
        [item(1), item(0), item(2)],
        [item(0), item(0), item(2)],
        [item(0), item(1), {"status": 404, "error": {"type": "not_found"}}],
        [item(0), item(1), item(2, metadata={"at": "2"})],
    ],
    ids=["short", "long", "turned", "twice", "without", "other"],
)
def test_a_bulk_reply_that_does_not_fit_the_questions_is_unknown_as_a_whole(items: list[dict[str, Any]]) -> None:
    outcome = bulk(*items)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "WRONG_ORDER")


def test_a_bulk_reply_of_404_is_no_miss() -> None:
    assert bulk(status=404).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("spent", "costs"), [("2", [1.0, 0.0, 1.0]), ("3", [1.5, 0.0, 1.5]), ("", [1.0, 0.0, 1.0]), ("0", [0.0, 0.0, 0.0])]
)
def test_the_items_of_a_bulk_add_up_to_what_was_charged(spent: str, costs: list[float]) -> None:
    outcomes = bulk(item(0), miss(1), item(2), headers={SPENT: spent})
    assert [outcome.cost for outcome in outcomes] == costs


def test_a_charge_for_nobody_is_not_lost() -> None:
    assert [outcome.cost for outcome in bulk(miss(0), miss(1), miss(2), headers={SPENT: "3"})] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("contact", "parameters"),
    [
        (
            Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"),
            {"first_name": "John", "last_name": "Doe", "company": "sayprimer.com"},
        ),
        (Contact(full_name="John Doe", company_name="Say Primer"), {"name": "John Doe", "company": "Say Primer"}),
        (Contact(linkedin_url="https://uk.linkedin.com/in/john/"), {"profile": "linkedin.com/in/john"}),
        (Contact(email="j@x.com", first_name="J"), {"email": "j@x.com", "name": "J"}),
        (Contact(phone="+14155550132"), {"phone": "+14155550132"}),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(company_name="sayprimer.com"), None),
        (Contact(), None),
    ],
)
def test_a_person_is_named_as_the_vendor_wants(contact: Contact, parameters: dict[str, str] | None) -> None:
    assert query(contact) == parameters


def test_a_record_without_what_is_asked_for_is_not_paid() -> None:
    params = pdl()._params(Question("default", JOHN.contact, ("professional_email", "phone_number")))
    assert params is not None
    assert params["required"] == "work_email OR mobile_phone OR phone_numbers"
    assert params["data_include"] == "id,work_email,mobile_phone,phone_numbers"
    assert params["min_likelihood"] == 6


def test_traits_are_the_documented_ones() -> None:
    traits = pdl().traits
    assert traits.rate_windows == ((100, 60.0),)
    assert (traits.paid, traits.replay, traits.batch_max) == (True, Replay.NEVER_FREE, 80)
