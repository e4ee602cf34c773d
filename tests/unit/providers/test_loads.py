"""How much is claimed ahead, what a load is made of, and when it goes out."""

from typing import Any, cast
from uuid import UUID

import pytest

from des.clock import SystemClock
from des.contact import Contact
from des.ledger import NOTHING, Key
from des.options import Options
from des.providers.ahead import AHEAD_S, Ahead
from des.providers.ask import Ask, Asker
from des.providers.contract import Question, Traits
from des.providers.loads import Loads
from des.providers.paying import Paying
from des.providers.waterfall import Waterfall

LINGER_S = 0.05
STEP = Waterfall({"email": ("vendor",)}, {"vendor": frozenset({"email"})}).start(("email",))[0]


class HandClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = 1_000.0

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class Somebody:
    """Who asks; nothing of them matters here but who they are."""

    options = Options()


def traits(batch_max: int = 1, slots: int = 8, rate: tuple[tuple[int, float], ...] = ()) -> Traits:
    return Traits(
        "vendor",
        frozenset({"email"}),
        batch_max=batch_max,
        slots=slots,
        paid=True,
        rate_windows=rate,
        linger_s=LINGER_S,
    )


def paying(number: int, asker: Somebody | None = None, *, is_replay: bool = False) -> Paying:
    question = Question("default", Contact(external_id=str(number)), ("email",))
    ask = Ask("default", UUID(int=1), cast(Any, STEP), cast(Asker, asker or Somebody()), [number], questions=[question])
    one = Paying(ask, 0, Key("default", "vendor", "email", f"x:{number}"), NOTHING)
    one.is_replay = is_replay
    return one


def numbers(load: list[Paying]) -> list[int]:
    return [one.ask.items[one.index] for one in load]


def test_idle_slots_get_their_loads_and_nothing_is_claimed_ahead_of_a_slow_vendor() -> None:
    ahead = Ahead(traits(batch_max=10, slots=4))
    assert ahead.room(idle=4, ready=0) == 40
    ahead.decided(sent=0, seconds=0.01)
    assert ahead.room(idle=0, ready=0) == 0


def test_ahead_of_a_fast_vendor_as_much_is_claimed_as_is_sent_in_a_moment() -> None:
    ahead = Ahead(traits(slots=64))
    ahead.decided(sent=20, seconds=0.01)  # 2,000 a second
    assert ahead.room(idle=0, ready=0) == pytest.approx(2_000 * (AHEAD_S + 0.02), abs=1)
    assert ahead.room(idle=0, ready=50) == 0, "enough until the next are decided"


def test_a_permitted_rate_bounds_what_is_claimed_at_once() -> None:
    assert Ahead(traits(batch_max=10, slots=16, rate=((100, 60.0),))).room(idle=16, ready=0) == 10


def test_a_full_load_goes_at_once_and_the_rest_lingers() -> None:
    clock = HandClock()
    loads = Loads(traits(batch_max=3), clock)
    assert loads.put([paying(number) for number in range(5)], 0, 0.0) == 2
    assert loads.delay_s() == 0.0
    assert numbers(loads.take()) == [0, 1, 2]
    assert loads.delay_s() == pytest.approx(LINGER_S)
    clock.advance(LINGER_S)
    assert loads.delay_s() == pytest.approx(0.0)
    assert numbers(loads.take()) == [3, 4]
    assert len(loads) == 0


def test_what_is_sent_again_rides_alone() -> None:
    loads = Loads(traits(batch_max=4), HandClock())
    loads.put([paying(number, is_replay=number % 2 == 1) for number in range(4)], 0, 0.0)
    assert [numbers(loads.take()), numbers(loads.take())] == [[0, 2], [1, 3]]


def test_those_of_one_asker_are_taken_out() -> None:
    mine, other = Somebody(), Somebody()
    loads = Loads(traits(batch_max=4), HandClock())
    loads.put([paying(number, mine if number < 2 else other) for number in range(3)], 0, 0.0)
    assert numbers(loads.withdraw(cast(Asker, mine))) == [0, 1]
    assert numbers(loads.withdraw(cast(Asker, mine))) == []
    assert numbers(loads.withdraw()) == [2]
    assert len(loads) == 0
