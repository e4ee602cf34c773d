"""FullEnrich's dialect: every status and body of its reference has its outcome, asked for or delivered."""

import hmac
from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import FullEnrichConfig
from des.contact import Contact
from des.providers.contract import MISS, Collects, Outcome, OutcomeKind, Question, Replay
from des.providers.dialects.fullenrich import DIALECT, FullEnrich, entry
from des.providers.dialects.fullenrich_results import JOB_STATUSES, Mark, Submitted, read_handle
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent
from des.providers.transport import Reply
from des.providers.values import Values
from des.providers.webhook import BodyUnreadable, Replayed, SignatureMissing, SignatureWrong

ALL = ("professional_email", "personal_email", "phone_number")
NAMES = (("John", "Doe"), ("Jane", "Roe"), ("Ann", "Poe"))
QUESTIONS = [
    Question("default", Contact(first_name=first, last_name=last, company_domain="sayprimer.com", country="US"), ALL)
    for first, last in NAMES
]
ENRICHMENT = "2db5ea61-1752-42cf-8ea1-ab1da060cd0a"
IN_PROGRESS = {"code": "error.enrichment.in_progress", "message": "Enrichment not ready, try again in 30 seconds"}
WORK = {"most_probable_work_email": {"email": "john.doe@sayprimer.com", "status": "DELIVERABLE"}}
PERSONAL = {"most_probable_personal_email": {"email": "johndoe@mail.example", "status": "DELIVERABLE"}}
PHONE = {"most_probable_phone": {"number": "(415) 555-0132", "region": "US"}}


def fullenrich(**settings: Any) -> FullEnrich:
    config = FullEnrichConfig.model_validate({"kind": "fullenrich", "api_key": "k"} | settings)
    return FullEnrich("fullenrich", config, Values(), SystemClock())


def reply(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return Reply(status, HeaderMap(headers or {}), body)


def jobs(age_s: float = 60.0, fields: tuple[str, ...] = ALL) -> list[Submitted]:
    sent_at = round(SystemClock().time() - age_s, 3)
    return [Submitted(ENRICHMENT, Mark(place, fields, "US", sent_at)) for place in range(3)]


def person(job: Submitted, *info: dict[str, Any], **said: Any) -> dict[str, Any]:
    first, last = NAMES[job.mark.place]
    asked = {"first_name": first, "last_name": last, "company_domain": "sayprimer.com"}
    found = {"contact_info": {key: value for part in info for key, value in part.items()}} if info else {}
    return {"input": asked, "custom": {"des": job.mark.text}} | found | said


def result(*people: dict[str, Any], status: str = "FINISHED", cost: float | None = None) -> dict[str, Any]:
    told = {} if cost is None else {"cost": {"credits": cost}}
    return {"id": ENRICHMENT, "name": "DES", "status": status, "data": list(people)} | told


def alone(*info: dict[str, Any], fields: tuple[str, ...] = ALL, **said: Any) -> Outcome:
    mine = jobs(fields=fields)[:1]
    (outcome,) = fullenrich()._results.judge(mine, reply(200, result(person(mine[0], *info, **said))))
    return outcome


# ---- submission ------------------------------------------------------------------------------------------------------


def test_a_submission_is_pending_and_has_cost_nothing_yet() -> None:
    marks = [job.mark for job in jobs(0.0)]
    now = SystemClock().time()
    outcomes = fullenrich()._submitted(reply(200, {"enrichment_id": ENRICHMENT}), marks)
    assert isinstance(outcomes, list)
    for mark, outcome in zip(marks, outcomes, strict=True):
        assert (outcome.kind, outcome.cost, outcome.reference) == (OutcomeKind.PENDING, 0.0, ENRICHMENT)
        assert read_handle(outcome.handle) == Submitted(ENRICHMENT, mark)
        assert outcome.poll_at is not None
        assert 59.0 < outcome.poll_at - now < 62.0


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"enrichment_id":7}', b'{"enrichment_id":"a/b"}', b"\xff"])
def test_a_submission_without_an_id_may_be_charged(body: bytes) -> None:
    outcome = fullenrich()._submitted(reply(200, body), [job.mark for job in jobs()])
    assert isinstance(outcome, Outcome)
    assert outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.PENDING),
        (400, OutcomeKind.INVALID_INPUT),
        (401, OutcomeKind.UNAUTHORIZED),
        (402, OutcomeKind.QUOTA_EXHAUSTED),
        (403, OutcomeKind.UNAUTHORIZED),
        (404, OutcomeKind.UNAUTHORIZED),
        (422, OutcomeKind.INVALID_INPUT),
        (429, OutcomeKind.RATE_LIMITED),
        (500, OutcomeKind.TRANSIENT),
        (503, OutcomeKind.TRANSIENT),
        (302, OutcomeKind.UNKNOWN),
    ],
)
def test_every_status_of_a_submission_has_its_outcome(status: int, kind: OutcomeKind) -> None:
    assert DIALECT.statuses.kind(status) is kind


# ---- collection ------------------------------------------------------------------------------------------------------


def test_people_get_their_own_answers_by_mark_in_any_order() -> None:
    mine = jobs()
    jane = {"most_probable_work_email": {"email": "jane.roe@sayprimer.com", "status": "CATCH_ALL"}}
    document = result(person(mine[2]), person(mine[1], jane), person(mine[0], WORK, PERSONAL, PHONE), cost=15)
    first, second, third = fullenrich()._results.judge(mine, reply(200, document))
    assert {name: value.value for name, value in first.values.items()} == {
        "professional_email": "john.doe@sayprimer.com",
        "personal_email": "johndoe@mail.example",
        "phone_number": "+14155550132",
    }
    assert second.values["professional_email"].value == "jane.roe@sayprimer.com"
    assert third == MISS
    assert [first.cost, second.cost, third.cost] == [14.0, 1.0, 0.0]


@pytest.mark.parametrize(("told", "costs"), [(None, [1.0, 10.0]), (11.0, [1.0, 10.0]), (0.0, [0.0, 0.0])])
def test_costs_add_up_to_what_the_vendor_says(told: float | None, costs: list[float]) -> None:
    mine = jobs()
    document = result(person(mine[0], WORK), person(mine[1], PHONE), person(mine[2]), cost=told)
    assert [outcome.cost for outcome in fullenrich()._results.judge(mine, reply(200, document))][:2] == costs


@pytest.mark.parametrize(
    ("status", "confidence", "verification"),
    [
        ("DELIVERABLE", 0.95, "valid"),
        ("HIGH_PROBABILITY", 0.85, "catch_all"),
        ("CATCH_ALL", 0.6, "catch_all"),
        ("SOMETHING", 0.4, "unknown"),
        ("", 0.4, "unknown"),
    ],
)
def test_confidence_follows_the_status_of_the_address(status: str, confidence: float, verification: str) -> None:
    value = alone({"most_probable_work_email": {"email": "j@x.com", "status": status}}).values["professional_email"]
    assert (value.confidence, value.verification) == (confidence, verification)


def test_an_invalid_address_is_no_value_and_free() -> None:
    assert alone({"most_probable_work_email": {"email": "j@x.com", "status": "INVALID"}}) == MISS


@pytest.mark.parametrize(
    ("fields", "price"), [(("professional_email",), 1.0), (("personal_email",), 3.0), (("phone_number",), 10.0)]
)
def test_only_what_was_asked_for_is_taken_at_its_price(fields: tuple[str, ...], price: float) -> None:
    info = {"professional_email": WORK, "personal_email": PERSONAL, "phone_number": PHONE}[fields[0]]
    outcome = alone(info, fields=fields)
    assert (outcome.kind, outcome.cost, tuple(outcome.values)) == (OutcomeKind.FOUND, price, fields)


def test_what_was_charged_for_a_value_that_is_none_stands_on_the_miss() -> None:
    outcome = alone({"most_probable_phone": {"number": "nonsense"}})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.MISS, "NO_VALUE", 10.0)


def test_a_profile_of_a_stranger_is_no_answer() -> None:
    outcome = alone(WORK, profile={"first_name": "Kate", "last_name": "Bush", "full_name": "Kate Bush"})
    assert (outcome.kind, outcome.reason, outcome.cost) == (OutcomeKind.UNKNOWN, "ANOTHER_PERSON", 1.0)
    assert alone(WORK, profile={"full_name": "Jon Doe"}).kind is OutcomeKind.FOUND


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ("CREATED", OutcomeKind.PENDING, ""),
        ("IN_PROGRESS", OutcomeKind.PENDING, ""),
        ("RATE_LIMIT", OutcomeKind.PENDING, "RATE_LIMIT"),
        ("NEVER_HEARD_OF", OutcomeKind.PENDING, "NEVER_HEARD_OF"),
        ("FINISHED", OutcomeKind.MISS, ""),
        ("CREDITS_INSUFFICIENT", OutcomeKind.QUOTA_EXHAUSTED, "CREDITS_INSUFFICIENT"),
        ("CANCELED", OutcomeKind.UNKNOWN, "CANCELED"),
        ("UNKNOWN", OutcomeKind.UNKNOWN, "UNKNOWN"),
    ],
)
def test_every_status_of_an_enrichment_has_its_outcome(status: str, kind: OutcomeKind, reason: str) -> None:
    mine = jobs()
    document = result(*(person(job) for job in mine), status=status)
    http = 402 if status == "CREDITS_INSUFFICIENT" else 200
    for outcome in fullenrich()._results.judge(mine, reply(http, document)):
        assert (outcome.kind, outcome.reason) == (kind, reason)
        assert bool(outcome.handle) == (kind is OutcomeKind.PENDING)


def test_every_documented_status_is_known() -> None:
    documented = "CREATED IN_PROGRESS CANCELED CREDITS_INSUFFICIENT FINISHED RATE_LIMIT UNKNOWN"
    assert set(JOB_STATUSES) == set(documented.split())


@pytest.mark.parametrize("status", ["CREDITS_INSUFFICIENT", "CANCELED"])
def test_what_an_enrichment_found_before_it_ended_was_paid_for(status: str) -> None:
    mine = jobs()
    document = result(person(mine[0], WORK), person(mine[1]), status=status, cost=1)
    first, second, third = fullenrich()._results.judge(mine, reply(200, document))
    assert (first.kind, first.cost) == (OutcomeKind.FOUND, 1.0)
    assert (second.kind, third.kind) == (JOB_STATUSES[status], JOB_STATUSES[status])


def test_one_who_is_missing_from_a_finished_enrichment_is_no_miss() -> None:
    mine = jobs()
    first, second, _ = fullenrich()._results.judge(mine, reply(200, result(person(mine[0]), person(mine[2]))))
    assert first == MISS
    assert (second.kind, second.reason) == (OutcomeKind.UNKNOWN, "NOT_IN_RESULT")


def test_one_who_stands_twice_in_a_result_is_not_guessed() -> None:
    mine = jobs()
    people = [person(mine[0], WORK), person(mine[0], PHONE), person(mine[1], WORK)]
    first, second, _ = fullenrich()._results.judge(mine, reply(200, result(*people)))
    assert (first.kind, first.reason) == (OutcomeKind.UNKNOWN, "TWICE_IN_RESULT")
    assert second.kind is OutcomeKind.FOUND


POLLS: list[tuple[int, Any, str]] = [
    (400, IN_PROGRESS, ""),
    (400, {"code": "error.other"}, "HTTP_400"),
    (401, {"code": "error.api.key", "message": "Unknown api key"}, "HTTP_401"),
    (402, b"", "UNEXPECTED_BODY"),
    (402, {"id": "", "status": "CREDITS_INSUFFICIENT"}, "ANOTHER_ENRICHMENT"),
    (404, b"<html>", "HTTP_404"),
    (429, {"code": "error.rate.limit", "message": "Too many requests. Try again in 1m"}, "HTTP_429"),
    (500, b"", "HTTP_500"),
    (200, b"{", "UNEXPECTED_BODY"),
    (200, {"id": ENRICHMENT}, "NO_STATUS"),
    (200, {"id": "another", "status": "FINISHED", "data": []}, "ANOTHER_ENRICHMENT"),
]


@pytest.mark.parametrize(("status", "document", "reason"), POLLS)
def test_what_is_not_there_stays_pending_until_its_own_deadline(status: int, document: Any, reason: str) -> None:
    now = SystemClock().time()
    mine = jobs()
    for job, outcome in zip(mine, fullenrich()._results.judge(mine, reply(status, document)), strict=True):
        assert (outcome.kind, outcome.reason, outcome.handle) == (OutcomeKind.PENDING, reason, job.handle)
        assert outcome.poll_at is not None
        assert 59.0 < outcome.poll_at - now < 62.0
    late = fullenrich(answer_deadline_s=50.0)._results.judge(mine, reply(status, document))
    given_up = f"GIVEN_UP: {reason}" if reason else "GIVEN_UP"
    assert {(outcome.kind, outcome.reason) for outcome in late} == {(OutcomeKind.UNKNOWN, given_up)}


def test_an_enrichment_that_nobody_knows_will_never_come() -> None:
    document = {"code": "error.enrichment.not_found", "message": "Enrichment ID not found"}
    outcomes = fullenrich()._results.judge(jobs(), reply(404, document))
    assert {(o.kind, o.reason) for o in outcomes} == {(OutcomeKind.UNKNOWN, "ENRICHMENT_NOT_FOUND")}


@pytest.mark.parametrize("failed", [NotSent(Fault.CONNECT), MaybeSent(Fault.TIMEOUT)])
def test_a_look_without_a_reply_is_made_again(failed: CallFailed) -> None:
    outcomes = fullenrich()._results.judge(jobs(), failed)
    assert {(outcome.kind, outcome.reason) for outcome in outcomes} == {(OutcomeKind.PENDING, failed.fault.value)}


@pytest.mark.parametrize(
    "handle",
    ["", "id", "id:0", "id:0:e:US", "id:x:e:US:1.000", "id:0:z:US:1.000", "id:00:e:US:1.000", "a/b:0:e:US:1.000",
     "id:0:e:US:1", "id:0:e:US:nan:", ":0:e:US:1.000"],
)  # fmt: skip
async def test_a_handle_that_is_none_is_unknown_and_asks_nobody(handle: str) -> None:
    (outcome,) = await fullenrich(url="http://127.0.0.1:9").collect([handle])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "INVALID_HANDLE")


# ---- deliveries ------------------------------------------------------------------------------------------------------


def signed(document: Any, key: str = "k") -> tuple[bytes, str]:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return body, hmac.new(key.encode(), body, "sha1").hexdigest()


def test_a_delivery_brings_the_answers_of_its_handles() -> None:
    mine = jobs()
    document = result(person(mine[1]), person(mine[0], WORK), {"custom": {"other": "1"}}, cost=1)
    (first, miss), (second, found) = fullenrich().receive(*signed(document))
    assert (first, second) == (mine[1].handle, mine[0].handle)
    assert (miss, found.cost) == (MISS, 1.0)


def test_one_person_may_be_delivered_before_the_others() -> None:
    mine = jobs()
    ((handle, outcome),) = fullenrich().receive(*signed(result(person(mine[2], PHONE), status="IN_PROGRESS", cost=99)))
    assert (handle, outcome.kind, outcome.cost) == (mine[2].handle, OutcomeKind.FOUND, 10.0)


def test_a_delivery_of_what_is_not_finished_brings_nothing() -> None:
    mine = jobs()
    assert fullenrich().receive(*signed(result(person(mine[0]), person(mine[1]), status="RATE_LIMIT"))) == []


def test_a_delivery_is_taken_once_unless_it_could_not_be_kept() -> None:
    provider = fullenrich()
    body, signature = signed(result(person(jobs()[0], WORK)))
    provider.receive(body, signature)
    with pytest.raises(Replayed):
        provider.receive(body, signature)
    provider.reject(signature)
    assert len(provider.receive(body, signature.upper())) == 1


def test_what_is_not_signed_by_the_key_is_not_read() -> None:
    provider = fullenrich()
    body, signature = signed(result(person(jobs()[0], WORK)), key="another")
    with pytest.raises(SignatureWrong):
        provider.receive(body, signature)
    with pytest.raises(SignatureMissing):
        provider.receive(body, None)


def test_a_signed_body_that_cannot_be_read_may_come_again() -> None:
    provider = fullenrich()
    for _ in range(2):
        with pytest.raises(BodyUnreadable):
            provider.receive(*signed(b"{"))


# ---- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        (QUESTIONS[0].contact, {"first_name": "John", "last_name": "Doe", "domain": "sayprimer.com"}),
        (
            Contact(full_name="Ana Maria de Souza", company_name="Say Primer"),
            {"first_name": "Ana", "last_name": "Maria de Souza", "company_name": "Say Primer"},
        ),
        (
            Contact(linkedin_url="uk.linkedin.com/in/john/?x=1"),
            {"linkedin_url": "https://www.linkedin.com/in/john"},
        ),
        (Contact(full_name="Cher", company_name="Say Primer"), None),
        (Contact(first_name="John", last_name="Doe"), None),
        (Contact(email="j@x.com", company_domain="x.com"), None),
    ],
)
def test_a_person_is_named_as_the_vendor_wants(contact: Contact, said: dict[str, str] | None) -> None:
    asked = entry(Question("default", contact, ("phone_number", "professional_email")))
    fields = {"enrich_fields": ["contact.phones", "contact.work_emails"]}
    assert asked == (said and said | fields)


def test_nobody_is_asked_for_nothing() -> None:
    assert entry(Question("default", QUESTIONS[0].contact, ("job_title",))) is None


@pytest.mark.parametrize(("country", "told"), [("us", "US"), ("U:S", ""), ("États-Unis", ""), ("", "")])
def test_a_mark_holds_a_country_code_or_none(country: str, told: str) -> None:
    from des.providers.dialects.fullenrich_results import country_of  # noqa: PLC0415 (used here alone)

    assert country_of(Contact(country=country)) == told


def test_traits_are_the_documented_ones() -> None:
    traits = fullenrich().traits
    assert (traits.batch_max, traits.rate_windows) == (100, ((60, 60.0),))
    assert (traits.paid, traits.replay, traits.price_max(ALL)) == (True, Replay.FREE_UNLESS_CONCURRENT, 14.0)
    assert isinstance(fullenrich(), Collects)
