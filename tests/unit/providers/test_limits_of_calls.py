"""The breaker, on times of our own."""

from des.providers.breaker import Breaker, BreakerState


def test_a_breaker_opens_after_failures_in_a_row_and_probes_with_one_call() -> None:
    breaker = Breaker(failures_max=3, open_s=5.0)
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.delay_s(0.0) == 0
        breaker.failed(0.0)
    assert breaker.delay_s(1.0) == 4.0
    assert breaker.delay_s(5.0) == 0
    breaker.sent()
    assert breaker.delay_s(5.0) == float("inf")
    breaker.succeeded()
    assert breaker.delay_s(5.0) == 0
    assert str(breaker.state) == BreakerState.CLOSED


def test_a_failed_probe_opens_it_for_longer() -> None:
    breaker = Breaker(failures_max=1, open_s=5.0, open_max_s=12.0)
    breaker.failed(0.0)
    now = 5.0
    for expected in (10.0, 12.0, 12.0):
        assert breaker.delay_s(now) == 0
        breaker.sent()
        breaker.failed(now)
        assert breaker.delay_s(now) == expected
        now += expected


def test_a_late_failure_does_not_prolong_an_open_breaker() -> None:
    breaker = Breaker(failures_max=1, open_s=5.0)
    breaker.failed(0.0)
    breaker.failed(3.0)
    assert breaker.delay_s(3.0) == 2.0
