"""What README and docs say is so: their commands run, their tables are the code's, their examples work."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from des.app.checked import checked_settings
from des.config import FIELDS_DEFAULT
from tests.acceptance.bad_batches import document
from tests.acceptance.command import ROOT, Running, environment
from tests.acceptance.operations_reference import PAGES, page, registered
from tests.acceptance.outsiders import curl, post, wait_until_done

README, MESSAGES = ROOT / "README.md", ROOT / "docs" / "messages.md"
PROVIDERS, OPERATIONS = ROOT / "docs" / "providers.md", ROOT / "docs" / "operations.md"
KEYS, CHARGES, SANDBOX = (ROOT / "docs" / f"{name}.md" for name in ("keys", "charges", "sandbox"))
ERRORS = ROOT / "docs" / "errors.md"
WRITE_A_PROVIDER = ROOT / "docs" / "write-a-provider.md"
WRITTEN = (
    *(README, MESSAGES, PROVIDERS, OPERATIONS, KEYS, CHARGES, SANDBOX, ERRORS, WRITE_A_PROVIDER),
    *(ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"),
)
SERVERS = {"DES_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DES_AMQP_URL": "amqp://nobody@127.0.0.1:1/"}
"""Named, as the check wants them to be; nobody listens."""
RUN_ELSEWHERE = {
    "./dev demo",  # by a test of its own below
    "./dev test",  # is what runs this
    "./dev up --json | tee up.json",  # the stack that the commands below it are run on
}
BLOCK_TIMEOUT_S = 110

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (\S+\.\w+)\n")
"""The first line of a block that is a file."""
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_METRIC = re.compile(r"\bdes_\w+")
_SERIES = re.compile(r"\b(des_\w+)\{([^}]+)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def blocks(path: Path, language: str) -> list[str]:
    """Fenced blocks of a language, in their order."""
    found = _FENCE.findall(path.read_text(encoding="utf-8"))
    return [text for tag, text in found if tag == language]


def commands(path: Path) -> str:
    """All of a page's commands as one script: what a block sets, the next one uses."""
    return "\n".join(text for text in blocks(path, "sh") if text.strip() not in RUN_ELSEWHERE)


def run(script: str, folder: Path, settings: Mapping[str, str]) -> str:
    """Run a script as a reader would, stopping at what fails; return what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment(settings), "PATH": path},
        capture_output=True,
        text=True,
        timeout=BLOCK_TIMEOUT_S,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def settings_of(stack: Running) -> dict[str, str]:
    """The variables that the README's second block sets, for the pages that build on it."""
    host, _, port = stack.ready["grpc"].rpartition(":")
    return {
        "DES_GRPC__HOST": host,
        "DES_GRPC__PORT": port,
        "DES_DATABASE_URL": stack.ready["database"],
        "DES_AMQP_URL": stack.ready["amqp"],
        "HTTP": stack.ready["http"],
        "ERID": str(uuid4()),
    }


def test_one_batch_can_be_followed_as_the_readme_says(stack: Running, tmp_path: Path) -> None:
    (tmp_path / ".des").mkdir()
    (tmp_path / "up.json").write_text(json.dumps(stack.ready, separators=(",", ":")) + "\n")
    shown = run(commands(README), tmp_path, {})
    assert "jane.doe@sayprimer.com (hunter" in shown
    assert "john.doe@sayprimer.com (directory" in shown
    assert shown.count("2 of 2 contacts done") >= 2  # before it was sent again, and after
    assert '"state":"completed"' in shown
    assert "ENRICHMENT_SEALED" in shown


def test_the_examples_of_publishers_and_listeners_work(stack: Running, tmp_path: Path) -> None:
    settings = settings_of(stack)
    # The page's listener seals the ERID, which it may only when the batch of the publisher before it is there.
    curl(f"{stack.ready['http']}/v1/enrichments/{settings['ERID']}", "--request", "PUT")
    shown = run(commands(MESSAGES), tmp_path, settings)
    assert "des.enrichment.completed" in shown
    assert settings["ERID"] in shown


def test_the_commands_of_operations_work(stack: Running, tmp_path: Path) -> None:
    shown = run(commands(OPERATIONS), tmp_path, settings_of(stack))
    assert '"ready":true' in shown
    assert "des_stage_done_total" in shown


def test_the_commands_of_providers_work(database_url: str, tmp_path: Path) -> None:
    servers = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": "amqp://nobody@127.0.0.1:1/"}
    shown = run(commands(PROVIDERS), tmp_path, servers)
    assert "imported 1 people" in shown
    assert "professional_email: directory → plain" in shown


def test_the_commands_of_keys_work(tmp_path: Path) -> None:
    shown = run(commands(KEYS), tmp_path, SERVERS)
    assert "professional_email: directory → email_pattern → hunter" in shown
    assert shown.count('"api_key": "**********"') == 1


def test_a_charge_is_decided_as_the_page_says(stack: Running, tmp_path: Path) -> None:
    shown = run(commands(CHARGES), tmp_path, settings_of(stack))
    assert '"call_id":"' in shown
    assert re.search(r"hunter[ |]+email_finder[ |]+settled[ |]+found[ |]+1000000[ |]+1000000", shown)
    assert '"spent":{"credits":1.0,' in shown
    assert "the books agree" in shown


def test_the_commands_of_the_sandbox_work(tmp_path: Path) -> None:
    with closing(Running("sandbox", "--json", "--people", "100", log=tmp_path / "log")) as running:
        shown = run(commands(SANDBOX), tmp_path, {"SANDBOX": running.ready["url"]})
    assert "jane.doe@sayprimer.com" in shown
    assert '"charged":1.0' in shown
    assert "John,Doe,sayprimer.com" in shown


def test_the_provider_that_is_written_passes_its_checks_and_is_taken(tmp_path: Path) -> None:
    for language in ("python", "toml"):
        for text in blocks(WRITE_A_PROVIDER, language):
            named = _NAMED.match(text)
            assert named is not None
            (tmp_path / named[1]).write_text(text)
    script = commands(WRITE_A_PROVIDER).replace("PYTHONPATH=.", f"PYTHONPATH=.:{ROOT}")
    shown = run(script, tmp_path, SERVERS)
    assert "10 passed" in shown
    assert "professional_email: directory → email_pattern → acme" in shown


@pytest.fixture
def described(stack: Running, database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service that runs with the described provider of docs/providers.md, which asks the stack's sandbox."""
    (example,) = re.findall(r"cat > des.toml <<'EOF'\n(.*?)^EOF$", commands(PROVIDERS), re.MULTILINE | re.DOTALL)
    file = tmp_path / "des.toml"
    file.write_text(example.replace("http://127.0.0.1:8090", stack.ready["sandbox"]))
    settings = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": amqp_url}
    settings |= {"DES_GRPC__PORT": "0", "DES_HTTP__PORT": "0"}
    with closing(Running("serve", "--json", "--config", file, settings=settings, log=tmp_path / "log")) as running:
        yield running


def test_the_described_provider_answers(described: Running) -> None:
    erid = str(uuid4())
    jane = {"first_name": "Jane", "last_name": "Doe", "company_name": "sayprimer.com"}
    assert post(described.ready["http"], json.dumps(document(erid=erid, contact_list=[jane])).encode()).status == 202
    wait_until_done(described.ready["grpc"], erid, 1)
    (contact,) = curl(f"{described.ready['http']}/v1/enrichments/{erid}").document["contact_list"]
    found = contact["enriched"]["professional_email"]
    assert (found["value"], found["provider"], found["confidence"]) == ("jane.doe@sayprimer.com", "plain", 0.95)
    assert found["attempts"] == [{"provider": "directory", "outcome": "miss"}]
    assert found["reference"]


@pytest.mark.parametrize("text", [*blocks(PROVIDERS, "toml"), *blocks(KEYS, "toml")])
def test_settings_shown_as_toml_are_taken(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "des.toml"
    file.write_text(text)
    for name in tomllib.loads(text).get("providers", {}):
        monkeypatch.setenv(f"DES_PROVIDERS__{name.upper()}__API_KEY", "secret")
    settings = checked_settings(file, servers=False)
    for name, field in tomllib.loads(text)["fields"].items():
        assert settings.fields[name].waterfall == tuple(field["waterfall"])


def test_the_fields_shown_as_those_of_the_box_are() -> None:
    assert tomllib.loads(blocks(PROVIDERS, "toml")[0])["fields"] == FIELDS_DEFAULT


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_tables_are_those_of_the_code(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == page(path), "run: python -m tests.acceptance.operations_reference"


def test_every_metric_that_is_named_is_shown_by_a_running_service(stack: Running) -> None:
    shown = run(f"curl -sS {stack.ready['http']}/metrics", ROOT, {})
    families = set(re.findall(r"^# TYPE (\w+)", shown, re.MULTILINE))
    named = {name for path in WRITTEN for name in _METRIC.findall(path.read_text(encoding="utf-8"))}
    assert named <= families


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_every_series_that_is_named_is_there_before_anything_has_happened(path: Path) -> None:
    """`rate` does not see the first time where a series begins with it."""
    shown = {(sample.name, *sorted(sample.labels.items())) for metric in registered() for sample in metric.samples}
    named = {
        (name, *sorted(_LABEL.findall(labels))) for name, labels in _SERIES.findall(path.read_text(encoding="utf-8"))
    }
    assert all(any(set(one) <= set(other) for other in shown) for one in named), named


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    missing = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert missing == []


def test_the_demo_shows_the_two_contacts_enriched() -> None:
    shown = subprocess.run(
        [ROOT / "dev", "demo"], env=environment(), capture_output=True, text=True, timeout=BLOCK_TIMEOUT_S, check=False
    )
    assert shown.returncode == 0, shown.stderr
    for address in ("john.doe@sayprimer.com", "jane.doe@sayprimer.com"):
        assert address in shown.stdout
