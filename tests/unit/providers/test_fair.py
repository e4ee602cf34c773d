"""The fair queue: tenants in turn, ERIDs in turn, nothing lost."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from des.providers.fair import FairQueue


@dataclass(frozen=True)
class Bundle:
    tenant: str
    erid: int
    size: int
    priority: int = 4


def taken(queue: FairQueue[Bundle], questions_max: int) -> list[tuple[str, int, int]]:
    return [(bundle.tenant, bundle.erid, end - begin) for bundle, begin, end in queue.take(questions_max)]


def test_erids_take_turns_question_by_question() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    queue.put(Bundle("t", 1, 1_000_000))
    queue.put(Bundle("t", 2, 1_000))
    assert [taken(queue, 1)[0][1] for _ in range(5)] == [1, 2, 1, 2, 1]


def test_a_small_one_does_not_wait_for_a_thousand_large_ones() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    for erid in range(1_000):
        queue.put(Bundle("t", erid, 1_000))
    queue.put(Bundle("t", -1, 2))
    assert [taken(queue, 1)[0][1] for _ in range(3)] == [-1, -1, 0]


def test_small_ones_without_end_do_not_keep_a_large_one_for_ever() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    queue.put(Bundle("t", -1, 1_000))
    for erid in range(100):
        queue.put(Bundle("t", erid, 1))
    order = [taken(queue, 1)[0][1] for _ in range(18)]
    assert [place for place, erid in enumerate(order) if erid == -1] == [8, 17]


def test_a_higher_priority_goes_first_among_those_of_its_tenant_only() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    queue.put(Bundle("t", 1, 40))
    queue.put(Bundle("t", 2, 40, priority=9))
    queue.put(Bundle("t", 3, 1, priority=0))
    queue.put(Bundle("u", 4, 40))
    assert [taken(queue, 40)[0][1] for _ in range(4)] == [2, 4, 1, 3]


def test_tenants_take_turns_whatever_their_number_of_erids() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    for erid in range(100):
        queue.put(Bundle("big", erid, 10))
    queue.put(Bundle("small", 0, 10))
    assert [taken(queue, 1)[0][0] for _ in range(6)] == ["big", "small"] * 3


def test_one_call_is_filled_from_several_erids() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    for erid in range(3):
        queue.put(Bundle("t", erid, 4))
    assert taken(queue, 10) == [("t", 0, 4), ("t", 1, 4), ("t", 2, 2)]
    assert taken(queue, 10) == [("t", 2, 2)]
    assert len(queue) == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(1, 9)), max_size=40),
    st.lists(st.integers(1, 12), max_size=200),
)
def test_every_question_leaves_once_and_in_order(bundles: list[tuple[str, int, int]], takes: list[int]) -> None:
    queue: FairQueue[Bundle] = FairQueue()
    put = [Bundle(*bundle) for bundle in bundles]
    for bundle in put:
        queue.put(bundle)
    assert len(queue) == sum(bundle.size for bundle in put)
    left: Counter[int] = Counter()
    expected_offset: Counter[int] = Counter()
    for questions_max in [*takes, *[7] * 100]:
        slices = queue.take(questions_max)
        assert sum(end - begin for _, begin, end in slices) <= questions_max
        for bundle, begin, end in slices:
            assert begin == expected_offset[id(bundle)]
            expected_offset[id(bundle)] = end
            left[id(bundle)] += end - begin
    assert len(queue) == 0
    assert all(left[id(bundle)] == bundle.size for bundle in put)


def test_an_erid_is_taken_out_at_once_and_the_others_stay() -> None:
    queue: FairQueue[Bundle] = FairQueue()
    for erid in (1, 1, 2):
        queue.put(Bundle("t", erid, 3))
    queue.take(1)
    assert [(begin, end) for _, begin, end in queue.remove("t", 1)] == [(1, 3), (0, 3)]
    assert queue.remove("t", 1) == queue.remove("u", 1) == []
    assert len(queue) == 3
    assert taken(queue, 9) == [("t", 2, 3)]
    queue.put(Bundle("t", 3, 1))
    queue.remove("t", 3)
    assert queue.take(1) == []
