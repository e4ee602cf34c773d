"""Hunter's verifier: each word of its documentation in ours, what it costs, and what is asked again later."""

from typing import Any

import msgspec
import pytest
from pyreqwest.http import HeaderMap

from des.clock import SystemClock
from des.config_providers import HunterVerifierConfig
from des.contact import Contact
from des.providers.contract import VERDICT, Outcome, OutcomeKind, Question, Verification
from des.providers.dialects.hunter_verifier import HunterVerifier
from des.providers.transport import Reply
from des.sandbox.vendors import hunter_verifier as desk
from des.testing.sandbox import sandbox_thread

ADDRESS = "john.doe@sayprimer.com"


def verifier(url: str = "https://api.hunter.io") -> HunterVerifier:
    config = {"kind": "hunter_verifier", "api_key": "k", "url": url, "price": 0.5, "rate": (), "poll_after_s": 7}
    return HunterVerifier("hunter_verifier", HunterVerifierConfig.model_validate(config), SystemClock())


def judged(status: int, document: Any) -> Outcome:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return verifier()._judge(Reply(status, HeaderMap({}), body), ADDRESS)


@pytest.mark.parametrize(
    ("status", "score", "word", "confidence", "cost"),
    [
        ("valid", 60, Verification.VALID, 0.95, 0.5),
        ("invalid", 90, Verification.INVALID, 0.05, 0.5),
        ("accept_all", 70, Verification.CATCH_ALL, 0.7, 0.5),
        ("webmail", 70, Verification.WEBMAIL, 0.7, 0.5),
        ("disposable", 70, Verification.DISPOSABLE, 0.7, 0.5),
        ("unknown", None, Verification.UNKNOWN, 0.0, 0.0),
        ("a new word", 70, Verification.UNKNOWN, 0.7, 0.0),
        (None, None, Verification.UNKNOWN, 0.0, 0.0),
    ],
)
def test_each_word_is_one_of_ours(
    status: str | None, score: int | None, word: Verification, confidence: float, cost: float
) -> None:
    outcome = judged(200, {"data": {"status": status, "score": score}})
    value = outcome.values[VERDICT]
    assert (outcome.kind, value.value, value.confidence, outcome.cost) == (OutcomeKind.FOUND, word, confidence, cost)


def test_what_it_still_looks_at_is_asked_for_later() -> None:
    outcome = judged(202, {"data": {}})
    assert (outcome.kind, outcome.handle) == (OutcomeKind.PENDING, ADDRESS)
    assert outcome.poll_at is not None
    assert 6 < outcome.poll_at - SystemClock().time() <= 7


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, OutcomeKind.INVALID_INPUT),
        (401, OutcomeKind.UNAUTHORIZED),
        (403, OutcomeKind.RATE_LIMITED),
        (429, OutcomeKind.QUOTA_EXHAUSTED),
        (451, OutcomeKind.SUPPRESSED),
        (500, OutcomeKind.TRANSIENT),
        (302, OutcomeKind.UNKNOWN),
    ],
)
def test_statuses_are_those_of_the_finder(status: int, kind: OutcomeKind) -> None:
    assert judged(status, {"errors": [{"id": "x"}]}).kind is kind


def test_what_cannot_be_read_may_have_been_charged() -> None:
    assert judged(200, b"<html>").kind is OutcomeKind.UNKNOWN


async def test_the_sandbox_plays_it() -> None:
    with sandbox_thread(400, 1) as thread:
        sandbox = thread.sandbox
        sandbox.desk.books["hunter_verifier"].ready_after_s = 0.0
        people = [one for one in sandbox.population.people if not one.erased]
        real = next(one for one in people if not one.company.catch_all)
        anybody = next(one for one in people if one.company.catch_all)
        erased = next(one for one in sandbox.population.people if one.erased)
        client = verifier(sandbox.url)
        await client.start()
        addresses = [real.email, f"nobody.nemo@{real.company.domain}", f"x@{anybody.company.domain}", "x@else.example"]
        outcomes = await client.ask(
            [Question("t", Contact(email=one), (VERDICT,)) for one in (*addresses, erased.email)]
        )
        again = await client.collect([real.email])
        slow = next(one for one in people if one.known_to("hunter verifier, slowly", desk.SLOW_SHARE))
        sandbox.desk.books["hunter_verifier"].ready_after_s = 60.0
        later = await client.collect([slow.email])
        await client.stop()
        bill = sandbox.desk.books["hunter_verifier"].charged
    said = [outcome.values[VERDICT].value for outcome in outcomes[:-1]]
    assert said == ["valid", "invalid", "catch_all", "unknown"]
    assert outcomes[-1].kind is OutcomeKind.SUPPRESSED
    assert bill == 3.0, "what it can tell of, once"
    assert again[0].values[VERDICT].value == "valid"
    assert later[0].kind is OutcomeKind.PENDING
