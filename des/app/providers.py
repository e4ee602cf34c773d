"""From settings to providers: one `match` over their kinds."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import assert_never

from des.clock import Clock
from des.config import Settings
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
    VendorConfig,
)
from des.contact import FieldType
from des.errors import ConfigError
from des.ledger import Ledger, millionths
from des.people import PeopleStore
from des.providers.contract import Provider, UnknownPolicy
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
from des.providers.values import Values
from des.providers.waterfall import Waterfall
from des.store.ledger import Cap, Caps

DAY_S = 86_400.0


def build_providers(settings: Settings, people: PeopleStore, clock: Clock) -> Mapping[str, Provider]:
    """Make every provider that a waterfall names. Raises ConfigError for one that can never work as described."""
    values = Values()
    types: dict[str, FieldType] = {name: field.type for name, field in settings.fields.items()}
    wanted = {name for field in settings.fields.values() for name in field.waterfall}
    providers: dict[str, Provider] = {}
    for name in sorted(wanted):
        config = settings.providers[name]
        match config:
            case DirectoryConfig():
                providers[name] = DirectoryProvider(name, config, types, people)
            case EmailPatternConfig():
                providers[name] = EmailPatternProvider(name, config, people, clock)
            case HttpProviderConfig():
                providers[name] = HttpProvider(name, config, types, values, clock)
            case _:
                providers[name] = _vendor(name, config, values, clock)
    return providers


def _vendor(name: str, config: VendorConfig, values: Values, clock: Clock) -> Provider:
    """Make the provider of a vendor's dialect."""
    match config:
        case HunterConfig():
            return Hunter(name, config, values, clock)
        case PdlConfig():
            return Pdl(name, config, values, clock)
        case ApolloConfig():
            return Apollo(name, config, values, clock)
        case ProspeoConfig():
            return Prospeo(name, config, values, clock)
        case DropcontactConfig():
            return Dropcontact(name, config, values, clock)
        case FullEnrichConfig():
            return FullEnrich(name, config, values, clock)
        case _:
            assert_never(config)


def build_waterfall(settings: Settings, providers: Mapping[str, Provider]) -> Waterfall:
    """Plan the waterfalls. Raises ConfigError where one names a provider that cannot give its field."""
    gives = {name: provider.traits.gives for name, provider in providers.items()}
    for field, setting in settings.fields.items():
        for name in setting.waterfall:
            if field not in gives[name]:
                can = ", ".join(sorted(gives[name])) or "nothing"
                raise ConfigError(
                    f"fields.{field}.waterfall names {name!r}, which gives {can} and never {field}; take it out, or "
                    "name a provider that does"
                )
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
