"""From settings to providers: one `match` over their kinds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from des.clock import Clock
from des.config import FieldSettings, Http, Settings
from des.config_diagnosis import waterfall_problems
from des.config_problems import Problems
from des.config_providers import (
    ApolloConfig,
    DirectoryConfig,
    DropcontactConfig,
    EmailCheckConfig,
    EmailPatternConfig,
    FullEnrichConfig,
    HttpProviderConfig,
    HunterConfig,
    HunterVerifierConfig,
    LaterLimits,
    PaidLimits,
    PdlConfig,
    ProspeoConfig,
    ProviderConfig,
    PythonProviderConfig,
    VendorConfig,
)
from des.contact import FieldType
from des.ingest.webhooks import Receiver
from des.ledger import Ledger, millionths
from des.limits import STOP_S
from des.people import PeopleSearch
from des.providers.contract import VERDICT, FieldTypes, Provider, UnknownPolicy
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.dropcontact import Dropcontact
from des.providers.dialects.fullenrich import FullEnrich
from des.providers.dialects.hunter import Hunter
from des.providers.dialects.hunter_verifier import HunterVerifier
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.directory import DirectoryProvider
from des.providers.dispatcher import Dispatcher
from des.providers.email_check import EmailCheckProvider
from des.providers.email_pattern import EmailPatternProvider
from des.providers.http import HttpProvider
from des.providers.learned import LearnedOrders
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.providers.python import Setup, load
from des.providers.values import Values
from des.providers.waterfall import Waterfall
from des.serving.forecast import Tariff, Tariffs
from des.store.ledger import Cap, Caps

DAY_S = 86_400.0


def build_providers(settings: Settings, people: PeopleSearch, clock: Clock) -> Mapping[str, Provider]:
    """Make every provider that a waterfall names. Raises ConfigError with everything that can never work.

    Those that no waterfall names are made as well, to see whether they could be: a mistake shows before it matters.
    """
    waterfalls = {
        name: {"waterfall": field.waterfall, "verify": field.verify} for name, field in settings.fields.items()
    }
    problems = Problems(waterfall_problems(waterfalls, settings.providers))
    providers = make_providers(settings, people, clock, problems)
    check_waterfalls(settings, providers, problems)
    if problems.found:
        raise settings.wrong(problems.found)
    wanted = {name for field in settings.fields.values() for name in (*field.waterfall, *field.verify)}
    return {name: provider for name, provider in providers.items() if name in wanted}


def make_providers(
    settings: Settings, people: PeopleSearch, clock: Clock, problems: Problems
) -> Mapping[str, Provider]:
    """Make every provider that can be made, in order of name."""
    types = {name: field.type for name, field in settings.fields.items()}
    maker = _Maker(types, people, Values(), clock, settings.http)
    made = {
        name: problems.of(partial(maker.provider, name, config), None)
        for name, config in sorted(settings.providers.items())
    }
    return {name: provider for name, provider in made.items() if provider is not None}


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes providers of what they share."""

    types: FieldTypes
    people: PeopleSearch
    values: Values
    clock: Clock
    http: Http

    def provider(self, name: str, config: ProviderConfig) -> Provider:
        """Make one. Raises ConfigError where it can never work as described."""
        match config:
            case DirectoryConfig():
                return DirectoryProvider(name, config, self.types, self.people)
            case EmailPatternConfig():
                return EmailPatternProvider(name, config, self.people, self.clock)
            case EmailCheckConfig():
                return EmailCheckProvider(name, config, self.clock)
            case HttpProviderConfig():
                return HttpProvider(name, config, self.types, self.values, self.clock)
            case PythonProviderConfig():
                return load(Setup(name, config, self.types, self.values, self.clock))
            case _:
                return self._vendor(name, config)

    def _vendor(self, name: str, config: VendorConfig) -> Provider:
        """Make the provider of a vendor's dialect."""
        match config:
            case HunterConfig():
                return Hunter(name, config, self.values, self.clock)
            case HunterVerifierConfig():
                return HunterVerifier(name, config, self.clock)
            case PdlConfig():
                return Pdl(name, config, self.values, self.clock)
            case ApolloConfig():
                return Apollo(name, config, self.values, self.clock)
            case ProspeoConfig():
                return Prospeo(name, config, self.values, self.clock)
            case DropcontactConfig():
                return Dropcontact(name, config, self.values, self.clock)
            case FullEnrichConfig():
                return FullEnrich(name, _reachable(name, config, self.http), self.values, self.clock)
            case _:
                assert_never(config)


def check_waterfalls(settings: Settings, providers: Mapping[str, Provider], problems: Problems) -> None:
    """Note where a waterfall names a provider that cannot give its field; those that were not made are passed over."""
    for field, setting in settings.fields.items():
        for name in dict.fromkeys(setting.waterfall):
            if name in providers and field not in (gives := providers[name].traits.gives):
                problems.add(
                    f"fields.{field}.waterfall",
                    f"names {name!r}, which gives {', '.join(sorted(gives)) or 'nothing'} and never {field}; take it "
                    "out, or name a provider that does",
                )
        _check_verifiers(field, setting, providers, problems)
        if setting.order == "learned" and providers.keys() >= set(setting.waterfall):
            paid = [name for name in setting.waterfall if providers[name].traits.paid]
            if len(paid) < 2:
                problems.add(
                    f"fields.{field}.order",
                    f"there is nothing to learn: of its waterfall {', '.join(paid) or 'no provider'} is paid; name two "
                    "paid providers or more, or take `order` out",
                )


def _check_verifiers(field: str, setting: FieldSettings, providers: Mapping[str, Provider], problems: Problems) -> None:
    """Note where a field names a verifier that is none, or has nothing to be verified."""
    place = f"fields.{field}.verify"
    if setting.verify and setting.type is not FieldType.EMAIL:
        problems.add(
            place, f"only e-mail addresses can be verified, and {field} is of type {setting.type}; take it out"
        )
    for name in dict.fromkeys(setting.verify):
        if name in providers and VERDICT not in (gives := providers[name].traits.gives):
            problems.add(
                place,
                f"names {name!r}, which gives {', '.join(sorted(gives)) or 'nothing'} and verifies no address; name a "
                "provider that does, such as one of kind email_check or hunter_verifier",
            )


def build_waterfall(settings: Settings, providers: Mapping[str, Provider]) -> Waterfall:
    """Plan the waterfalls; where the order of one is learned, by its `orders`."""
    gives = {name: provider.traits.gives for name, provider in providers.items()}
    paid = frozenset(name for name, provider in providers.items() if provider.traits.paid)
    order = {field: setting.waterfall for field, setting in settings.fields.items()}
    learned = [field for field, setting in settings.fields.items() if setting.order == "learned"]
    verify = {field: setting.verify for field, setting in settings.fields.items() if setting.verify}
    if not learned:
        return Waterfall(order, gives, paid, verify=verify)
    orders = LearnedOrders(order, gives, _prices(settings, providers), learned, verify)
    return Waterfall(order, gives, paid, orders=orders, verify=verify)


def _prices(settings: Settings, providers: Mapping[str, Provider]) -> Mapping[str, Mapping[str, float]]:
    """The most that each field costs at each paid provider: in money where all of them have a price of a credit.

    Else a credit counts the same at each of them. What has no price is taken to cost one.
    """
    paid = {name: provider.traits for name, provider in providers.items() if provider.traits.paid}
    credit_prices = {name: getattr(settings.providers[name], "credit_price", 0.0) for name in paid}
    in_money = all(price > 0 for price in credit_prices.values())
    return {
        name: {
            field: (traits.price_max((field,)) or 1.0) * (credit_prices[name] if in_money else 1.0)
            for field in traits.gives
        }
        for name, traits in paid.items()
    }


def build_tariffs(settings: Settings, providers: Mapping[str, Provider]) -> Tariffs:
    """What asking each provider costs, for quotes."""
    configs = settings.providers
    return {
        name: Tariff(provider.traits, config.credit_price if isinstance(config := configs[name], PaidLimits) else 0.0)
        for name, provider in providers.items()
    }


def build_dispatchers(
    settings: Settings, providers: Mapping[str, Provider], clock: Clock, ledger: Ledger
) -> Sequence[Dispatcher]:
    """Make the one way to each provider; the way to a paid one leads through the ledger."""
    overall = asyncio.Semaphore(settings.worker.calls_in_flight_max)
    learned = {name for field in settings.fields.values() if field.order == "learned" for name in field.waterfall}
    dispatchers: list[Dispatcher] = []
    for name, provider in providers.items():
        config = settings.providers[name]
        bound = overall if provider.traits.remote else None
        if provider.traits.paid and isinstance(config, PaidLimits):
            terms = Terms(
                config.credit_price,
                config.found_days * DAY_S,
                config.miss_days * DAY_S,
                config.transient_s,
                config.stale_if_error_days * DAY_S,
                UnknownPolicy(config.unknown),
                learns=name in learned,
                wait_s=config.wait_s if isinstance(config, LaterLimits) else 0.0,
            )
            dispatchers.append(PaidDispatcher(provider, clock, bound, ledger=ledger, terms=terms))
        else:
            dispatchers.append(Dispatcher(provider, clock, bound))
    return dispatchers


def drain_s(settings: Settings, dispatchers: Sequence[Dispatcher], gone_s: float = 0.0) -> float:
    """Seconds of the grace in which calls may still be made: none is to be cut short, which may have been paid.

    `gone_s` of it are gone: the doors stop first.
    """
    longest_s = max((one.traits.deadline_s for one in dispatchers if one.traits.remote), default=0.0)
    return max(0.0, settings.shutdown_grace_s - gone_s - longest_s - STOP_S)


def build_receivers(settings: Settings, clock: Clock) -> Mapping[str, Receiver]:
    """Read what vendors deliver by themselves: providers that are told where to. Not started, they ask nothing."""
    reachable = {
        name: _reachable(name, config, settings.http)
        for name, config in settings.providers.items()
        if isinstance(config, FullEnrichConfig)
    }
    values = Values()
    return {name: FullEnrich(name, config, values, clock) for name, config in reachable.items() if config.webhook_url}


def _reachable(name: str, config: FullEnrichConfig, http: Http) -> FullEnrichConfig:
    """The settings with where the vendor delivers."""
    return config.model_copy(update={"webhook_url": config.webhook_url or http.webhook_url(name)})


def build_caps(settings: Settings) -> Caps:
    """Read the caps that are configured: of every tenant, of one, and of each provider."""
    providers = {
        name: cap
        for name, config in settings.providers.items()
        if isinstance(config, PaidLimits) and (cap := _cap(config.cap_credits, config.cap_money)) != Cap()
    }
    tenants = {tenant: _cap(budget.cap_credits, budget.cap_money) for tenant, budget in settings.budgets.items()}
    return Caps(providers, tenants)


def _cap(cap_credits: float | None, cap_money: float | None) -> Cap:
    return Cap(*[None if amount is None else millionths(amount) for amount in (cap_credits, cap_money)])
