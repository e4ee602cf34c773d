"""The settings of a local stack: the user's, with private servers, free ports, and the rehearsal vendor at the end."""

from typing import Any, Final

from pydantic import SecretStr

from des.config import FieldSettings, Grpc, Http, Settings
from des.config_providers import HunterConfig

REHEARSAL: Final = "hunter"
"""Name of the provider that the sandbox plays."""
REHEARSED_FIELDS: Final = ("professional_email", "phone_number")
SANDBOX_KEY: Final = "sandbox"
"""The sandbox takes any key."""
CONCURRENCY: Final = 64
"""Calls in flight to the sandbox, which sets itself no rate here (`des.cli.rehearsal`)."""


def local_settings(
    given: Settings, *, database_url: str | None, amqp_url: str | None, sandbox_url: str | None
) -> Settings:
    """Return the settings a local stack runs with; what is None stays as it was given.

    Ports that the user did not choose are free ones. A user who configured the vendor keeps it and the waterfalls as
    they are; for everybody else the sandbox stands in for it at the end of each waterfall.
    """
    changes: dict[str, Any] = {
        "grpc": _on_free_port(given.grpc),
        "http": _on_free_port(given.http),
    }
    if database_url is not None:
        changes["database_url"] = SecretStr(database_url)
    if amqp_url is not None:
        changes["amqp_url"] = SecretStr(amqp_url)
    if sandbox_url is not None and REHEARSAL not in given.providers:
        vendor = HunterConfig(
            kind="hunter", api_key=SecretStr(SANDBOX_KEY), url=sandbox_url, concurrency=CONCURRENCY, rate=()
        )
        changes["providers"] = {**given.providers, REHEARSAL: vendor}
        changes["fields"] = {name: _rehearsed(name, field) for name, field in given.fields.items()}
    return given.model_copy(update=changes)


def _rehearsed(name: str, field: FieldSettings) -> FieldSettings:
    if name not in REHEARSED_FIELDS:
        return field
    return field.model_copy(update={"waterfall": (*field.waterfall, REHEARSAL)})


def _on_free_port(door: Grpc | Http) -> Grpc | Http:
    """Let the system choose the port, unless the user did."""
    return door if "port" in door.model_fields_set else door.model_copy(update={"port": 0})
