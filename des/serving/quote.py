"""A quote: what a batch would cost, before anything is sent. It spends nothing and writes nothing.

People are counted once, as they are paid for. Answers at hand are read; what is to be expected is what the tenant's own
receipts show. What cannot be known says so: it is None, and `unknown` tells why.
"""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from des.contact import ContactBatch
from des.options import NO_OPTIONS
from des.providers.names import person_key
from des.providers.waterfall import Step, Waterfall
from des.serving.forecast import SEEN_MIN, Answer, Expected, Seens, Tariffs, expected, most, operations
from des.store.quotation import AtHand, QuoteStore


class Range(msgspec.Struct, frozen=True):
    """The least and the most that it can be, and what is to be expected; None where too little is known for that."""

    min: float
    expected: float | None
    max: float


class Cost(msgspec.Struct, frozen=True):
    """Credits of the providers, added up, and the money that they are configured to cost."""

    credits: Range
    money: Range


class Saved(msgspec.Struct, frozen=True):
    """What answers at hand spare: credits that were paid for them, and the money of those."""

    credits: float
    money: float


class ProviderQuote(msgspec.Struct, frozen=True):
    """A paid provider's part.

    `questions` put to it; `at_hand`: answers that spare one, with what they `saved`. `eta_s`: seconds that its
    permitted rate takes for the most questions, None where it has no rate.
    """

    provider: str
    questions: Range
    at_hand: int
    cost: Cost
    saved: Saved
    eta_s: float | None


class Quote(msgspec.Struct, frozen=True):
    """What a batch would cost, and what is known of that.

    `people`: different ones among the `contacts`; `unidentified`: contacts of whom nothing says who they are, whom no
    paid provider is asked about. `at_hand`: answers that would be taken in place of a call, which spares `saved`.
    `suppressed`: people who asked not to be processed; None: it shows only when a provider is asked. `eta_s`: at the
    permitted rates, for the most questions; None where no provider in question has one. `unknown`: what could not be
    told, and why.
    """

    erid: UUID
    contacts: int
    people: int
    unidentified: int
    at_hand: int
    suppressed: int | None
    cost: Cost
    saved: Saved
    eta_s: float | None
    providers: Sequence[ProviderQuote]
    unknown: Sequence[str]


class _Group(NamedTuple):
    """People who stand at the same step with the same answers at hand."""

    start: Step | None
    known: frozenset[tuple[tuple[str, str], Answer]]


class _Forecast(NamedTuple):
    """What to expect of each of so many people."""

    told: Expected
    people: int


class Quoter:
    """Makes quotes by the plan of the waterfalls and what each provider costs."""

    def __init__(self, store: QuoteStore, waterfall: Waterfall, tariffs: Tariffs) -> None:
        """Take where answers and receipts are read, the plan, and the tariff of every provider in it."""
        self.fields = frozenset(waterfall.order)
        self._store = store
        self._waterfall = waterfall
        self._tariffs = tariffs

    async def quote(self, batch: ContactBatch) -> Quote:
        """Quote a batch. Raises StoreUnavailable."""
        if self._waterfall.orders is not None:
            self._waterfall.orders.learn(await self._store.standings())
        starts = await asyncio.to_thread(self._starts, batch)
        asked = sorted({one for start in set(starts.values()) for one in operations(start, self._tariffs)})
        options = batch.options or NO_OPTIONS
        at_hand = await self._store.at_hand(
            batch.tenant, asked, [person for person in starts if person], options.max_age_s
        )
        seen = {(one.provider, one.field): one for one in await self._store.seen(batch.tenant)}
        return await asyncio.to_thread(self._told, batch, starts, at_hand, seen)

    def _starts(self, batch: ContactBatch) -> dict[str, Step | None]:
        """Where each person begins, by their key; contacts that name nobody come under the empty key."""
        orders, starts = self._waterfall.orders, dict[str, Step | None]()
        for contact in batch.contacts:
            plan = self._waterfall if orders is None else orders.plan(batch.tenant, contact)
            starts.setdefault(person_key(contact), plan.start(batch.fields)[0])
        return starts

    def _told(
        self, batch: ContactBatch, starts: dict[str, Step | None], at_hand: Sequence[AtHand], seen: Seens
    ) -> Quote:
        unidentified = sum(not person_key(contact) for contact in batch.contacts) if "" in starts else 0
        starts.pop("", None)
        groups = _grouped(starts, at_hand)
        forecasts = [
            _Forecast(expected(one.start, self._tariffs, dict(one.known), seen), n) for one, n in groups.items()
        ]
        unknown = set[tuple[str, str]]().union(*(one.told.unknown for one in forecasts))
        paid = sorted(name for name, tariff in self._tariffs.items() if tariff.traits.paid)
        providers = [self._of_provider(name, groups, forecasts, known=not unknown) for name in paid]
        providers = [one for one in providers if one.questions.max or one.at_hand]
        rates = [one.eta_s for one in providers if one.eta_s is not None]
        return Quote(
            erid=batch.erid,
            contacts=len(batch.contacts),
            people=len(starts),
            unidentified=unidentified,
            at_hand=sum(one.at_hand for one in providers),
            suppressed=None,
            cost=self._overall(groups, providers, known=not unknown),
            saved=Saved(sum(one.saved.credits for one in providers), sum(one.saved.money for one in providers)),
            eta_s=max(rates, default=None),
            providers=providers,
            unknown=_said(unknown, [one.provider for one in providers if one.eta_s is None]),
        )

    def _of_provider(
        self, name: str, groups: "Counter[_Group]", forecasts: Sequence[_Forecast], *, known: bool
    ) -> ProviderQuote:
        tariff = self._tariffs[name]
        traits = tariff.traits

        def price(step: Step) -> float:
            return traits.price_max(step.asks) if step.provider == name else 0.0

        questions_max = self._most(groups, lambda step: float(step.provider == name))
        credits_max = self._most(groups, price)
        questions = _total(forecasts, lambda told: told.questions[name]) if known else None
        credits_ = _total(forecasts, lambda told: told.credits[name]) if known else None
        money = None if credits_ is None else credits_ * tariff.credit_price
        saved = _total(forecasts, lambda told: told.saved[name])
        rate = min((count / window_s for count, window_s in traits.rate_windows), default=0.0)
        return ProviderQuote(
            name,
            Range(0.0, questions, questions_max),
            int(_total(forecasts, lambda told: told.at_hand[name])),
            Cost(Range(0.0, credits_, credits_max), Range(0.0, money, credits_max * tariff.credit_price)),
            Saved(saved, saved * tariff.credit_price),
            math.ceil(questions_max / traits.batch_max) / rate if rate else None,
        )

    def _overall(self, groups: "Counter[_Group]", providers: Sequence[ProviderQuote], *, known: bool) -> Cost:
        """Costs of all providers together: at most less than the sum of each at its most."""

        def price(step: Step) -> float:
            return self._tariffs[step.provider].traits.price_max(step.asks)

        def money(step: Step) -> float:
            return price(step) * self._tariffs[step.provider].credit_price

        return Cost(
            Range(
                0.0, _sum(one.cost.credits.expected for one in providers) if known else None, self._most(groups, price)
            ),
            Range(
                0.0, _sum(one.cost.money.expected for one in providers) if known else None, self._most(groups, money)
            ),
        )

    def _most(self, groups: "Counter[_Group]", price: Callable[[Step], float]) -> float:
        return sum(most(one.start, self._tariffs, dict(one.known), price) * n for one, n in groups.items())


def _grouped(starts: Mapping[str, Step | None], at_hand: Sequence[AtHand]) -> "Counter[_Group]":
    """Count people by where they stand: most of a batch stand alike."""
    known: defaultdict[str, set[tuple[tuple[str, str], Answer]]] = defaultdict(set)
    for one in at_hand:
        known[one.person].add(((one.provider, one.operation), Answer(one.found, one.cost)))
    return Counter(_Group(start, frozenset(known.get(person, ()))) for person, start in starts.items())


def _total(forecasts: Sequence[_Forecast], amount: Callable[[Expected], float]) -> float:
    """Add an amount up over all people."""
    return sum(amount(one.told) * one.people for one in forecasts)


def _sum(amounts: Iterable[float | None]) -> float:
    return sum(amount for amount in amounts if amount is not None)


def _said(unknown: Iterable[tuple[str, str]], without_rate: Sequence[str]) -> list[str]:
    """Say what is not known, and why."""
    by_provider: defaultdict[str, list[str]] = defaultdict(list)
    for provider, field in sorted(unknown):
        by_provider[provider].append(field)
    said = [
        f"expected: fewer than {SEEN_MIN} receipts show how often {provider} finds {', '.join(fields)}"
        for provider, fields in by_provider.items()
    ]
    said += [f"eta_s: {provider} has no configured rate, so its answers decide" for provider in without_rate]
    return [*said, "suppressed: whether a person asked not to be processed shows when a provider is asked"]
