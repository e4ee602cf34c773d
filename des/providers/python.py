"""Providers that others write: a class named in the settings, found, made and looked at before anything starts.

    [providers.acme]
    kind = "python"
    implementation = "acme_people:AcmePeople"
    api_key = "…"
    options = { region = "eu" }

The class is called with a `Setup` and has to keep the contract of `des.providers.contract`; `des.testing.provider` has
the checks to put it through. It must be importable where DES runs: installed beside it, or on PYTHONPATH.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from des.clock import Clock
from des.config_providers import PythonProviderConfig
from des.errors import ConfigError
from des.limits import COST_MAX
from des.providers.account import Account
from des.providers.contract import FieldTypes, Provider, Replay, Traits
from des.providers.transport import Transport
from des.providers.values import Values

_CONTRACT = ("traits", "start", "ask", "stop")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a provider is made from: its name and settings, the types of all fields, who normalises values, the time."""

    name: str
    config: PythonProviderConfig
    types: FieldTypes
    values: Values
    clock: Clock

    @property
    def options(self) -> Mapping[str, Any]:
        """What the settings tell it, as they stand there."""
        return self.config.options

    @property
    def api_key(self) -> str:
        """Its key, or "" where none is set."""
        return self.config.api_key.get_secret_value() if self.config.api_key else ""

    def account(self) -> Account:
        """The account that its requests go to; a provider that shows it as `account` has each of them counted."""
        return Account(self.clock, [(rate.count, rate.per_s) for rate in self.config.rate])

    def transport(self, account: Account, headers: Mapping[str, str]) -> Transport:
        """HTTP calls within the limits of the settings, for the provider to start and to stop."""
        limits = self.config
        return Transport(slots=limits.concurrency, deadline_s=limits.deadline_s, headers=headers, account=account)

    def wrong(self, option: str, description: str) -> ConfigError:
        """Make the error of an option that cannot work, for the provider to raise when it is made."""
        return ConfigError.at(f"providers.{self.name}.options.{option}", description)

    def traits(
        self,
        gives: Iterable[str],
        *,
        batch_max: int = 1,
        remote: bool = True,
        prices: Mapping[str, float] | None = None,
        replay: Replay = Replay.NEVER_FREE,
        operation: str = "",
    ) -> Traits:
        """Traits with the limits of the settings; with `prices` (the most credits by field) its calls are paid."""
        limits = self.config
        return Traits(
            self.name,
            frozenset(gives),
            batch_max=batch_max,
            slots=limits.concurrency,
            deadline_s=limits.deadline_s,
            attempts_max=limits.attempts_max,
            remote=remote,
            paid=prices is not None,
            replay=replay,
            rate_windows=tuple((rate.count, rate.per_s) for rate in limits.rate),
            operation=operation,
            prices=dict(prices or {}),
        )


def load(setup: Setup) -> Provider:
    """Make the provider that the settings name. Raises ConfigError where that cannot work, with the remedy."""
    place, named = f"providers.{setup.name}.implementation", setup.config.implementation
    implementation = _found(place, named)
    try:
        provider = implementation(setup)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError.at(place, f"{named} cannot be made: {type(error).__name__}: {error}") from error
    missing = [name for name in _CONTRACT if not hasattr(provider, name)]
    if missing:
        raise ConfigError.at(place, f"{named} is no provider: it has no {', '.join(missing)} (des.providers.contract)")
    _check_traits(place, provider, setup)
    made: Provider = provider
    return made


def _found(place: str, named: str) -> Any:
    """The class, or whatever else can be called, of that module and name."""
    module_name, _, name = named.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the module, which may fail in any way
        raise ConfigError.at(
            place,
            f"{module_name} cannot be imported: {type(error).__name__}: {error}; install it where DES runs, or put its "
            "folder on PYTHONPATH",
        ) from error
    implementation = getattr(module, name, None)
    if not callable(implementation):
        raise ConfigError.at(place, f"{module_name} has no class called {name!r}")
    return implementation


def _check_traits(place: str, provider: Any, setup: Setup) -> None:
    traits = provider.traits
    if not isinstance(traits, Traits):
        raise ConfigError.at(
            place, f"its traits are {type(traits).__name__} and have to be des.providers.contract.Traits"
        )
    if traits.name != setup.name:
        raise ConfigError.at(place, f"its traits call it {traits.name!r}; take the name of the setup, {setup.name!r}")
    if not traits.gives:
        raise ConfigError.at(place, "its traits give no field")
    wrong = [name for name, price in traits.prices.items() if not 0 <= price <= COST_MAX]
    if wrong:
        raise ConfigError.at(
            place,
            f"its traits have a price that is no number of credits from 0 to {COST_MAX:,}: {', '.join(sorted(wrong))}",
        )
    if min(traits.batch_max, traits.slots, traits.attempts_max) < 1 or not traits.deadline_s > 0:
        raise ConfigError.at(
            place, "its traits bound calls by less than one: batch_max, slots, attempts_max, deadline_s"
        )
