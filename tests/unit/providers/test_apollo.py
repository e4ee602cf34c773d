"""Apollo's dialect: every status and body of its documentation has its outcome, alone and within a bulk."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import ApolloConfig
from des.contact import Contact
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay
from des.providers.dialects.apollo import DIALECT, Apollo, query
from des.providers.dialects.packed import Asked
from des.providers.transport import Reply
from des.providers.values import Values

EMAIL = ("professional_email",)
NAMES = (("John", "Doe"), ("Jane", "Roe"), ("Ann", "Poe"))
QUESTIONS = [
    Question("default", Contact(first_name=first, last_name=last, company_domain="sayprimer.com"), EMAIL)
    for first, last in NAMES
]
ASKED: list[Asked[dict[str, str]]] = [(question, {}) for question in QUESTIONS]


def person(at: int, **said: Any) -> dict[str, Any]:
    first, last = NAMES[at]
    return {
        "id": f"id{at}",
        "first_name": first,
        "last_name": last,
        "name": f"{first} {last}",
        "email": f"{first}.{last}@sayprimer.com".lower(),
        "email_status": "verified",
        "title": "Founder",
        "linkedin_url": f"http://www.linkedin.com/in/{first}-{last}".lower(),
        "organization": {"name": "Say Primer"},
        "employment_history": [],
    } | said


def apollo() -> Apollo:
    return Apollo("apollo", ApolloConfig.model_validate({"kind": "apollo", "api_key": "k"}), Values(), SystemClock())


def reply(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return Reply(status, HeaderMap(headers or {}), body)


def judged(document: Any, fields: tuple[str, ...] = EMAIL) -> Outcome:
    return apollo()._judge_one(reply(200, document), Question("default", QUESTIONS[0].contact, fields))


def refused(status: int, document: Any, headers: dict[str, str] | None = None) -> Outcome:
    return apollo()._refused(DIALECT.statuses.kind(status), reply(status, document, headers))


def bulk(*people: Any, **said: Any) -> Any:
    return apollo()._judge_many(reply(200, {"status": "success", "matches": people} | said), ASKED)


def test_a_person_is_found_at_the_price_of_the_settings() -> None:
    outcome = judged({"person": person(0)}, ("professional_email", "linkedin_url", "job_title"))
    assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.FOUND, 1.0, "id0")
    assert {name: value.value for name, value in outcome.values.items()} == {
        "professional_email": "john.doe@sayprimer.com",
        "linkedin_url": "http://www.linkedin.com/in/john-doe",
        "job_title": "Founder",
    }


@pytest.mark.parametrize(
    ("status", "confidence", "verification"),
    [
        ("verified", 0.95, "valid"),
        ("guessed", 0.5, "unknown"),
        ("bounced", 0.05, "invalid"),
        ("", 0.5, ""),
        (None, 0.5, ""),
    ],
)
def test_confidence_follows_the_state_of_the_address(status: str | None, confidence: float, verification: str) -> None:
    email = judged({"person": person(0, email_status=status)}).values["professional_email"]
    assert (email.confidence, email.verification) == (confidence, verification)


@pytest.mark.parametrize("nobody", [None, {}, {"id": None, "name": None, "email": None}])
def test_a_person_who_is_null_or_blank_is_a_miss(nobody: Any) -> None:
    assert judged({"person": nobody}) == MISS


@pytest.mark.parametrize("email", [None, "", "email_not_unlocked@domain.com", "nonsense"])
def test_a_person_without_an_address_was_charged(email: str | None) -> None:
    outcome = judged({"person": person(0, email=email)})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.MISS, "NO_VALUE", 1.0)


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, {"error": "bad"}, OutcomeKind.INVALID_INPUT),
        (401, b"Invalid access credentials.", OutcomeKind.UNAUTHORIZED),
        (402, {"error": "pay"}, OutcomeKind.QUOTA_EXHAUSTED),
        (403, {"error": "no", "error_code": "API_INACCESSIBLE"}, OutcomeKind.UNAUTHORIZED),
        (404, {"error": "not found"}, OutcomeKind.UNKNOWN),
        (410, {"error": "gone"}, OutcomeKind.UNKNOWN),
        (422, {"error": "bad domain"}, OutcomeKind.INVALID_INPUT),
        (422, {"error": "Insufficient credits"}, OutcomeKind.QUOTA_EXHAUSTED),
        (429, {"message": "The maximum number of api calls allowed"}, OutcomeKind.RATE_LIMITED),
        (500, b"", OutcomeKind.TRANSIENT),
        (503, b"", OutcomeKind.TRANSIENT),
        (302, b"", OutcomeKind.UNKNOWN),
    ],
)
def test_every_status_has_its_outcome(status: int, document: Any, kind: OutcomeKind) -> None:
    assert refused(status, document).kind is kind


def test_a_refusal_says_when_to_come_again() -> None:
    now = SystemClock().time()
    told = refused(429, {}, {"retry-after": "7"}).retry_at
    window = refused(429, {}, {"x-minute-requests-left": "3", "x-hourly-requests-left": "0"}).retry_at
    assert told is not None
    assert window is not None
    assert 6.0 < told - now < 9.0
    assert 3_599.0 < window - now < 3_602.0
    assert refused(429, {}).retry_at is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"person":7}', b"\xff"])
def test_success_that_cannot_be_read_may_have_been_charged(body: bytes) -> None:
    provider = apollo()
    assert provider._judge_one(reply(200, body), QUESTIONS[0]).kind is OutcomeKind.UNKNOWN
    whole = provider._judge_many(reply(200, body), ASKED)
    assert isinstance(whole, Outcome)
    assert whole.kind is OutcomeKind.UNKNOWN


def test_a_bulk_is_read_by_position() -> None:
    first, second, third = bulk(person(0), None, person(2), credits_consumed=2, total_requested_enrichments=3)
    assert first.values["professional_email"].value == "john.doe@sayprimer.com"
    assert second == MISS
    assert third.values["professional_email"].value == "ann.poe@sayprimer.com"
    assert [first.cost, third.cost] == [1.0, 1.0]


@pytest.mark.parametrize(("consumed", "cost"), [(None, 1.0), (4, 2.0), (0, 0.0)])
def test_the_people_of_a_bulk_add_up_to_what_was_charged(consumed: int | None, cost: float) -> None:
    outcomes = bulk(person(0), None, person(2), credits_consumed=consumed)
    assert [outcome.cost for outcome in outcomes] == [cost, 0.0, cost]


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([person(0), person(1)], "WRONG_LENGTH"),
        ([person(0), person(1), person(2), person(0)], "WRONG_LENGTH"),
        ([person(2), person(1), person(0)], "WRONG_ORDER"),
        ([None, person(0), None], "WRONG_ORDER"),
        ([person(0), person(0), person(2)], "WRONG_ORDER"),
    ],
)
def test_a_bulk_reply_that_does_not_fit_the_questions_is_unknown_as_a_whole(people: list[Any], reason: str) -> None:
    outcome = bulk(*people)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, reason)


def test_a_bulk_that_counted_otherwise_or_failed_is_unknown() -> None:
    assert bulk(None, None, None, total_requested_enrichments=2).reason == "WRONG_LENGTH"
    assert bulk(None, None, None, error_code="PARTIAL_FAILURE").kind is OutcomeKind.UNKNOWN


def test_another_spelling_of_a_name_is_no_wrong_order() -> None:
    first, *_ = bulk(person(0, name="Johnny Doe", linkedin_url=None, email="jd@other.com"), person(1), person(2))
    assert first.values["professional_email"].value == "jd@other.com"


def test_a_phone_number_comes_later_and_keeps_what_was_given() -> None:
    outcome = judged({"person": person(0), "request_id": -42}, ("phone_number", "professional_email"))
    assert (outcome.kind, outcome.reference, outcome.values) == (OutcomeKind.PENDING, "id0", {})
    assert outcome.handle.startswith("-42 ")
    assert outcome.poll_at is not None


def test_a_phone_number_that_cannot_be_collected_does_not_take_the_address_with_it() -> None:
    outcome = judged({"person": person(0)}, ("phone_number", "professional_email"))
    assert set(outcome.values) == {"professional_email"}
    alone = judged({"person": person(0)}, ("phone_number",))
    assert (alone.kind, alone.reason, alone.cost) == (OutcomeKind.UNKNOWN, "NO_REQUEST_ID", 1.0)
    assert judged({"person": None, "request_id": 42}, ("phone_number",)) == MISS


@pytest.mark.parametrize(
    ("contact", "details"),
    [
        (QUESTIONS[0].contact, {"first_name": "John", "last_name": "Doe", "domain": "sayprimer.com"}),
        (
            Contact(full_name="John Doe", company_name="Say Primer"),
            {"name": "John Doe", "organization_name": "Say Primer"},
        ),
        (
            Contact(linkedin_url="uk.linkedin.com/in/john/?x=1"),
            {"linkedin_url": "https://www.linkedin.com/in/john"},
        ),
        (Contact(email="j@x.com"), {"email": "j@x.com"}),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(company_domain="sayprimer.com"), None),
    ],
)
def test_a_person_is_named_as_the_vendor_wants(contact: Contact, details: dict[str, str] | None) -> None:
    assert query(contact) == details


def test_traits_are_the_documented_ones() -> None:
    traits = apollo().traits
    assert traits.rate_windows == ((20, 60.0),)
    assert (traits.paid, traits.replay, traits.batch_max) == (True, Replay.NEVER_FREE, 10)
