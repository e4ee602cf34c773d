"""What a local stack changes in the settings it was given, and what it leaves alone."""

from pydantic import SecretStr

from des.cli.dev_settings import local_settings
from des.config import Grpc, Settings
from des.config_providers import HunterConfig


def test_private_servers_free_ports_and_the_sandbox_at_the_end_of_the_waterfalls() -> None:
    settings = local_settings(
        Settings(), database_url="postgresql://private", amqp_url="amqp://private", sandbox_url="http://sandbox"
    )
    assert settings.database_url.get_secret_value() == "postgresql://private"
    assert settings.amqp_url.get_secret_value() == "amqp://private"
    assert (settings.grpc.port, settings.http.port) == (0, 0)
    assert settings.fields["professional_email"].waterfall == ("directory", "email_pattern", "hunter")
    assert settings.fields["phone_number"].waterfall == ("directory", "hunter")
    hunter = settings.providers["hunter"]
    assert isinstance(hunter, HunterConfig)
    assert hunter.url == "http://sandbox"


def test_what_the_user_chose_stays() -> None:
    vendor = {"kind": "hunter", "api_key": "theirs"}
    given = Settings.model_validate({
        "database_url": "postgresql://theirs",
        "grpc": {"port": 7_700},
        "providers": {"hunter": vendor},
    })  # fmt: skip
    settings = local_settings(given, database_url=None, amqp_url="amqp://private", sandbox_url="http://sandbox")
    assert settings.database_url == SecretStr("postgresql://theirs")
    assert settings.grpc == Grpc(port=7_700)
    assert settings.providers["hunter"] == given.providers["hunter"]
    assert settings.fields == given.fields


def test_without_a_sandbox_no_vendor_is_asked() -> None:
    settings = local_settings(Settings(), database_url="d", amqp_url="a", sandbox_url=None)
    assert (settings.providers, settings.fields) == (Settings().providers, Settings().fields)
