"""What a waterfall would cost a person: the most, by every way answers can take; what to expect, by receipts. Pure.

The least is nothing: nobody can say beforehand that a provider charges, since whoever is not found costs nothing, and a
free provider may find everybody. The most is a bound: no way through the plan costs more, whoever finds what.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from des.providers.contract import Traits
from des.providers.waterfall import Step
from des.store.quotation import Seen

SEEN_MIN = 20
"""Receipts of a provider and a field from which what they show is told."""
BRANCHES_FIELDS_MAX = 6
"""Open fields of a step up to which every combination of finds is followed; above it none, each alone, and all."""


class Answer(NamedTuple):
    """An answer at hand: the fields it finds, and the credits that were paid for it."""

    found: frozenset[str]
    cost: float


Known = Mapping[tuple[str, str], Answer]
"""Answers at hand about a person, by provider and operation."""

Seens = Mapping[tuple[str, str], Seen]
"""What receipts show, by provider and field."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A provider's traits, and the money of one of its credits (0 where it is not paid)."""

    traits: Traits
    credit_price: float = 0.0

    def answer(self, step: Step, known: Known) -> Answer | None:
        """The answer at hand at a step, None where there is none and the provider is asked."""
        return known.get((self.traits.name, self.traits.operation_of(step.asks))) if self.traits.paid else None


Tariffs = Mapping[str, Tariff]


@dataclass(slots=True)
class Expected:
    """What is to be expected of one person, by paid provider, and of which provider and field too little is known.

    `at_hand` answers are taken in place of questions, and spare the credits of `saved`.
    """

    questions: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    credits: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    at_hand: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    saved: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    unknown: set[tuple[str, str]] = field(default_factory=set)


def most(start: Step | None, tariffs: Tariffs, known: Known, price: Callable[[Step], float]) -> float:
    """The most that a person can cost from a step on, where asking at a paid step costs `price` at most."""
    costs: dict[Step, float] = {}

    def cost_from(step: Step | None) -> float:
        if step is None:
            return 0.0
        if step not in costs:
            tariff = tariffs[step.provider]
            answer = tariff.answer(step, known)
            if answer is not None:
                costs[step] = cost_from(step.after(answer.found.intersection(step.takes))[0])
            else:
                here = price(step) if tariff.traits.paid else 0.0
                costs[step] = here + max(cost_from(step.after(found)[0]) for found in _finds(step))
        return costs[step]

    return cost_from(start)


def operations(start: Step | None, tariffs: Tariffs) -> set[tuple[str, str]]:
    """Provider and operation of every paid question that may be put from a step on."""
    found: set[tuple[str, str]] = set()
    ahead, passed = [start], set[Step]()
    while ahead:
        step = ahead.pop()
        if step is None or step in passed:
            continue
        passed.add(step)
        traits = tariffs[step.provider].traits
        if traits.paid:
            found.add((step.provider, traits.operation_of(step.asks)))
        ahead += [step.after(finds)[0] for finds in _finds(step)]
    return found


def expected(start: Step | None, tariffs: Tariffs, known: Known, seen: Seens) -> Expected:
    """Follow the way of a person who is found nowhere, and at each step count with the share who still come there.

    Fields are taken to be found independently of each other. `seen` has what was asked at least once.
    """
    told = Expected()
    open_: dict[str, float] = {} if start is None else {name: 1.0 for name, _ in start.cursor}
    step = start
    while step is not None:
        tariff, name = tariffs[step.provider], step.provider
        answer = tariff.answer(step, known)
        if answer is not None:
            told.at_hand[name] += 1
            told.saved[name] += answer.cost
            step = step.after(answer.found.intersection(step.takes))[0]
            continue
        experience = {one: seen.get((name, one)) for one in step.asks}
        told.unknown |= {(name, one) for one, known_of in experience.items() if _too_little(known_of)}
        if tariff.traits.paid:
            told.questions[name] += 1.0 - math.prod(1.0 - open_[one] for one in step.asks)
            told.credits[name] += sum(open_[one] * of.cost / of.asked for one, of in experience.items() if of)
        for one, of in experience.items():
            if of:
                open_[one] *= 1.0 - of.found / of.asked
        step = step.after(frozenset())[0]
    return told


def _too_little(seen: Seen | None) -> bool:
    return seen is None or seen.asked < SEEN_MIN


def _finds(step: Step) -> Iterator[frozenset[str]]:
    """What a provider may find at a step: any of the open fields it gives."""
    takes = step.takes
    sizes = range(len(takes) + 1) if len(takes) <= BRANCHES_FIELDS_MAX else (0, 1, len(takes))
    for size in sizes:
        yield from map(frozenset, combinations(takes, size))
