"""Learned order: the paid providers of a field by what they have been worth, for each kind of person. Pure.

    worth = share of people found * how sure, on average / price

The order is a function of the statistics and the contact, and of nothing else: the same standings give the same order.
Free providers come first, as they are configured. Where little was asked in a segment the share is taken to be that of
the provider in all segments; until LEARNED_FROM_ASKED calls are known of a field, the order is the configured one. One
contact in EXPLORED_EACH is asked of the provider that was asked least, whatever it is worth: what is never asked can
never show what it is worth. Only the order is learned. Who may be asked, and what may be spent, is decided elsewhere.
"""

import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from des.contact import Contact
from des.learning import Standing
from des.providers.person import name_of
from des.providers.segments import segment_of
from des.providers.waterfall import Waterfall

EXPLORED_EACH = 20
"""One in so many contacts."""
LEARNED_FROM_ASKED = 20.0
PRIOR_ASKED = 20.0
"""Calls that what was known before counts for, beside those of the segment."""
PRIOR_FOUND = 0.5
PRIOR_SURE = 0.8
PRIOR_SURE_ASKED = 5.0

_ANY = ""
"""Stands for the segments together, and for tenants of whom nothing is known."""


class Counts(NamedTuple):
    """Calls for a field, those that found it, and the confidences of what was found, in sum."""

    asked: float = 0.0
    found: float = 0.0
    confidence_sum: float = 0.0


NO_COUNTS = Counts()


class Worth(NamedTuple):
    """What a provider is worth for a field in a segment, and what that rests on."""

    provider: str
    found: float
    sure: float
    price: float
    asked: float

    @property
    def value(self) -> float:
        """What is found for a unit of the price."""
        return self.found * self.sure / self.price


def worth(provider: str, price: float, here: Counts, anywhere: Counts) -> Worth:
    """A provider's worth by its counts in the segment and in all of them; `price` above 0."""
    usual = (anywhere.found + PRIOR_ASKED * PRIOR_FOUND) / (anywhere.asked + PRIOR_ASKED)
    found = (here.found + PRIOR_ASKED * usual) / (here.asked + PRIOR_ASKED)
    sure = (here.confidence_sum + PRIOR_SURE_ASKED * PRIOR_SURE) / (here.found + PRIOR_SURE_ASKED)
    return Worth(provider, found, sure, price, here.asked)


class LearnedOrders:
    """The plans of waterfalls whose order is learned: one for each tenant, segment and turn (by worth, exploring)."""

    def __init__(
        self,
        order: Mapping[str, Sequence[str]],
        gives: Mapping[str, frozenset[str]],
        prices: Mapping[str, Mapping[str, float]],
        learned: Collection[str],
        verify: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Take the configured order, what each provider gives, the paid ones' prices by field, and the fields to learn.

        Prices are above 0 and in one unit, credits or money. `verify` as of a Waterfall: that order is as configured.
        """
        self._order = order
        self._gives = gives
        self._prices = prices
        self._verify = verify
        self._learned = [field for field in order if field in learned]
        self._counts: Mapping[tuple[str, str, str, str], Counts] = {}
        self._tenants: frozenset[str] = frozenset()
        self._plans: dict[tuple[str, str, bool], Waterfall] = {}

    def learn(self, standings: Sequence[Standing]) -> None:
        """Plan by these standings from now on; contacts on their way stay on the plan that they began."""
        counts: defaultdict[tuple[str, str, str, str], Counts] = defaultdict(Counts)
        for one in standings:
            for segment in (one.segment, _ANY):
                key = (one.tenant, one.provider, one.field, segment)
                had = counts[key]
                counts[key] = Counts(
                    had.asked + one.asked, had.found + one.found, had.confidence_sum + one.confidence_sum
                )
        self._counts = dict(counts)
        self._tenants = frozenset(key[0] for key in counts)
        self._plans = {}

    def plan(self, tenant: str, contact: Contact) -> Waterfall:
        """The plan for a contact."""
        key = (tenant if tenant in self._tenants else _ANY, segment_of(contact), is_explored(contact))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._planned(*key)
        return plan

    def ranked(self, tenant: str, segment: str, field: str) -> list[Worth]:
        """The paid providers of a field, the one that is worth most first; of equals the one configured first."""
        each = [
            worth(
                name,
                self._prices[name][field],
                self._counts.get((tenant, name, field, segment), NO_COUNTS),
                self._counts.get((tenant, name, field, _ANY), NO_COUNTS),
            )
            for name in self._order[field]
            if field in self._prices.get(name, ())
        ]
        return sorted(each, key=lambda one: -one.value) if self._is_known(tenant, field) else each

    def _is_known(self, tenant: str, field: str) -> bool:
        counts = [self._counts.get((tenant, name, field, _ANY), NO_COUNTS) for name in self._order[field]]
        return sum(one.asked for one in counts) >= LEARNED_FROM_ASKED

    def _planned(self, tenant: str, segment: str, explored: bool) -> Waterfall:
        order = dict(self._order)
        rules: dict[tuple[str, str], str] = {}
        for field in self._learned:
            ranked = self.ranked(tenant, segment, field)
            said = "learned" if self._is_known(tenant, field) else "configured, too little is known"
            if explored and ranked:
                least = min(ranked, key=lambda one: one.asked)
                ranked = [least, *[one for one in ranked if one is not least]]
                said = "explored"
            free = [name for name in order[field] if name not in self._prices]
            order[field] = (*free, *[one.provider for one in ranked])
            rules |= {(field, one.provider): _rule(said, place, segment, one) for place, one in enumerate(ranked, 1)}
        return Waterfall(order, self._gives, self._prices.keys(), rules, verify=self._verify)


def _rule(said: str, place: int, segment: str, one: Worth) -> str:
    """Why a provider was asked when it was, for the receipt."""
    return (
        f"{said}: no. {place} in {segment}, {one.found:.2f} found, {one.sure:.2f} sure, at {one.price:g} "
        f"({one.asked:.0f} asked)"
    )


def is_explored(contact: Contact) -> bool:
    """Whether a contact is one of those with which the least known provider is tried: the same each time."""
    who = f"{name_of(contact)}|{contact.company_domain or contact.company_name}|{contact.linkedin_url}|{contact.email}"
    return zlib.crc32(who.casefold().encode("utf-8", "replace")) % EXPLORED_EACH == 0
