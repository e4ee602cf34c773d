"""Settings come from the environment, a file and the defaults, in this order; what is wrong is named with its place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from des.config import Settings, load_settings
from des.config_providers import HunterConfig
from des.contact import FieldType
from des.errors import ConfigError
from des.failpoints import Failpoint


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable and no file of the machine's."""
    import os  # noqa: PLC0415 - only here: tests do not read the environment either

    for name in [name for name in os.environ if name.startswith("DES_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_nothing_given_is_a_working_service() -> None:
    settings = load_settings()
    assert settings.model_dump() == Settings().model_dump()
    assert settings.fields["professional_email"].waterfall == ("directory", "email_pattern")
    assert settings.fields["phone_number"].type is FieldType.PHONE
    assert {name: provider.kind for name, provider in settings.providers.items()} == {
        "directory": "directory",
        "email_pattern": "email_pattern",
    }
    assert settings.armed_failpoint is None


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[http]\nport = 1111\nhost = '10.0.0.1'\n[grpc]\nport = 2222\n")
    monkeypatch.setenv("DES_HTTP__PORT", "3333")
    settings = load_settings(path)
    assert (settings.http.port, settings.http.host, settings.grpc.port) == (3333, "10.0.0.1", 2222)
    assert settings.grpc.host == Settings().grpc.host


@pytest.mark.parametrize("named", ["DES_CONFIG", "here"])
def test_the_file_is_found(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "shutdown_grace_s = 7\n")
    if named == "DES_CONFIG":
        monkeypatch.setenv("DES_CONFIG", str(path))
    else:
        path.rename("des.toml")
    assert load_settings().shutdown_grace_s == 7


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("postgresql://des:s3cret@db/des\n")
    monkeypatch.setenv("DES_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert load_settings().database_url.get_secret_value() == "postgresql://des:s3cret@db/des"
    monkeypatch.setenv("DES_DATABASE_URL", "postgresql://other")
    with pytest.raises(ConfigError, match="DES_DATABASE_URL and DES_DATABASE_URL_FILE are both set"):
        load_settings()
    monkeypatch.delenv("DES_DATABASE_URL")
    monkeypatch.setenv("DES_DATABASE_URL_FILE", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="DES_DATABASE_URL_FILE names"):
        load_settings()


def test_a_provider_from_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DES_PROVIDERS__HUNTER__KIND", "hunter")
    monkeypatch.setenv("DES_PROVIDERS__HUNTER__API_KEY", "12345")
    monkeypatch.setenv("DES_PROVIDERS__HUNTER__RATE", '[{"count": 2, "per_s": 1}]')
    monkeypatch.setenv("DES_FIELDS__PROFESSIONAL_EMAIL__WATERFALL", '["directory", "hunter"]')
    monkeypatch.setenv("DES_TENANTS", '{"Acme": "acme"}')
    settings = load_settings()
    hunter = settings.providers["hunter"]
    assert isinstance(hunter, HunterConfig)
    assert hunter.api_key == SecretStr("12345")
    assert hunter.rate[0].count == 2
    assert settings.fields["professional_email"].waterfall == ("directory", "hunter")
    assert settings.fields["professional_email"].type is FieldType.EMAIL
    assert settings.tenants == {"Acme": "acme"}


def test_configured_fields_and_providers_come_on_top(tmp_path: Path) -> None:
    settings = load_settings(
        written(
            tmp_path,
            '[fields.website]\ntype = "url"\nwaterfall = ["directory"]\n[providers.directory]\nconcurrency = 2\n',
        )
    )
    assert set(settings.fields) == {"professional_email", "phone_number", "website"}
    assert settings.providers["directory"].kind == "directory"
    assert settings.providers["directory"].concurrency == 2


def test_variables_that_name_no_setting_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DES_SERVICE_HOST", "10.1.2.3")
    monkeypatch.setenv("DES_PORT", "tcp://10.1.2.3:80")
    assert load_settings().model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[http]\nport = 'many'", r"http\.port: .*integer.* \(\[http\] of settings\.toml, or DES_HTTP__PORT\)"),
        ("[http]\nprot = 1", r"http\.prot: there is no such setting \(is 'port' meant\?\)"),
        ("colour = 'red'", r"colour: there is no such setting; there are .*providers.*the top of settings\.toml"),
        (
            "[providers.hunter]\nkind = 'hunter'",
            r"providers\.hunter\.api_key: must be set \(\[providers\.hunter\] of settings\.toml, or DES_\w+__API_KEY\)",
        ),
        ("[providers.x]\nkind = 'nope'", r"providers\.x: no kind is called 'nope'; there are http, hunter"),
        ("[fields.Odd]\ntype = 'text'\nwaterfall = ['directory']", r"fields\.Odd: is no name; it takes lower-case"),
        (
            "[fields.title]\ntype = 'text'\nwaterfall = ['linkedin']",
            r"fields\.title\.waterfall: names 'linkedin'.* add \[providers\.linkedin\] or .*: directory, email_pattern",
        ),
        ("port = ", r"settings\.toml is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(written(tmp_path, toml))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no settings file .*absent"):
        load_settings(tmp_path / "absent.toml")


def test_json_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DES_TENANTS", "{acme")
    with pytest.raises(ConfigError, match="DES_TENANTS begins like JSON"):
        load_settings()


def test_a_section_is_not_a_value_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DES_HTTP", "8080")
    monkeypatch.setenv("DES_HTTP__PORT", "8080")
    with pytest.raises(ConfigError, match="DES_HTTP__PORT: http is set to a value already"):
        load_settings()


def test_servers_are_required_by_name() -> None:
    with pytest.raises(ConfigError, match="database_url: is not set; set DES_DATABASE_URL, or run `des dev`"):
        Settings().require_servers()


def test_the_failpoint_is_read() -> None:
    assert Settings(failpoint="commit_before:2").armed_failpoint == (Failpoint.COMMIT_BEFORE, 2)


def test_no_secret_is_shown_and_none_stands_in_an_error(tmp_path: Path) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://des:hunter2@db:5432/des"),
        amqp_url=SecretStr("amqp://guest:hunter2@mq/"),
        providers={
            "hunter": HunterConfig(kind="hunter", api_key=SecretStr("hunter2"), proxy=SecretStr("http://u:hunter2@p"))
        },
    )
    shown = settings.redacted()
    assert "hunter2" not in repr(shown)
    assert "hunter2" not in repr(settings.database_url) + repr(settings.providers)
    assert shown["database_url"] == "postgresql://des:***@db:5432/des"
    wrong = "[providers.h]\nkind = 'hunter'\napi_key = ['hunter2']\n"
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, wrong))
    assert "hunter2" not in str(caught.value)


def described(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from described(annotation)
            yield f"[{name}]", annotation.__doc__
        else:
            yield name, field.description


def test_every_setting_is_described() -> None:
    assert [name for name, description in described(Settings) if not description] == []
