"""Deliveries: only the vendor's, each once, in bounded memory."""

import hmac

import pytest

from des.errors import TerminalError
from des.providers.webhook import Replayed, ReplayWindow, SignatureMissing, SignatureWrong, verify

BODY = b'{"id":"1","status":"FINISHED"}'
KEY = "secret"


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def signature(body: bytes = BODY, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, "sha1").hexdigest()


def test_a_known_signature_is_right() -> None:
    # RFC 2202, test case 2 of HMAC-SHA-1.
    known = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert verify(b"what do ya want for nothing?", known, "Jefe", ReplayWindow(Time())) == known


@pytest.mark.parametrize("given", [signature(), f" {signature()} ", signature().upper()])
def test_the_vendors_body_is_taken(given: str) -> None:
    assert verify(BODY, given, KEY, ReplayWindow(Time())) == signature()


@pytest.mark.parametrize("given", [None, "", "  "])
def test_a_body_without_a_signature_is_refused(given: str | None) -> None:
    with pytest.raises(SignatureMissing):
        verify(BODY, given, KEY, ReplayWindow(Time()))


@pytest.mark.parametrize(
    "given", [signature(BODY + b" "), signature(key="other"), signature()[:-1], "sha1=" + signature(), "é", "0" * 40]
)
def test_any_other_signature_is_refused_and_leaves_no_trace(given: str) -> None:
    seen = ReplayWindow(Time())
    with pytest.raises(SignatureWrong):
        verify(BODY, given, KEY, seen)
    assert len(seen) == 0


def test_a_replay_is_refused_within_the_window_by_a_name_of_its_own() -> None:
    clock = Time()
    seen = ReplayWindow(clock, remembered_s=60.0)
    verify(BODY, signature(), KEY, seen)
    clock.now = 59.0
    with pytest.raises(Replayed) as refused:
        verify(BODY, signature(), KEY, seen)
    assert (refused.value.reason, isinstance(refused.value, TerminalError)) == ("REPLAYED", True)
    clock.now = 60.0
    verify(BODY, signature(), KEY, seen)


def test_what_is_given_back_may_come_again() -> None:
    seen = ReplayWindow(Time())
    seen.give_back(verify(BODY, signature(), KEY, seen))
    verify(BODY, signature(), KEY, seen)


def test_memory_is_bounded() -> None:
    seen = ReplayWindow(Time(), remembered_max=10)
    assert all(seen.take(str(at)) for at in range(100))
    assert len(seen) == 10
    assert not seen.take("99")
