"""From settings to providers: one `match` over their kinds."""

from collections.abc import Mapping
from typing import assert_never

from des.clock import Clock
from des.config import Settings
from des.config_providers import (
    ApolloConfig,
    DirectoryConfig,
    EmailPatternConfig,
    HttpProviderConfig,
    HunterConfig,
    PdlConfig,
    ProspeoConfig,
)
from des.contact import FieldType
from des.errors import ConfigError
from des.people import PeopleStore
from des.providers.contract import Provider
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.hunter import Hunter
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.directory import DirectoryProvider
from des.providers.email_pattern import EmailPatternProvider
from des.providers.http import HttpProvider
from des.providers.values import Values
from des.providers.waterfall import Waterfall


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
            case HunterConfig():
                providers[name] = Hunter(name, config, values, clock)
            case PdlConfig():
                providers[name] = Pdl(name, config, values, clock)
            case ApolloConfig():
                providers[name] = Apollo(name, config, values, clock)
            case ProspeoConfig():
                providers[name] = Prospeo(name, config, values, clock)
            case _:
                assert_never(config)
    return providers


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
