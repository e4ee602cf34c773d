"""The most of a quote is a bound: whoever finds what, nobody costs more; and what is surely answered costs nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from des.providers.contract import MISS, Outcome, OutcomeKind, Traits, Value
from des.providers.waterfall import Step, Waterfall, settle
from des.serving.forecast import Answer, Known, Tariff, Tariffs, expected, most, operations
from des.store.quotation import Seen

FIELDS = ("email", "phone", "title", "url")
PROVIDERS = ("a", "b", "c", "d")

traits = st.builds(
    lambda gives, paid, prices, add_up, operation: (gives, paid, prices, add_up, operation),
    st.sets(st.sampled_from(FIELDS), min_size=1),
    st.booleans(),
    st.lists(st.sampled_from((0.0, 1.0, 2.5, 10.0)), min_size=len(FIELDS), max_size=len(FIELDS)),
    st.booleans(),
    st.sampled_from(("", "person")),
)
orders = st.lists(st.permutations(PROVIDERS), min_size=len(FIELDS), max_size=len(FIELDS))


def tariffs_of(described: list[tuple[set[str], bool, list[float], bool, str]]) -> Tariffs:
    return {
        name: Tariff(
            Traits(
                name,
                frozenset(gives),
                paid=paid,
                prices=dict(zip(FIELDS, prices, strict=True)),
                prices_add_up=add_up,
                operation=operation,
            ),
            0.1,
        )
        for name, (gives, paid, prices, add_up, operation) in zip(PROVIDERS, described, strict=True)
    }


def plan(tariffs: Tariffs, order: list[list[str]]) -> Waterfall:
    return Waterfall(
        dict(zip(FIELDS, order, strict=True)),
        {name: tariff.traits.gives for name, tariff in tariffs.items()},
        {name for name, tariff in tariffs.items() if tariff.traits.paid},
    )


def walk(
    start: Step | None, tariffs: Tariffs, known: Known, chance: random.Random
) -> tuple[float, set[tuple[str, str]]]:
    """Ask as the engine does, with answers by chance; what it cost at the full price, and what was asked."""
    step, cost, asked = start, 0.0, set[tuple[str, str]]()
    while step is not None:
        traits = tariffs[step.provider].traits
        answer = tariffs[step.provider].answer(step, known)
        found = answer.found if answer else frozenset(name for name in step.takes if chance.random() < 0.4)
        if traits.paid and answer is None:
            cost += traits.price_max(step.asks)
            asked.add((step.provider, traits.operation_of(step.asks)))
        values = {name: Value(name) for name in found if name in step.takes}
        outcome = Outcome(OutcomeKind.FOUND, values) if values else MISS
        step = settle(step, outcome, (), 0.0).next
    return cost, asked


@given(
    described=st.lists(traits, min_size=4, max_size=4), order=orders, seed=st.integers(0, 2**32), answered=st.booleans()
)
def test_nobody_costs_more_than_the_most(
    described: list[tuple[set[str], bool, list[float], bool, str]], order: list[list[str]], seed: int, *, answered: bool
) -> None:
    tariffs = tariffs_of(described)
    start, _ = plan(tariffs, order).start(FIELDS)
    chance = random.Random(seed)
    everything = sorted(operations(start, tariffs))
    known = {one: Answer(frozenset(chance.sample(FIELDS, 2)), 1.0) for one in everything[:2]} if answered else {}
    bound = most(start, tariffs, known, lambda step: tariffs[step.provider].traits.price_max(step.asks))
    for _ in range(20):
        cost, asked = walk(start, tariffs, known, chance)
        assert cost <= bound
        assert asked <= set(everything)
    if set(everything) <= known.keys():
        assert bound == 0


def test_what_is_expected_is_what_receipts_show() -> None:
    tariffs = {
        "free": Tariff(Traits("free", frozenset({"email"}))),
        "paid": Tariff(Traits("paid", frozenset({"email"}), paid=True, prices={"email": 2.0}), 0.5),
    }
    start, _ = Waterfall({"email": ("free", "paid")}, {name: one.traits.gives for name, one in tariffs.items()}).start(
        ("email",)
    )
    seen = {
        ("free", "email"): Seen("free", "email", 100, 40, 0.0),
        ("paid", "email"): Seen("paid", "email", 60, 30, 60.0),
    }
    told = expected(start, tariffs, {}, seen)
    assert (told.questions["paid"], told.credits["paid"], told.unknown) == (0.6, 0.6, set())
    at_hand = expected(start, tariffs, {("paid", "email"): Answer(frozenset({"email"}), 2.0)}, seen)
    assert (at_hand.questions["paid"], at_hand.at_hand["paid"], at_hand.saved["paid"]) == (0.0, 1, 2.0)
    seen["paid", "email"] = Seen("paid", "email", 3, 1, 2.0)
    assert expected(start, tariffs, {}, seen).unknown == {("paid", "email")}
    assert expected(None, tariffs, {}, seen).unknown == set()
