"""Dropcontact's dialect: every status and body of its documentation has its outcome, at both ends of the wait."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import DropcontactConfig
from des.contact import Contact
from des.providers.contract import Collects, Outcome, OutcomeKind, Question, Replay
from des.providers.dialects.dropcontact import DIALECT, Dropcontact, query
from des.providers.dialects.dropcontact_results import Submitted, read_handle
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent
from des.providers.transport import Reply
from des.providers.values import Values

FIELDS = ("professional_email",)
NAMES = (("John", "Doe"), ("Jane", "Roe"), ("Ann", "Poe"))
QUESTIONS = [
    Question("default", Contact(first_name=first, last_name=last, company_domain="sayprimer.com"), FIELDS)
    for first, last in NAMES
]
NOT_READY = {"success": False, "error": False, "reason": "Request not ready yet, try again in 30 seconds"}
ACCEPTED = {"credits_left": 15277, "request_id": "qzmxkpvlrtdnhwa", "error": False, "success": True}


def dropcontact(**settings: Any) -> Dropcontact:
    config = DropcontactConfig.model_validate({"kind": "dropcontact", "api_key": "k"} | settings)
    return Dropcontact("dropcontact", config, Values(), SystemClock())


def reply(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return Reply(status, HeaderMap(headers or {}), body)


def jobs(age_s: float = 60.0, *, people: int = 3) -> list[Submitted]:
    sent_at = SystemClock().time() - age_s
    return [Submitted("r1", at, people, sent_at, question.contact) for at, question in enumerate(QUESTIONS[:people])]


def person(at: int, **said: Any) -> dict[str, Any]:
    first, last = NAMES[at]
    email = {"email": f"{first}.{last}@sayprimer.com".lower(), "qualification": "nominative@pro"}
    return {"first_name": first, "last_name": last, "civility": "M", "email": [email]} | said


def ready(*people: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "error": False, "credits_left": 7, "data": list(people)}


def judged(status: int, document: Any, *, age_s: float = 60.0, headers: dict[str, str] | None = None) -> list[Outcome]:
    return dropcontact()._results.judge(jobs(age_s), reply(status, document, headers))


def alone(**said: Any) -> Outcome:
    (outcome,) = dropcontact()._results.judge(jobs(people=1), reply(200, ready(person(0, **said))))
    return outcome


# ---- submission ------------------------------------------------------------------------------------------------------


def test_a_submission_is_pending_at_the_price_that_was_taken() -> None:
    now = SystemClock().time()
    outcomes = dropcontact(price=2.0, poll_after_s=12.0)._submitted(reply(200, ACCEPTED), QUESTIONS, now)
    assert isinstance(outcomes, list)
    for at, outcome in enumerate(outcomes):
        assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.PENDING, 2.0, "qzmxkpvlrtdnhwa")
        assert outcome.handle.startswith(f"qzmxkpvlrtdnhwa:{at} ")
        assert outcome.poll_at is not None
        assert 11.0 < outcome.poll_at - now < 13.0
        job = read_handle(outcome.handle)
        assert job is not None
        assert (job.place, job.people, job.contact) == (at, 3, QUESTIONS[at].contact)


def test_a_handle_carries_no_more_than_is_needed() -> None:
    contact = Contact(first_name="A", last_name="B", email="a@b.com", phone="+49", external_id="7", country="DE")
    question = Question("default", contact, FIELDS)
    outcomes = dropcontact()._submitted(reply(200, ACCEPTED), [question], SystemClock().time())
    assert isinstance(outcomes, list)
    job = read_handle(outcomes[0].handle)
    assert job is not None
    assert job.contact == Contact(first_name="A", last_name="B", country="DE")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (NOT_READY, "Request not ready yet, try again in 30 seconds"),
        ({"success": True, "error": False}, "NO_REQUEST_ID"),
        ({"success": True, "request_id": "../../me"}, "NO_REQUEST_ID"),
        ({"success": False}, "NO_REQUEST_ID"),
        (b"", "UNEXPECTED_BODY"),
        (b"[]", "UNEXPECTED_BODY"),
        (b'{"request_id":7}', "UNEXPECTED_BODY"),
        (b"\xff", "UNEXPECTED_BODY"),
    ],
)
def test_a_submission_without_an_id_may_have_taken_credits(document: Any, reason: str) -> None:
    outcome = dropcontact()._submitted(reply(200, document), QUESTIONS, 0.0)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, reason)


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, {"error": True, "success": False, "reason": "Too many records"}, OutcomeKind.INVALID_INPUT),
        (400, {"error": True, "success": False, "reason": "Missing data in JSON"}, OutcomeKind.INVALID_INPUT),
        (401, {"error": True, "reason": "Access denied"}, OutcomeKind.UNAUTHORIZED),
        (403, {"error": True, "reason": "Not enough credits"}, OutcomeKind.QUOTA_EXHAUSTED),
        (404, {"detail": "Not Found"}, OutcomeKind.UNAUTHORIZED),
        (422, {"detail": "Unprocessable"}, OutcomeKind.INVALID_INPUT),
        (429, {"error": True, "reason": "Too many requests"}, OutcomeKind.RATE_LIMITED),
        (500, {"detail": "Internal Server Error"}, OutcomeKind.TRANSIENT),
        (503, b"", OutcomeKind.TRANSIENT),
        (302, b"", OutcomeKind.UNKNOWN),
    ],
)
def test_every_status_of_a_submission_has_its_outcome(status: int, document: Any, kind: OutcomeKind) -> None:
    outcome = dropcontact()._refused(DIALECT.statuses.kind(status), reply(status, document))
    assert (outcome.kind, outcome.cost, outcome.retry_at) == (kind, 0.0, None)


# ---- collection ------------------------------------------------------------------------------------------------------


def test_people_get_their_own_answers_by_place() -> None:
    first, second, third = judged(200, ready(person(0), {"first_name": "Jane", "last_name": "Roe"}, person(2)))
    assert first.values["professional_email"].value == "john.doe@sayprimer.com"
    assert (second.kind, second.cost) == (OutcomeKind.MISS, 0.0)
    assert third.values["professional_email"].value == "ann.poe@sayprimer.com"
    assert (first.cost, third.cost, first.reference) == (1.0, 1.0, "r1")


def test_everything_that_was_paid_for_is_taken() -> None:
    outcome = alone(mobile_phone="+1 415 555 0132", linkedin="www.linkedin.com/in/john-doe", phone="+1 415 555 0100")
    assert {name: value.value for name, value in outcome.values.items()} == {
        "professional_email": "john.doe@sayprimer.com",
        "phone_number": "+14155550132",
        "linkedin_url": "https://www.linkedin.com/in/john-doe",
    }


@pytest.mark.parametrize(
    ("qualification", "confidence", "verification"),
    [
        ("nominative@pro", 0.95, "valid"),
        ("catch_all@pro", 0.6, "catch_all"),
        ("non_confirm@pro", 0.6, "catch_all"),
        ("no_validated@pro", 0.4, "unknown"),
        ("", 0.4, ""),
    ],
)
def test_confidence_follows_the_qualification(qualification: str, confidence: float, verification: str) -> None:
    outcome = alone(email=[{"email": "j@sayprimer.com", "qualification": qualification}])
    value = outcome.values["professional_email"]
    assert (value.confidence, value.verification, outcome.cost) == (confidence, verification, 1.0)


@pytest.mark.parametrize(
    ("qualification", "cost"),
    [("generic@pro", 1.0), ("random@pro", 1.0), ("nominative@perso", 1.0), ("invalid@pro", 0.0), ("invalid", 0.0)],
)
def test_an_address_that_is_not_the_persons_at_work_is_no_value(qualification: str, cost: float) -> None:
    outcome = alone(email=[{"email": "j@sayprimer.com", "qualification": qualification}])
    assert (outcome.kind, outcome.cost, outcome.values) == (OutcomeKind.MISS, cost, {})


def test_of_several_addresses_the_surest_is_taken() -> None:
    emails = [
        {"email": "info@sayprimer.com", "qualification": "generic@pro"},
        {"email": "j@sayprimer.com", "qualification": "catch_all@pro"},
        {"email": "john@sayprimer.com", "qualification": "nominative@pro"},
    ]
    assert alone(email=emails).values["professional_email"].value == "john@sayprimer.com"


def test_a_profile_without_an_address_costs_nothing() -> None:
    outcome = alone(email=[], linkedin="linkedin.com/in/john-doe")
    assert (outcome.kind, outcome.cost, set(outcome.values)) == (OutcomeKind.FOUND, 0.0, {"linkedin_url"})


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([person(0), person(1)], "WRONG_LENGTH"),
        ([person(0), person(1), person(2), person(0)], "WRONG_LENGTH"),
        ([], "WRONG_LENGTH"),
        ([person(2), person(1), person(0)], "WRONG_ORDER"),
        ([person(0), person(0), person(2)], "WRONG_ORDER"),
        ([person(at, custom_fields={"des": str(2 - at)}) for at in range(3)], "WRONG_ORDER"),
    ],
)
def test_an_answer_out_of_place_is_nobodys(people: list[dict[str, Any]], reason: str) -> None:
    outcomes = judged(200, ready(*people))
    assert {(outcome.kind, outcome.reason, outcome.cost) for outcome in outcomes} == {
        (OutcomeKind.UNKNOWN, reason, 1.0)
    }


def test_an_answer_about_a_stranger_is_that_persons_alone() -> None:
    first, second, third = judged(200, ready(person(0), person(1, first_name="Kate", last_name="Bush"), person(2)))
    assert (first.kind, third.kind) == (OutcomeKind.FOUND, OutcomeKind.FOUND)
    assert (second.kind, second.reason) == (OutcomeKind.UNKNOWN, "ANOTHER_PERSON")


def test_our_mark_permits_a_correction_of_the_name() -> None:
    assert alone(first_name="Ivan").kind is OutcomeKind.UNKNOWN
    assert alone(first_name="Ivan", custom_fields={"des": "0"}).kind is OutcomeKind.FOUND


POLLS: list[tuple[int, Any, str]] = [
    (200, NOT_READY, "Request not ready yet, try again in 30 seconds"),
    (200, {"success": True, "error": False}, "UNEXPECTED_BODY"),
    (200, b"{", "UNEXPECTED_BODY"),
    (200, {"success": True, "data": 7}, "UNEXPECTED_BODY"),
    (401, {"error": True, "reason": "Access denied"}, "HTTP_401"),
    (403, {"error": True, "reason": "Not enough credits"}, "HTTP_403"),
    (404, {"detail": "Not Found"}, "HTTP_404"),
    (429, {"error": True, "reason": "Too many requests"}, "HTTP_429"),
    (500, {"detail": "Internal Server Error"}, "HTTP_500"),
]


@pytest.mark.parametrize(("status", "document", "reason"), POLLS)
def test_what_is_not_there_stays_pending_until_its_own_deadline(status: int, document: Any, reason: str) -> None:
    now = SystemClock().time()
    for job, outcome in zip(jobs(), judged(status, document), strict=True):
        assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.PENDING, reason, 1.0)
        assert outcome.handle.split()[0] == job.handle.split()[0]
        assert outcome.poll_at is not None
        assert 29.0 < outcome.poll_at - now < 32.0
    for outcome in judged(status, document, age_s=3_601.0):
        assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.UNKNOWN, f"GIVEN_UP: {reason}", 1.0)


def test_an_answer_after_the_deadline_is_an_answer() -> None:
    assert judged(200, ready(person(0), person(1), person(2)), age_s=9_999.0)[0].kind is OutcomeKind.FOUND


def test_the_last_look_is_at_the_deadline_and_no_later() -> None:
    now = SystemClock().time()
    outcome = judged(429, {}, age_s=3_590.0, headers={"retry-after": "900"})[0]
    assert outcome.poll_at is not None
    assert 8.0 < outcome.poll_at - now < 11.0


@pytest.mark.parametrize("failed", [NotSent(Fault.CONNECT), MaybeSent(Fault.TIMEOUT)])
def test_a_look_without_a_reply_is_made_again(failed: CallFailed) -> None:
    outcomes = dropcontact()._results.judge(jobs(), failed)
    assert {(outcome.kind, outcome.reason) for outcome in outcomes} == {(OutcomeKind.PENDING, failed.fault.value)}


@pytest.mark.parametrize(
    "handle",
    ["", "r1", "r1:0", "r1:0 {", "r1:1 ['r1',0,1,0.0,{}]", 'r1:1 ["r1",0,2,0.0,{}]', 'r1:2 ["r1",2,2,0.0,{}]',
     '../x:0 ["../x",0,1,0.0,{}]', 'r1:-1 ["r1",-1,2,0.0,{}]'],
)  # fmt: skip
async def test_a_handle_that_is_none_is_unknown_and_asks_nobody(handle: str) -> None:
    (outcome,) = await dropcontact(url="http://127.0.0.1:9").collect([handle])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "INVALID_HANDLE")


# ---- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "record"),
    [
        (QUESTIONS[0].contact, {"first_name": "John", "last_name": "Doe", "website": "sayprimer.com"}),
        (
            Contact(full_name="John Doe", company_name="Say Primer", email="john@sayprimer.com"),
            {"full_name": "John Doe", "company": "Say Primer"},
        ),
        (Contact(linkedin_url="uk.linkedin.com/in/john/?x=1"), {"linkedin": "https://www.linkedin.com/in/john"}),
        (Contact(email="j@x.com"), None),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(company_domain="sayprimer.com"), None),
    ],
)
def test_a_person_is_named_without_an_address_that_would_cost(contact: Contact, record: dict[str, str] | None) -> None:
    assert query(contact) == record


def test_traits_are_the_documented_ones() -> None:
    traits = dropcontact(batch_max=50).traits
    assert (traits.batch_max, traits.rate_windows) == (50, ((60, 1.0),))
    assert (traits.paid, traits.replay, traits.price_max(("professional_email", "phone_number"))) == (
        True,
        Replay.NEVER_FREE,
        1.0,
    )
    assert isinstance(dropcontact(), Collects)
