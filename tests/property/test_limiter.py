"""The limiter, in any interleaving: no window ever holds more than it permits, as the far end counts it."""

import math
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from des.portion import Portion
from des.providers.limiter import LATE, Limiter, Request, Told

WINDOWS = ((3, 1.0), (7, 5.0), (20, 60.0))

pauses = st.floats(0, 4)
travels = st.floats(0, LATE * WINDOWS[0][1])
works = st.floats(0, 2)


def within(arrivals: Sequence[float], windows: Sequence[tuple[int, float]]) -> bool:
    return all(
        sum(first <= arrival < first + seconds - 1e-6 for arrival in arrivals) <= permitted
        for permitted, seconds in windows
        for first in arrivals
    )


def permitted_at(limiter: Limiter, now: float) -> float:
    """When one more request is permitted, from now on."""
    while (delay := limiter.delay_s(now)) > 0:
        assert math.isfinite(delay)
        now += max(delay, 1e-9)  # the float of a sum may fall short by its last bit
    return now


@given(st.lists(st.tuples(pauses, travels), max_size=60), works)
def test_no_window_ever_holds_more_than_it_permits(requests: list[tuple[float, float]], work_s: float) -> None:
    """However long each request is held up on its way, once one has come through that was not."""
    limiter = Limiter(WINDOWS)
    limiter.answered(limiter.send(0.0), work_s)
    now, arrivals = work_s, [0.0, work_s]
    limiter.answered(limiter.send(now), now + work_s)
    now += work_s
    out: list[tuple[float, Request]] = []
    for pause, travel in requests:
        now = permitted_at(limiter, now + pause)
        for answered_at, request in [one for one in out if one[0] <= now]:
            limiter.answered(request, answered_at)
            out.remove((answered_at, request))
        now = permitted_at(limiter, now)
        arrivals.append(now + travel)
        out.append((now + travel + work_s, limiter.send(now)))
    assert within(arrivals, WINDOWS)


def test_those_that_wait_for_their_first_connection_together_are_not_taken_for_fast() -> None:
    limiter = Limiter(((3, 1.0),))
    for request in [limiter.send(0.0) for _ in range(3)]:
        limiter.answered(request, 0.08)  # arrived at 0.06
    assert limiter.delay_s(0.5) >= 0.56


def test_a_steady_vendor_costs_no_more_than_the_slack() -> None:
    limiter, now, sent = Limiter(((10, 1.0),)), 0.0, 0
    while now < 20:
        now = permitted_at(limiter, now)
        limiter.answered(limiter.send(now), now + 0.2)
        sent += 1
    assert sent >= 0.97 * 10 * 20


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["send", "come", "go", "renew", "all renew"]),
            st.sampled_from([0.0, 0.0, 0.3, 1.1, 6.0]),
        ),
        min_size=12,
        max_size=40,
    )
)
@example([(0, "send", 0.0), (1, "come", 0.0), (0, "all renew", 0.0), (1, "send", 0.0)])
@example([(0, "send", 0.0), (0, "go", 0.0), (1, "come", 0.0), (1, "send", 0.0)])
@example(
    [(1, "come", 0.0), (0, "all renew", 6.0), (1, "send", 6.0), (1, "go", 0.0), (0, "renew", 0.3), (0, "send", 0.0)]
)
@settings(max_examples=300)
def test_workers_together_never_pass_a_window_while_they_come_and_go(steps: list[tuple[int, str, float]]) -> None:
    office, arrivals, now = Office(), [], 0.0
    office.come(0, now)
    for number, what, pause in steps:
        now += pause
        match what:
            case "come":
                office.come(number, now)
            case "go":
                office.go(number, now)
            case "renew":
                office.renew(number, now)
            case "all renew":
                for each in sorted(office.limiters):
                    office.renew(each, now)
            case _:
                arrivals += office.sent_by(number, now)
    assert within(arrivals, WINDOWS)


@given(
    st.lists(st.tuples(st.permutations(range(4)), st.permutations(range(4)), st.integers(0, 2)), max_size=20),
    st.integers(4, 12),
    st.integers(1, 4),
)
def test_a_vendor_that_tells_what_is_left_refuses_nobody_who_listens(
    steps: list[tuple[list[int], list[int], int]], permitted: int, at_once: int
) -> None:
    """Its window is fixed, a second long; others use the key too; requests and replies overtake each other."""
    limiter, now, used, ends = Limiter(()), 0.0, 1, 1.0
    limiter.answered(limiter.send(now), now, [Told("w", permitted - used, ends)])
    under_way: list[Request] = []
    for arriving, replying, by_others in steps:
        now = permitted_at(limiter, now)
        if now >= ends:
            used, ends = 0, now + 1.0
        requests, under_way = under_way, []
        while len(requests) < (at_once if used else 1) and limiter.delay_s(now) == 0:
            requests.append(limiter.send(now))
        said: dict[int, int] = {}
        arrived = [place for place in arriving if place < len(requests)]
        for place in arrived:
            used += 1
            assert used <= permitted, "it was refused"
            said[place] = permitted - used
        used = min(permitted - len(under_way), used + by_others)
        said[arrived[-1]] = permitted - used
        for place in replying:
            if place < len(requests):
                limiter.answered(requests[place], now, [Told("w", said[place], ends)])
                if len(under_way) < at_once and limiter.delay_s(now) == 0:
                    under_way.append(limiter.send(now))


class Office:
    """Workers and what table `worker` says of them, by the same rules (leases.sql)."""

    def __init__(self) -> None:
        self.limiters: dict[int, Limiter] = {}
        self._adopted: dict[int, tuple[frozenset[int], float]] = {}
        self._gone_at: list[float] = []

    def come(self, number: int, now: float) -> None:
        if number not in self.limiters:
            self.limiters[number] = Limiter(WINDOWS)
            self.limiters[number].allot(None, now)
            self.renew(number, now)

    def go(self, number: int, now: float) -> None:
        if self.limiters.pop(number, None) is not None:
            self._adopted.pop(number, None)
            self._gone_at.append(now)

    def sent_by(self, number: int, now: float) -> list[float]:
        """As many as it may send at once."""
        limiter, sent = self.limiters.get(number), []
        while limiter is not None and limiter.delay_s(now) == 0:
            limiter.send(now)
            sent.append(now)
        return sent

    def renew(self, number: int, now: float) -> None:
        limiter = self.limiters.get(number)
        if limiter is None:
            return
        alive = frozenset(self.limiters)
        if self._adopted.get(number, (None, 0.0))[0] != alive:
            self._adopted[number] = (alive, now)
        others = [self._adopted.get(other) for other in alive - {number}]
        agreed = all(other is not None and other[0] == alive for other in others)
        since = [*(other[1] for other in others if other is not None), *self._gone_at, -math.inf]
        limiter.allot(Portion(sorted(alive).index(number), len(alive), max(since) if agreed else None), now)
