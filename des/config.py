"""Settings: from the environment, from a TOML file, or the defaults, which are a working service.

The environment wins over the file, the file over the defaults. `DES_HTTP__PORT` is `port` in the section `[http]`; a
value that begins with `[` or `{` is JSON; `…_FILE` names a file that holds the value, as orchestrators mount secrets.
The file is the one `DES_CONFIG` names, or `des.toml` in the current directory where there is one.

Nothing else in DES reads the environment, and nothing but `load_settings` does so here: `Settings()` is the defaults
on every machine. Fields and providers that are configured come on top of those that DES has from the start.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from des import config_environment, failpoints, limits
from des.config_diagnosis import diagnosed, waterfall_problems
from des.config_places import Written
from des.config_problems import Problems, described
from des.config_providers import ProviderConfig
from des.contact import FieldType
from des.errors import ConfigError, Violation
from des.failpoints import Failpoint

FILE_DEFAULT = Path("des.toml")

FIELDS_DEFAULT: dict[str, Any] = {
    "professional_email": {"type": "email", "waterfall": ["directory", "email_pattern"]},
    "phone_number": {"type": "phone", "waterfall": ["directory"]},
}
PROVIDERS_DEFAULT: dict[str, Any] = {
    "directory": {"kind": "directory"},
    "email_pattern": {"kind": "email_pattern"},
}

Name = Annotated[str, Field(pattern=rf"^[a-z][a-z0-9_]{{0,{limits.FIELD_NAME_CHARS_MAX - 1}}}$")]
"""Of a field or a provider: lower-case letters, digits and underscores, a letter first."""
Port = Annotated[int, Field(ge=0, le=65_535)]

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Grpc(_Section):
    """The gRPC door."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(50_051, description="Port to listen on; 0 takes a free one.")
    max_streams: int = Field(1_000, ge=1, description="Calls served at once; further ones are refused.")


class Http(_Section):
    """The HTTP door: the API, probes and metrics."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8_080, description="Port to listen on; 0 takes a free one.")
    body_bytes_max: int = Field(
        limits.HTTP_BODY_BYTES_MAX,
        ge=limits.KIB,
        le=limits.HTTP_BODY_BYTES_MAX,
        description="Bytes of one request body; more is answered with 413.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+",
        description="Where vendors reach this door; what they deliver goes to `/v1/webhooks/{provider}` below it.",
    )

    def webhook_url(self, provider: str) -> str | None:
        """Where a provider's vendor delivers; None where it cannot reach this door."""
        return self.public_url and f"{self.public_url.rstrip('/')}/v1/webhooks/{provider}"


class Log(_Section):
    """What the process says while it works, on standard error."""

    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`: one object a line; `console`: for people; `auto`: console on a terminal."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is written.")


class Worker(_Section):
    """How much a worker takes on."""

    contacts_in_work_max: int = Field(
        limits.CONTACTS_IN_WORK_MAX,
        ge=1,
        description="Contacts worked on at once, over all enrichments; three times as many may be held in memory.",
    )
    accepted_contacts_high_water: int = Field(
        limits.ACCEPTED_CONTACTS_HIGH_WATER,
        ge=1,
        description="Contacts accepted and not finished at which accepting rests; the broker keeps what comes.",
    )
    calls_in_flight_max: int = Field(256, ge=1, description="Calls to providers in flight at once, over all of them.")
    replay_after_s: float = Field(
        limits.REPLAY_AFTER_S,
        gt=0,
        description="Seconds after which a call without an answer is sent again, where the vendor does it for nothing.",
    )


class FieldSettings(_Section):
    """A field that callers may ask for."""

    type: FieldType = Field(description="How its values are normalised and checked: email, phone, url or text.")
    waterfall: tuple[Name, ...] = Field(
        description="Providers asked for it, by name, in this order; the next one only after a miss.", min_length=1
    )
    verify: tuple[Name, ...] = Field(
        (), description="Providers that are shown an address before it is taken, in this order, until one can tell."
    )
    order: Literal["configured", "learned"] = Field(
        "configured",
        description="`learned`: the paid ones in the order of what they have been worth, by kind of person.",
    )


class Budget(_Section):
    """The most that a tenant may spend; what is left out is not bounded."""

    cap_credits: float | None = Field(None, ge=0, description="Credits, over all its providers.")
    cap_money: float | None = Field(None, ge=0, description="Money, by each provider's price of a credit.")


class Settings(_Section):
    """Everything that can be set."""

    database_url: SecretStr = Field(
        SecretStr(""), description="Postgres, as postgresql://user:password@host:port/name; `des dev` brings its own."
    )
    database_connections_max: int = Field(10, ge=2, description="Connections to Postgres held by one process.")
    amqp_url: SecretStr = Field(
        SecretStr(""), description="RabbitMQ, as amqp://user:password@host:port/vhost; `des dev` brings its own."
    )
    grpc: Grpc = Grpc()
    http: Http = Http()
    log: Log = Log()
    worker: Worker = Worker()
    tenants: dict[str, str] = Field(
        {}, description="AMQP user to tenant: whose the batches are that this user publishes; others are `default`."
    )
    fields: dict[Name, FieldSettings] = Field(
        FIELDS_DEFAULT, validate_default=True, description="Fields that callers may ask for, by name."
    )
    providers: dict[Name, ProviderConfig] = Field(
        PROVIDERS_DEFAULT, validate_default=True, description="Providers that waterfalls may name, by name."
    )
    budgets: dict[str, Budget] = Field({}, description="Caps by tenant; the one tenant of a plain DES is `default`.")
    shutdown_grace_s: float = Field(
        limits.SHUTDOWN_GRACE_S, ge=0, description="Seconds from SIGTERM until what is not finished is cut short."
    )
    _written: Written = PrivateAttr(default_factory=Written)
    failpoint: str = Field(
        "", description="For tests: NAME or NAME:COUNT, where the process kills itself (des/failpoints.py)."
    )

    @field_validator("fields", "providers", mode="before")
    @classmethod
    def _on_top_of_defaults(cls, given: Any, info: Any) -> Any:
        defaults = FIELDS_DEFAULT if info.field_name == "fields" else PROVIDERS_DEFAULT
        return _merged(defaults, given) if isinstance(given, dict) else given

    @property
    def armed_failpoint(self) -> tuple[Failpoint, int] | None:
        """The failpoint to arm and at which hit. Raises ConfigError where there is none of that name."""
        return failpoints.parse(self.failpoint) if self.failpoint else None

    def require_servers(self) -> None:
        """Raise ConfigError unless both servers are named, as every process but `des dev` needs them."""
        problems = Problems()
        for name in ("database_url", "amqp_url"):
            if not getattr(self, name).get_secret_value():
                problems.add(name, f"is not set; set {config_environment.variable([name])}, or run `des dev`")
        problems.raise_any()

    def as_written(self, written: Written) -> Self:
        """Remember where these settings stand, for what is found wrong with them later."""
        self._written = written
        return self

    def wrong(self, problems: Sequence[Violation]) -> ConfigError:
        """Make the error of what is wrong with these settings, each place with the table or variable that says it."""
        placed = [
            Violation(one.field, f"{one.description} ({self._written.where(one.field)})") if one.field else one
            for one in problems
        ]
        file = self._written.file
        return ConfigError(
            f"{described(placed)}\nread from the environment{f' and {file}' if file else ''}", tuple(placed)
        )

    def redacted(self) -> dict[str, Any]:
        """All settings as plain values, without secrets: passwords in URLs and secrets are replaced by asterisks."""
        shown = self.model_dump(mode="json")
        for name in ("database_url", "amqp_url"):
            shown[name] = getattr(self, name).get_secret_value()
        return dict(_without_passwords(shown))


class _Loaded(BaseSettings, Settings):
    """Settings as this process was given them: the environment, then what the file says as arguments."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return _Environment(settings_cls), init_settings


class _Environment(PydanticBaseSettingsSource):
    """This process's environment, as `des.config_environment` reads it."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Say nothing of one field: `__call__` reads all of them at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return config_environment.nested(os.environ, self.settings_cls.model_fields)


def load_settings(path: Path | None = None) -> Settings:
    """Settings from the environment and the file: `path`, else `DES_CONFIG`, else `des.toml` where there is one.

    Raises ConfigError that names the place of everything wrong and what would be right.
    """
    settings, problems = read_settings(path)
    if problems:
        raise settings.wrong(problems)
    return settings


def read_settings(path: Path | None = None) -> tuple[Settings, list[Violation]]:
    """What can be read of the settings, and what is wrong with the rest. Raises ConfigError where nothing can be."""
    file = _file(path)
    try:
        tables = TomlConfigSettingsSource(_Loaded, file)() if file else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    given = _merged(tables, config_environment.nested(os.environ, Settings.model_fields))
    settings: Settings
    problems: list[Violation] = []
    try:
        settings = _Loaded(**tables)
    except ValidationError:
        settings, problems = diagnosed(Settings, given)
    fields, providers = (given.get(name) for name in ("fields", "providers"))
    named = {*settings.providers, *(providers if isinstance(providers, dict) else ())}
    problems += waterfall_problems(fields if isinstance(fields, dict) else {}, named)
    return settings.as_written(Written(file, tables, os.environ.keys())), problems


def _file(path: Path | None) -> Path | None:
    named = path or (Path(text) if (text := os.environ.get("DES_CONFIG")) else None)
    if named is None:
        return FILE_DEFAULT if FILE_DEFAULT.is_file() else None
    if not named.is_file():
        raise ConfigError(f"there is no settings file {named}; it was named by --config or DES_CONFIG")
    return named


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merged(below[key], above[key])
    return merged


def _without_passwords(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_passwords(inner) for key, inner in value.items()}
        case list():
            return [_without_passwords(inner) for inner in value]
        case str():
            return _PASSWORD_IN_URL.sub(r"\1:***@", value)
        case _:
            return value
