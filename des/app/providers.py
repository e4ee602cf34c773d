"""From settings to providers: one `match` over their kinds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from des.clock import Clock
from des.config import Settings
from des.config_diagnosis import waterfall_problems
from des.config_problems import Problems
from des.config_providers import (
    ApolloConfig,
    DirectoryConfig,
    DropcontactConfig,
    EmailPatternConfig,
    FullEnrichConfig,
    HttpProviderConfig,
    HunterConfig,
    PaidLimits,
    PdlConfig,
    ProspeoConfig,
    ProviderConfig,
    PythonProviderConfig,
    VendorConfig,
)
from des.ledger import Ledger, millionths
from des.people import PeopleStore
from des.providers.contract import FieldTypes, Provider, UnknownPolicy
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.dropcontact import Dropcontact
from des.providers.dialects.fullenrich import FullEnrich
from des.providers.dialects.hunter import Hunter
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.directory import DirectoryProvider
from des.providers.dispatcher import Dispatcher
from des.providers.email_pattern import EmailPatternProvider
from des.providers.http import HttpProvider
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.providers.python import Setup, load
from des.providers.values import Values
from des.providers.waterfall import Waterfall
from des.store.ledger import Cap, Caps

DAY_S = 86_400.0


def build_providers(settings: Settings, people: PeopleStore, clock: Clock) -> Mapping[str, Provider]:
    """Make every provider that a waterfall names. Raises ConfigError with everything that can never work.

    Those that no waterfall names are made as well, to see whether they could be: a mistake shows before it matters.
    """
    waterfalls = {name: {"waterfall": field.waterfall} for name, field in settings.fields.items()}
    problems = Problems(waterfall_problems(waterfalls, settings.providers))
    providers = make_providers(settings, people, clock, problems)
    check_waterfalls(settings, providers, problems)
    if problems.found:
        raise settings.wrong(problems.found)
    wanted = {name for field in settings.fields.values() for name in field.waterfall}
    return {name: provider for name, provider in providers.items() if name in wanted}


def make_providers(settings: Settings, people: PeopleStore, clock: Clock, problems: Problems) -> Mapping[str, Provider]:
    """Make every provider that can be made, in order of name."""
    maker = _Maker({name: field.type for name, field in settings.fields.items()}, people, Values(), clock)
    made = {
        name: problems.of(partial(maker.provider, name, config), None)
        for name, config in sorted(settings.providers.items())
    }
    return {name: provider for name, provider in made.items() if provider is not None}


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes providers of what they share."""

    types: FieldTypes
    people: PeopleStore
    values: Values
    clock: Clock

    def provider(self, name: str, config: ProviderConfig) -> Provider:
        """Make one. Raises ConfigError where it can never work as described."""
        match config:
            case DirectoryConfig():
                return DirectoryProvider(name, config, self.types, self.people)
            case EmailPatternConfig():
                return EmailPatternProvider(name, config, self.people, self.clock)
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
            case PdlConfig():
                return Pdl(name, config, self.values, self.clock)
            case ApolloConfig():
                return Apollo(name, config, self.values, self.clock)
            case ProspeoConfig():
                return Prospeo(name, config, self.values, self.clock)
            case DropcontactConfig():
                return Dropcontact(name, config, self.values, self.clock)
            case FullEnrichConfig():
                return FullEnrich(name, config, self.values, self.clock)
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


def build_waterfall(settings: Settings, providers: Mapping[str, Provider]) -> Waterfall:
    """Plan the waterfalls."""
    gives = {name: provider.traits.gives for name, provider in providers.items()}
    paid = frozenset(name for name, provider in providers.items() if provider.traits.paid)
    return Waterfall({field: setting.waterfall for field, setting in settings.fields.items()}, gives, paid)


def build_dispatchers(
    settings: Settings, providers: Mapping[str, Provider], clock: Clock, ledger: Ledger
) -> Sequence[Dispatcher]:
    """Make the one way to each provider; the way to a paid one leads through the ledger."""
    overall = asyncio.Semaphore(settings.worker.calls_in_flight_max)
    dispatchers: list[Dispatcher] = []
    for name, provider in providers.items():
        config = settings.providers[name]
        bound = overall if provider.traits.remote else None
        if provider.traits.paid and isinstance(config, PaidLimits):
            terms = Terms(
                config.credit_price,
                config.found_days * DAY_S,
                config.miss_days * DAY_S,
                UnknownPolicy(config.unknown),
            )
            dispatchers.append(PaidDispatcher(provider, clock, bound, ledger=ledger, terms=terms))
        else:
            dispatchers.append(Dispatcher(provider, clock, bound))
    return dispatchers


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
