"""What is wrong with a configuration is refused before anything starts: the place, the remedy, all of it at once."""

import re
import sys
from pathlib import Path

import pytest

from des.app.checked import checked_settings
from des.app.providers import build_providers
from des.clock import SystemClock
from des.config import FieldSettings, Settings
from des.contact import FieldType
from des.errors import ConfigError
from des.store.directory import Directory
from des.store.postgres import Database

HTTP = """[providers.plain]
kind = 'http'
values = { phone_number = { path = 'phone' } }
request = { url = 'http://a.example/' }
"""
HUNTER = "[providers.hunter]\nkind = 'hunter'\n"
KEY = "api_key = 'k'\n"

CASES: dict[str, tuple[str, str, str]] = {
    "unknown provider": (
        "[fields.phone_number]\nwaterfall = ['hunta']\n" + HUNTER + KEY,
        "fields.phone_number.waterfall",
        "names 'hunta', which is no provider (is 'hunter' meant?); add [providers.hunta] or use one of: ",
    ),
    "a field it cannot give": (
        "[fields.title]\ntype = 'text'\nwaterfall = ['hunter']\n" + HUNTER + KEY,
        "fields.title.waterfall",
        "names 'hunter', which gives phone_number, professional_email and never title; take it out",
    ),
    "a provider twice": (
        "[fields.phone_number]\nwaterfall = ['directory', 'directory']\n",
        "fields.phone_number.waterfall",
        "names 'directory' 2 times; once is enough",
    ),
    "a verifier that is none": (
        "[fields.professional_email]\nverify = ['email_chek']\n[providers.email_check]\nkind = 'email_check'\n",
        "fields.professional_email.verify",
        "names 'email_chek', which is no provider (is 'email_check' meant?); add [providers.email_chek] or use one of",
    ),
    "a verifier that verifies nothing": (
        "[fields.professional_email]\nverify = ['hunter']\n" + HUNTER + KEY,
        "fields.professional_email.verify",
        "names 'hunter', which gives phone_number, professional_email and verifies no address; name a provider that",
    ),
    "a verifier twice": (
        "[fields.professional_email]\nverify = ['check', 'check']\n[providers.check]\nkind = 'email_check'\n",
        "fields.professional_email.verify",
        "names 'check' 2 times; once is enough",
    ),
    "a field that cannot be verified": (
        "[fields.phone_number]\nverify = ['check']\n[providers.check]\nkind = 'email_check'\n",
        "fields.phone_number.verify",
        "only e-mail addresses can be verified, and phone_number is of type phone; take it out",
    ),
    "a verifier in a waterfall": (
        "[fields.professional_email]\nwaterfall = ['check']\n[providers.check]\nkind = 'email_check'\n",
        "fields.professional_email.waterfall",
        "names 'check', which gives verification and never professional_email; take it out",
    ),
    "a DNS server that is none": (
        "[providers.check]\nkind = 'email_check'\nnameservers = ['dns.example']\n",
        "providers.check.nameservers[0]",
        "should match pattern",
    ),
    "a cost that no cap would hold": (
        HTTP + "paid = true\ncost_path = 'credits'\n",
        "providers.plain",
        "`cost_path` without `price`: nothing is reserved for a call, so that no cap holds; set `price` to the most",
    ),
    "a price that no ledger holds": (HTTP + "price = 1e9\n", "providers.plain.price", "less than or equal to 1000000"),
    "missing key": (HUNTER, "providers.hunter.api_key", "must be set"),
    "empty key": (HUNTER + "api_key = ''", "providers.hunter.api_key", "must be set: it is empty"),
    "a key with its line end": (HUNTER + 'api_key = "k\\n"', "providers.hunter.api_key", "no header can carry"),
    "a template that does not parse": (
        HTTP.replace("http://a.example/", "http://a.example/{first name}"),
        "providers.plain.request.url",
        "{first name} is no placeholder; write one like {first_name}",
    ),
    "a template with a name that is none": (
        HTTP.replace("http://a.example/", "http://a.example/{firstname}"),
        "providers.plain.request.url",
        "nothing is called 'firstname'; there are ",
    ),
    "a template with a key that is not set": (
        HTTP.replace("http://a.example/", "http://a.example/{api_key}"),
        "providers.plain.request.url",
        "no api_key is set for this provider; set it beside `kind`",
    ),
    "a path that is none": (
        HTTP.replace("'phone'", "'phone['"),
        "providers.plain.values.phone_number.path",
        "write keys and positions",
    ),
    "a value for a field that is none": (
        HTTP.replace("phone_number", "phone"),
        "providers.plain.values.phone",
        "no field is called 'phone'; define it under `fields`",
    ),
    "an address that is none": (HUNTER + KEY + "url = 'hunter.io'", "providers.hunter.url", "should match pattern"),
    "a proxy that is none": (HUNTER + KEY + "proxy = 'proxy:3128'", "providers.hunter.proxy", "should match pattern"),
    "a window of no calls": (
        HUNTER + KEY + "rate = [{ count = 0, per_s = 1 }]",
        "providers.hunter.rate[0].count",
        "greater than 0",
    ),
    "a window of no length": (
        HUNTER + KEY + "rate = [{ count = 1, per_s = -1 }]",
        "providers.hunter.rate[0].per_s",
        "greater than 0",
    ),
    "a window without an end": (
        HUNTER + KEY + "rate = [{ count = 1, per_s = inf }]",
        "providers.hunter.rate[0].per_s",
        "finite number",
    ),
    "two windows of one length": (
        HUNTER + KEY + "rate = [{ count = 5, per_s = 1 }, { count = 9, per_s = 1.0 }]",
        "providers.hunter.rate",
        "two windows are 1 s long; keep the one with the smaller count",
    ),
    "a negative price": (HUNTER + KEY + "price = -1", "providers.hunter.price", "greater than or equal to 0"),
    "a price that is no number": (HUNTER + KEY + "price = nan", "providers.hunter.price", "finite number"),
    "a cap below nothing": ("[budgets.default]\ncap_money = -1", "budgets.default.cap_money", "or equal to 0"),
    "a kind that is none": (
        "[providers.hunter]\nkind = 'huntr'",
        "providers.hunter",
        "no kind is called 'huntr' (is 'hunter' meant?); there are ",
    ),
    "no kind": ("[providers.hunter]\napi_key = 'k'", "providers.hunter", "its `kind` must be set"),
    "a setting that is none": (
        HUNTER + KEY + "prize = 1",
        "providers.hunter.prize",
        "there is no such setting (is 'price' meant?); there are api_key, ",
    ),
    "a policy that is none": (
        HUNTER + KEY + "unknown = 'keep'",
        "providers.hunter.unknown",
        "'hold', 'retry' or 'skip'",
    ),
    "a name that is none": (
        "[providers.Hunter]\nkind = 'hunter'\napi_key = 'k'",
        "providers.Hunter",
        "it takes lower-case letters, digits and underscores",
    ),
    "a type that is none": (
        "[fields.title]\ntype = 'txt'\nwaterfall = ['directory']",
        "fields.title.type",
        "'email', 'phone', 'url' or 'text'",
    ),
    "a waterfall of nobody": ("[fields.phone_number]\nwaterfall = []", "fields.phone_number.waterfall", "at least 1"),
    "a module that is not there": (
        "[providers.mine]\nkind = 'python'\nimplementation = 'nowhere:Mine'",
        "providers.mine.implementation",
        "nowhere cannot be imported: ModuleNotFoundError: No module named 'nowhere'; install it where DES runs",
    ),
    "a class that is not there": (
        "[providers.mine]\nkind = 'python'\nimplementation = 'json:Mine'",
        "providers.mine.implementation",
        "json has no class called 'Mine'",
    ),
    "a class that is no provider": (
        "[providers.mine]\nkind = 'python'\nimplementation = 'types:SimpleNamespace'",
        "providers.mine.implementation",
        "types:SimpleNamespace cannot be made: TypeError",
    ),
    "a failpoint that is none": ("failpoint = 'somewhere'", "failpoint", "is not NAME or NAME:COUNT"),
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file in a folder without others, with both servers named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("DES_AMQP_URL", "amqp://nobody@127.0.0.1:1/")
    return tmp_path / "settings.toml"


def refused(file: Path, text: str) -> ConfigError:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        checked_settings(file)
    assert caught.value.reason == "INVALID_CONFIGURATION"
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_each_mistake_is_told_with_its_place_and_the_remedy(name: str, file: Path) -> None:
    text, place, remedy = CASES[name]
    (violation,) = refused(file, text).violations
    assert violation.field == place
    assert remedy in violation.description
    assert re.search(
        r"\((\[.+ of settings\.toml, or |the top of settings\.toml, or )?DES_\w+\)$", violation.description
    )


def test_all_mistakes_are_told_at_once_and_nothing_that_only_follows_from_them(file: Path) -> None:
    names = ["unknown provider", "a template that does not parse", "a type that is none", "a cap below nothing"]
    text = "\n".join(CASES[name][0] for name in names).replace(KEY, "")
    text = text.replace("values = {", "values = { title = { path = 't' },")
    text += "\n[fields.professional_email]\nwaterfall = ['hunter', 'plain']\n"
    error = refused(file, text)
    assert sorted(one.field for one in error.violations) == [
        "budgets.default.cap_money",
        "fields.phone_number.waterfall",
        "fields.title.type",
        "providers.hunter.api_key",
        "providers.plain.request.url",
    ]
    assert all(f"  {one.field}: {one.description}\n" in error.message for one in error.violations)
    assert error.message.endswith(f"read from the environment and {file}")


def test_settings_without_mistakes_are_taken(file: Path) -> None:
    file.write_text(HUNTER + KEY + "[fields.phone_number]\nwaterfall = ['directory', 'hunter']\n")
    assert checked_settings(file).fields["phone_number"].waterfall == ("directory", "hunter")


def test_a_variable_that_says_it_is_the_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DES_PROVIDERS__HUNTER__PRICE", "-1")
    monkeypatch.setenv("DES_PROVIDERS__PDL", '{"kind": "pdl", "api_key": "k", "rate": [{"count": 0, "per_s": 1}]}')
    descriptions = {one.field: one.description for one in refused(file, HUNTER + KEY).violations}
    assert descriptions["providers.hunter.price"].endswith("(DES_PROVIDERS__HUNTER__PRICE)")
    assert descriptions["providers.pdl.rate[0].count"].endswith("(DES_PROVIDERS__PDL)")


def test_both_servers_that_are_missing_are_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DES_DATABASE_URL")
    monkeypatch.delenv("DES_AMQP_URL")
    assert [one.field for one in refused(file, "").violations] == ["database_url", "amqp_url"]
    assert checked_settings(file, servers=False).providers


def test_settings_made_by_hand_are_refused_in_the_same_words() -> None:
    fields = {"title": FieldSettings(type=FieldType.TEXT, waterfall=("email_pattern", "nobody"))}
    with pytest.raises(ConfigError, match=r"2 settings are wrong") as caught:
        build_providers(Settings(fields=fields), Directory(Database("")), SystemClock())
    assert {one.field for one in caught.value.violations} == {"fields.title.waterfall"}


BROKEN = {
    "does_not_load": ("raise RuntimeError('no licence')", "cannot be imported: RuntimeError: no licence"),
    "raises": ("def Mine(setup): raise KeyError('region')", "cannot be made: KeyError: 'region'"),
    "has_nothing": ("class Mine:\n    def __init__(self, setup): ...", "it has no traits, start, ask, stop"),
    "wants_an_option": (
        "def Mine(setup): raise setup.wrong('region', 'must be eu or us')",
        "providers.mine.options.region: must be eu or us",
    ),
    "calls_itself_otherwise": (
        """
import dataclasses
class Mine:
    def __init__(self, setup): self.traits = dataclasses.replace(setup.traits(['title']), name='other')
    start = ask = stop = None
""",
        "its traits call it 'other'; take the name of the setup, 'mine'",
    ),
    "has_a_price_that_is_none": (
        """
class Mine:
    def __init__(self, setup): self.traits = setup.traits(['title'], prices={'title': -1.0})
    start = ask = stop = None
""",
        "its traits have a price that is no number of credits from 0 to 1,000,000: title",
    ),
    "gives_nothing": (
        "class Mine:\n    def __init__(self, setup): self.traits = setup.traits([])\n    start = ask = stop = None",
        "its traits give no field",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_provider_of_the_users_that_cannot_work_is_refused_by_name(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, message = BROKEN[name]
    (file.parent / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(file.parent)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, name)
    error = refused(file, f"[providers.mine]\nkind = 'python'\nimplementation = '{name}:Mine'\n")
    assert message in error.message
