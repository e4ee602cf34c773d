"""What the described provider makes of replies; the calls themselves are the conformance suite's."""

import textwrap
import tomllib
from typing import Any, get_args

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import HttpProviderConfig, OutcomeName, ReplayName
from des.contact import FieldType
from des.errors import ConfigError
from des.providers import http
from des.providers.contract import Outcome, OutcomeKind, Replay, Value
from des.providers.dialects import apollo, dropcontact, fullenrich, hunter, pdl, prospeo
from des.providers.http import HttpProvider
from des.providers.transport import Reply
from des.providers.values import Values

TYPES = {"professional_email": FieldType.EMAIL, "phone_number": FieldType.PHONE}


class NoonClock(SystemClock):
    def time(self) -> float:
        return 1_000_000.0


def provider(**changes: Any) -> HttpProvider:
    config = {
        "kind": "http",
        "request": {"url": "https://api.example/v1", "query": {"name": "{name!}"}},
        "values": {"professional_email": {"path": "data.email"}},
    } | changes
    return HttpProvider("acme", HttpProviderConfig.model_validate(config), TYPES, Values(), NoonClock())


def judged(status: int, document: Any, headers: dict[str, str] | None = None, **changes: Any) -> Outcome:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return provider(**changes)._judge(Reply(status, HeaderMap(headers or {}), body), "")


FOUND = {"data": {"email": "John.Doe@SAYPRIMER.com", "score": 80, "status": "valid", "seen": "https://x.example"}}


def test_the_description_in_the_docs_works() -> None:
    text = textwrap.dedent((http.__doc__ or "").partition("plain vendor:\n")[2])
    (config,) = tomllib.loads(text)["providers"].values()
    described = HttpProvider("plain", HttpProviderConfig.model_validate(config), TYPES, Values(), NoonClock())
    assert described.traits.gives == {"professional_email", "phone_number"}
    assert described.traits.slots == 16


def test_names_of_settings_are_those_of_the_contract() -> None:
    assert set(get_args(OutcomeName)) == set(OutcomeKind)
    assert set(get_args(ReplayName)) == set(Replay)


def test_a_found_answer_carries_everything_described() -> None:
    value = {
        "path": "data.email",
        "confidence_path": "data.score",
        "confidence_scale": 100,
        "verification_path": "data.status",
        "evidence_path": "data.seen",
    }
    outcome = judged(
        200, FOUND | {"id": 7, "cost": 2}, values={"professional_email": value}, reference_path="id", cost_path="cost"
    )
    expected = Value("John.Doe@sayprimer.com", 0.8, "valid", "https://x.example")
    assert outcome == Outcome(OutcomeKind.FOUND, {"professional_email": expected}, reference="7", cost=2.0)


@pytest.mark.parametrize(
    ("score", "confidence"), [(80, 0.8), ("55", 0.55), (250, 1.0), (-3, 0.0), (None, 0.4), ("high", 0.4), (True, 0.4)]
)
def test_confidence_is_on_one_scale(score: object, confidence: float) -> None:
    value = {"path": "data.email", "confidence": 0.4, "confidence_path": "data.score", "confidence_scale": 100}
    outcome = judged(200, {"data": {"email": "a@b.com", "score": score}}, values={"professional_email": value})
    assert outcome.values["professional_email"].confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.FOUND),
        (201, OutcomeKind.FOUND),
        (302, OutcomeKind.TRANSIENT),
        (400, OutcomeKind.INVALID_INPUT),
        (401, OutcomeKind.UNAUTHORIZED),
        (402, OutcomeKind.QUOTA_EXHAUSTED),
        (403, OutcomeKind.UNAUTHORIZED),
        (404, OutcomeKind.MISS),
        (405, OutcomeKind.TRANSIENT),
        (410, OutcomeKind.MISS),
        (422, OutcomeKind.INVALID_INPUT),
        (429, OutcomeKind.RATE_LIMITED),
        (451, OutcomeKind.SUPPRESSED),
        (500, OutcomeKind.TRANSIENT),
        (503, OutcomeKind.TRANSIENT),
    ],
)
def test_statuses_mean_what_http_says(status: int, kind: OutcomeKind) -> None:
    assert judged(status, FOUND).kind is kind


@pytest.mark.parametrize(("status", "kind"), [(500, "unknown"), (502, "unknown"), (503, "transient"), (504, "unknown")])
def test_what_a_server_has_charged_that_could_not_end_a_call_nobody_knows(status: int, kind: str) -> None:
    assert judged(status, FOUND, paid=True).kind == kind
    assert judged(status, FOUND).kind is OutcomeKind.TRANSIENT


@pytest.mark.parametrize(
    ("status", "email", "reason"), [(200, None, ""), (200, "no address", "INVALID_VALUE"), (404, None, "")]
)
def test_a_miss_costs_what_its_answer_says(status: int, email: str | None, reason: str) -> None:
    document = {"data": {"email": email}, "cost": 3}
    outcome = judged(status, document, paid=True, price=3.0, cost_path="cost")
    assert (outcome.kind, outcome.cost, outcome.reason) == (OutcomeKind.MISS, 3.0, reason)
    assert judged(status, document, paid=True, price=3.0).cost == 0.0


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": {"email": ""}}, {"data": {"email": None}}, [], b""])
def test_success_without_a_value_is_a_miss(document: object) -> None:
    assert judged(200, document) == Outcome(OutcomeKind.MISS)


def test_a_value_that_is_none_is_a_miss_that_says_so() -> None:
    outcome = judged(200, {"data": {"email": "not an address"}})
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MISS, "INVALID_VALUE")


@pytest.mark.parametrize("body", [b"<html>", b'{"data":', b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_unknown_where_it_costs(body: bytes) -> None:
    assert judged(200, body).kind is OutcomeKind.TRANSIENT
    assert judged(200, body, paid=True).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("hint", "after_s"),
    [
        ("7", 7.0),
        ("Mon, 12 Jan 1970 13:47:40 GMT", 60.0),
        ("Mon, 12 Jan 1970 13:00:00 GMT", 0.0),
        ("99999999", 86_400.0),
        ("soon", None),
        ("-1", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(hint: str | None, after_s: float | None) -> None:
    outcome = judged(429, {}, {} if hint is None else {"Retry-After": hint})
    assert outcome.retry_at == (None if after_s is None else 1_000_000.0 + after_s)


RULES = [
    {
        "status": [404],
        "when": {"path": "error.code", "equals": "no_such_route"},
        "outcome": "transient",
        "reason": "ROUTE",
    },
    {"status": [200], "when": {"path": "ok", "equals": False}, "outcome": "rate_limited"},
    {"when": {"path": "optout", "exists": True}, "outcome": "suppressed", "reason": "OPT_OUT"},
    {"status": [418], "outcome": "miss"},
]


@pytest.mark.parametrize(
    ("status", "document", "kind", "reason"),
    [
        (404, {"error": {"code": "no_such_route"}}, OutcomeKind.TRANSIENT, "ROUTE"),
        (404, {"error": {"code": "nobody"}}, OutcomeKind.MISS, ""),
        (200, FOUND | {"ok": False}, OutcomeKind.RATE_LIMITED, "HTTP_200"),
        (200, FOUND | {"ok": 0}, OutcomeKind.FOUND, ""),
        (200, FOUND | {"ok": True}, OutcomeKind.FOUND, ""),
        (200, FOUND | {"optout": 1}, OutcomeKind.SUPPRESSED, "OPT_OUT"),
        (418, FOUND, OutcomeKind.MISS, ""),
    ],
)
def test_the_first_rule_that_fits_decides(status: int, document: Any, kind: OutcomeKind, reason: str) -> None:
    outcome = judged(status, document, outcomes=RULES)
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": {"shoe_size": {"path": "a"}}}, r"^providers\.acme\.values\.shoe_size: no field is called"),
        ({"values": {"phone_number": {"path": "a..b"}}}, r"^providers\.acme\.values\.phone_number\.path: "),
        (
            {"outcomes": [{"when": {"path": "[", "exists": True}, "outcome": "miss"}]},
            r"^providers\.acme\.outcomes\[0\]\.when",
        ),
        ({"reference_path": "a b"}, r"^providers\.acme\.reference_path: "),
        ({"request": {"url": "https://a.example/{x}"}}, r"^providers\.acme\.request\.url: "),
    ],
)
def test_a_description_that_cannot_work_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        provider(**changes)


@pytest.mark.parametrize("vendor", [apollo, dropcontact, fullenrich, hunter, pdl, prospeo])
def test_what_a_gateway_says_in_place_of_a_vendor_is_no_answer_of_it(vendor: Any) -> None:
    kinds = [vendor.DIALECT.statuses.kind(status) for status in (500, 502, 503, 504)]
    assert kinds == ["transient", "unknown", "transient", "unknown"]
