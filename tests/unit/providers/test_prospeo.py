"""Prospeo's dialect: every code, status and body of its documentation has its outcome, alone and within a bulk."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import ProspeoConfig
from des.contact import Contact
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay
from des.providers.dialects.prospeo import Prospeo, _Many, _One, query
from des.providers.transport import Reply
from des.providers.values import Values

BOTH = ("phone_number", "professional_email")
JOHN = Question("default", Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"), BOTH)
PERSON = {
    "person_id": "p1",
    "email": {"status": "VERIFIED", "revealed": True, "email": "john.doe@sayprimer.com"},
    "mobile": {
        "status": "VERIFIED",
        "revealed": True,
        "mobile": "(415) 555-0132",
        "mobile_international": "+1 415 555 0132",
    },
    "job_history": [],
}
EMAIL_ONLY = PERSON | {"mobile": {"status": "VERIFIED", "revealed": False, "mobile": None}}


def prospeo(**changes: Any) -> Prospeo:
    config = ProspeoConfig.model_validate({"kind": "prospeo", "api_key": "k"} | changes)
    return Prospeo("prospeo", config, Values(), SystemClock())


def judged(person: Any, *, free: bool = False, question: Question = JOHN) -> Outcome:
    said = msgspec.convert({"free_enrichment": free, "person": person}, _One)
    provider = prospeo()
    return provider._found(said.person, question, provider._price(said.person, free=said.free_enrichment))


def refused(status: int, document: Any, headers: dict[str, str] | None = None, *, many: bool = False) -> Outcome:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return prospeo()._refused(Reply(status, HeaderMap(headers or {}), body), many=many)


def bulk(**said: Any) -> Any:
    document = {"matched": [], "not_matched": [], "invalid_datapoints": []} | said
    return prospeo()._sorted_out(msgspec.convert(document, _Many), [JOHN] * 3)


def match(at: int, person: Any = PERSON, *, free: bool = False) -> dict[str, Any]:
    return {"identifier": str(at), "free_enrichment": free, "person": person, "company": {}}


def test_a_person_is_found_with_what_was_charged() -> None:
    outcome = judged(PERSON)
    email, phone = outcome.values["professional_email"], outcome.values["phone_number"]
    assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.FOUND, 10.0, "p1")
    assert (email.value, email.confidence, email.verification) == ("john.doe@sayprimer.com", 0.95, "valid")
    assert (phone.value, phone.confidence) == ("+14155550132", 0.9)
    assert judged(EMAIL_ONLY).cost == 1.0
    assert judged(PERSON, free=True).cost == 0.0


def test_an_unverified_address_is_less_sure() -> None:
    unverified = {"status": "UNVERIFIED", "revealed": True, "email": "john.doe@sayprimer.com"}
    email = judged(PERSON | {"email": unverified}).values["professional_email"]
    assert (email.confidence, email.verification) == (0.5, "unknown")
    mobile = {"status": None, "revealed": True, "mobile": "+14155550132"}
    assert judged(PERSON | {"mobile": mobile}).values["phone_number"].confidence == 0.6


@pytest.mark.parametrize(
    "email",
    [
        None,
        {"status": "VERIFIED", "revealed": False, "email": "j***@sayprimer.com"},
        {"status": None, "revealed": True, "email": None},
        {"status": "VERIFIED", "revealed": True, "email": "nonsense"},
    ],
)
def test_a_match_without_a_value_was_charged(email: Any) -> None:
    outcome = judged({"person_id": "p1", "email": email})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.MISS, "NO_VALUE", 1.0)


CODES = [
    (400, "NO_MATCH", OutcomeKind.MISS),
    (404, "NO_MATCH", OutcomeKind.MISS),
    (400, "INVALID_DATAPOINTS", OutcomeKind.INVALID_INPUT),
    (400, "INVALID_REQUEST", OutcomeKind.INVALID_INPUT),
    (400, "INSUFFICIENT_CREDITS", OutcomeKind.QUOTA_EXHAUSTED),
    (400, "INTERNAL_ERROR", OutcomeKind.TRANSIENT),
    (401, "INVALID_API_KEY", OutcomeKind.UNAUTHORIZED),
    (429, "RATE_LIMIT_EXCEEDED", OutcomeKind.RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
def test_every_code_has_its_outcome(status: int, code: str, kind: OutcomeKind) -> None:
    outcome = refused(status, {"error": True, "error_code": code})
    assert (outcome.kind, outcome.cost) == (kind, 0.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, OutcomeKind.UNKNOWN),
        (401, OutcomeKind.UNAUTHORIZED),
        (404, OutcomeKind.UNKNOWN),
        (429, OutcomeKind.RATE_LIMITED),
        (500, OutcomeKind.TRANSIENT),
        (302, OutcomeKind.UNKNOWN),
    ],
)
@pytest.mark.parametrize("document", [b"<html>", b"", b"\xff", {"error_code": "SOMETHING_NEW"}, {}])
def test_the_status_decides_where_no_known_code_does(status: int, kind: OutcomeKind, document: Any) -> None:
    assert refused(status, document).kind is kind


def test_one_code_is_no_miss_for_many() -> None:
    assert refused(400, {"error_code": "NO_MATCH"}, many=True).kind is OutcomeKind.UNKNOWN


def test_a_refusal_says_when_to_come_again() -> None:
    now, body = SystemClock().time(), {"error_code": "RATE_LIMIT_EXCEEDED"}
    headers = {"x-minute-request-left": "0", "x-minute-reset-seconds": "12", "x-daily-request-left": "1900"}
    at = refused(429, body, headers).retry_at
    assert at is not None
    assert 11.0 < at - now < 14.0
    assert refused(429, body).retry_at is None


def test_a_bulk_is_read_by_identifier_whatever_its_order() -> None:
    other = PERSON | {"email": {"status": "VERIFIED", "revealed": True, "email": "a@sayprimer.com"}}
    first, second, third = bulk(matched=[match(2, other), match(0)], not_matched=["1"], total_cost=20)
    assert first.values["professional_email"].value == "john.doe@sayprimer.com"
    assert second == MISS
    assert third.values["professional_email"].value == "a@sayprimer.com"


def test_bad_input_within_a_bulk_is_its_items_own() -> None:
    first, second, third = bulk(matched=[match(0)], invalid_datapoints=["1"], not_matched=["2"])
    assert [first.kind, second.kind, third.kind] == [OutcomeKind.FOUND, OutcomeKind.INVALID_INPUT, OutcomeKind.MISS]


@pytest.mark.parametrize(("total", "costs"), [(11, [10.0, 1.0, 0.0]), (22, [20.0, 2.0, 0.0]), (None, [10.0, 1.0, 0.0])])
def test_the_matches_of_a_bulk_add_up_to_what_was_charged(total: float | None, costs: list[float]) -> None:
    outcomes = bulk(matched=[match(0), match(1, EMAIL_ONLY), match(2, free=True)], total_cost=total)
    assert [outcome.cost for outcome in outcomes] == costs


@pytest.mark.parametrize(
    "said",
    [
        {"matched": [match(0)], "not_matched": ["1"]},
        {"matched": [match(0), match(0)], "not_matched": ["1", "2"]},
        {"matched": [match(0), match(1)], "not_matched": ["1", "2"]},
        {"matched": [match(0), match(1)], "not_matched": ["3"]},
        {"matched": [match(0), match(1)], "not_matched": ["02"]},
    ],
    ids=["missing", "twice", "in two lists", "stranger", "another spelling"],
)
def test_a_bulk_reply_that_does_not_fit_the_questions_is_unknown_as_a_whole(said: Any) -> None:
    outcome = bulk(**said)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "WRONG_IDENTIFIERS")


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        (("professional_email",), (True, False, False)),
        (("phone_number",), (False, True, True)),
        (BOTH, (False, True, False)),
    ],
)
def test_a_call_asks_and_pays_for_no_more_than_is_wanted(fields: tuple[str, ...], flags: tuple[bool, ...]) -> None:
    assert tuple(prospeo()._flags(fields).values()) == flags
    assert not prospeo(only_verified_email=False)._flags(fields)["only_verified_email"]


@pytest.mark.parametrize(
    ("contact", "datapoints"),
    [
        (
            Contact(first_name="John", last_name="Doe", company_name="Say Primer", company_domain="sayprimer.com"),
            {
                "first_name": "John",
                "last_name": "Doe",
                "company_name": "Say Primer",
                "company_website": "sayprimer.com",
            },
        ),
        (Contact(full_name="John Doe", company_name="Primer"), {"full_name": "John Doe", "company_name": "Primer"}),
        (Contact(linkedin_url="linkedin.com/in/john"), {"linkedin_url": "https://www.linkedin.com/in/john"}),
        (Contact(email="j@x.com"), {"email": "j@x.com"}),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(), None),
    ],
)
def test_a_person_is_named_as_the_vendor_wants(contact: Contact, datapoints: dict[str, str] | None) -> None:
    assert query(contact) == datapoints


def test_traits_are_the_documented_ones() -> None:
    traits = prospeo().traits
    assert traits.rate_windows == ((5, 1.0), (300, 60.0))
    assert (traits.paid, traits.replay, traits.batch_max) == (True, Replay.FREE_FOR_LIFE, 50)
