"""Hunter's dialect: every status and body of its documentation has its outcome."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import HunterConfig
from des.contact import Contact
from des.providers.contract import MISS, Outcome, OutcomeKind, Replay
from des.providers.dialects.hunter import Hunter, query
from des.providers.transport import Reply
from des.providers.values import Values

PERSON = {
    "first_name": "John",
    "last_name": "Doe",
    "email": "john.doe@sayprimer.com",
    "score": 82,
    "phone_number": "+1 415 555 0132",
    "verification": {"date": "2026-10-05", "status": "accept_all"},
    "sources": [{"domain": "sayprimer.com", "uri": "https://sayprimer.com/team", "still_on_page": True}],
}


def hunter() -> Hunter:
    config = HunterConfig.model_validate({"kind": "hunter", "api_key": "k"})
    return Hunter("hunter", config, Values(), SystemClock())


def judged(status: int, document: Any, headers: dict[str, str] | None = None) -> Outcome:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return hunter()._judge(Reply(status, HeaderMap(headers or {}), body), "")


def test_a_person_is_found_with_what_was_charged() -> None:
    outcome = judged(200, {"data": PERSON})
    email, phone = outcome.values["professional_email"], outcome.values["phone_number"]
    assert (outcome.kind, outcome.cost) == (OutcomeKind.FOUND, 1.0)
    assert (email.value, email.confidence, email.verification) == ("john.doe@sayprimer.com", 0.82, "catch_all")
    assert email.evidence == "https://sayprimer.com/team"
    assert phone.value == "+14155550132"


@pytest.mark.parametrize("phone", [None, "", "unlisted"])
def test_a_person_without_a_phone_number_has_an_address(phone: str | None) -> None:
    outcome = judged(200, {"data": PERSON | {"phone_number": phone, "verification": None, "sources": []}})
    assert set(outcome.values) == {"professional_email"}


@pytest.mark.parametrize(
    ("verification", "score", "confidence"),
    [("valid", 60, 0.95), ("valid", 99, 0.99), ("invalid", 90, 0.05), ("unknown", 50, 0.5), (None, None, 0.0)],
)
def test_confidence_follows_score_and_verification(
    verification: str | None, score: int | None, confidence: float
) -> None:
    outcome = judged(200, {"data": PERSON | {"score": score, "verification": {"status": verification}}})
    assert outcome.values["professional_email"].confidence == confidence
    assert outcome.values["professional_email"].verification == (verification or "")


def test_nobody_is_a_free_miss() -> None:
    assert judged(200, {"data": {"email": None, "score": None, "phone_number": None, "sources": []}}) == MISS
    assert judged(404, {"errors": [{"id": "not_found", "code": 404}]}) == MISS


def test_an_address_that_is_none_was_charged_all_the_same() -> None:
    outcome = judged(200, {"data": PERSON | {"email": "nonsense", "phone_number": None}})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.MISS, "INVALID_VALUE", 1.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, OutcomeKind.INVALID_INPUT),
        (401, OutcomeKind.UNAUTHORIZED),
        (403, OutcomeKind.RATE_LIMITED),
        (422, OutcomeKind.INVALID_INPUT),
        (429, OutcomeKind.QUOTA_EXHAUSTED),
        (451, OutcomeKind.SUPPRESSED),
        (500, OutcomeKind.TRANSIENT),
        (503, OutcomeKind.TRANSIENT),
        (202, OutcomeKind.UNKNOWN),
        (302, OutcomeKind.UNKNOWN),
        (418, OutcomeKind.UNKNOWN),
    ],
)
def test_every_status_has_its_outcome(status: int, kind: OutcomeKind) -> None:
    assert judged(status, {"errors": [{"id": "x", "code": status, "details": "y"}]}).kind is kind


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data":[]}', b'{"data":{"email":7}}', b"\xff"])
def test_success_that_cannot_be_read_may_have_been_charged(body: bytes) -> None:
    assert judged(200, body).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("contact", "parameters"),
    [
        (
            Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"),
            {"domain": "sayprimer.com", "first_name": "John", "last_name": "Doe"},
        ),
        (
            Contact(full_name="John Doe", company_name="Say Primer Inc."),
            {"company": "Say Primer Inc.", "full_name": "John Doe"},
        ),
        (
            Contact(first_name="John", last_name="Doe", company_domain="https://www.SayPrimer.com/about"),
            {"domain": "sayprimer.com", "first_name": "John", "last_name": "Doe"},
        ),
        (Contact(linkedin_url="https://uk.linkedin.com/in/john-doe/?x=1"), {"linkedin_handle": "john-doe"}),
        (Contact(first_name="John", company_name="sayprimer.com"), None),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(), None),
    ],
)
def test_a_person_is_named_as_the_vendor_wants(contact: Contact, parameters: dict[str, str] | None) -> None:
    assert query(contact) == parameters


def test_traits_are_the_documented_ones() -> None:
    traits = hunter().traits
    assert traits.rate_windows == ((15, 1.0), (500, 60.0))
    assert (traits.paid, traits.replay, traits.batch_max) == (True, Replay.FREE_IN_PERIOD, 1)
