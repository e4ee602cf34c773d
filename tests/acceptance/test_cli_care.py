"""`des quarantine`, `audit`, `directory`, `config`, `sandbox`, and how every command fails."""

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import pytest

from tests.acceptance.command import Running, des, document, error


async def publish(amqp: str, body: bytes) -> None:
    """Put a message into the queue as anybody may."""
    async with await aio_pika.connect(amqp) as connection:
        exchange = await (await connection.channel()).get_exchange("des.ingest")
        await exchange.publish(aio_pika.Message(body, content_type="application/json"), "any")


@pytest.fixture
def quarantined(stack: Running, to_stack: Mapping[str, str]) -> tuple[int, bytes]:
    """A row of quarantine and what was sent: a batch that asks for a field nobody configured."""
    document_ = {
        "erid": str(uuid4()),
        "contact_list": [{"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"}],
        "fields_to_be_enriched": ["shoe_size"],
    }
    body = json.dumps(document_).encode()
    asyncio.run(publish(stack.ready["amqp"], body))
    while True:
        listed = des("quarantine", "list", "--json", settings=to_stack)
        assert listed.returncode == 0, listed.stderr
        for row in map(json.loads, listed.stdout.splitlines()):
            if row["erid"] == document_["erid"]:
                return row["id"], body


def test_what_was_refused_is_listed_shown_retried_and_discarded(
    quarantined: tuple[int, bytes], to_stack: Mapping[str, str]
) -> None:
    row_id, body = quarantined
    listed = des("quarantine", "list", settings=to_stack)
    assert "UNKNOWN_FIELD" in listed.stdout

    shown = document(des("quarantine", "show", str(row_id), "--json", settings=to_stack))
    assert (shown["reason"], shown["stage"], shown["state"]) == ("UNKNOWN_FIELD", "accept", "held")
    assert shown["violations"][0]["field"] == "fields_to_be_enriched[0]"
    assert des("quarantine", "show", str(row_id), "--payload", settings=to_stack).stdout.encode() == body

    assert document(des("quarantine", "retry", str(row_id), "--json", settings=to_stack))["retried"] is True
    while document(des("quarantine", "show", str(row_id), "--json", settings=to_stack))["state"] != "held":
        pass  # its cause is still there: the acceptor holds it again
    assert document(des("quarantine", "discard", str(row_id), "--json", settings=to_stack)) == {"discarded": 1}
    again = des("quarantine", "retry", str(row_id), "999999", "--json", settings=to_stack)
    assert again.returncode == 1
    assert [json.loads(line)["error"]["reason"] for line in again.stderr.splitlines()] == ["NOT_FOUND"] * 2


def test_a_directory_is_imported_and_counted(database_url: str, tmp_path: Path) -> None:
    settings = {"DES_DATABASE_URL": database_url}
    people = tmp_path / "people.csv"
    people.write_text("Vorname,Nachname,Firma,E-Mail\nJohn,Doe,sayprimer.com,john.doe@sayprimer.com\n,,Nobody's,\n")
    for _ in range(2):
        imported = des("directory", "import", people, "--json", settings=settings)
        assert imported.returncode == 1
        report = json.loads(imported.stdout)
        assert (report["imported"], report["rejected"]) == (1, 1)
        assert [(one["line"], one["reason"]) for one in report["problems"]] == [(3, "NO_NAME")]
    assert "line 3" in des("directory", "import", people, settings=settings).stderr
    assert document(des("directory", "stats", "--json", settings=settings))["people"] == 1


def test_held_calls_are_listed_and_ended_by_hand(database_url: str) -> None:
    settings = {"DES_DATABASE_URL": database_url}
    call_id = uuid4()
    asyncio.run(hold(database_url, call_id))
    (held,) = document(des("audit", "--json", settings=settings))["held"]
    assert (held["id"], held["fields"], held["reserved"]) == (str(call_id), ["professional_email"], 2.0)
    assert str(call_id) in des("audit", settings=settings).stdout

    resolve = ("audit", "resolve", str(call_id))
    assert des(*resolve, "--charged", "1", "--not-charged", settings=settings).returncode == 2
    assert error(des(*resolve, "--charged", "3", "--json", settings=settings))["reason"] == "CHARGED_TOO_MUCH"
    for nonsense in ("inf", "1e-9", "-1"):
        assert des(*resolve, "--charged", nonsense, settings=settings).returncode == 2
    ended = document(des(*resolve, "--charged", "1", "--json", settings=settings))
    assert (ended["charged"], ended["released"], ended["asking_again"]) == (1.0, 1.0, 0)
    assert error(des(*resolve, "--not-charged", "--json", settings=settings))["reason"] == "CALL_NOT_HELD"
    assert error(des("audit", "resolve", str(uuid4()), "--not-charged", "--json", settings=settings))["reason"] == (
        "NOT_FOUND"
    )
    books = document(des("audit", "--billed", "pdl=1", "--json", settings=settings))
    assert (books["agree"], books["held"]) == (True, [])
    assert [one["why"] for one in books["without_receipt"]] == ["by hand: charged 1"]
    assert des("audit", "--billed", "pdl=2", settings=settings).returncode == 1
    dear = uuid4()
    asyncio.run(hold(database_url, dear))
    beyond = ("audit", "resolve", str(dear), "--charged", "7", "--beyond-reserved", "--json")
    ended = document(des(*beyond, settings=settings))
    assert (ended["charged"], ended["released"]) == (7.0, 0.0)
    assert document(des("audit", "--billed", "pdl=8", "--json", settings=settings))["agree"]
    assert "--billed takes PROVIDER=CREDITS" in des("audit", "--billed", "pdl", settings=settings).stderr


async def hold(database_url: str, call_id: UUID) -> None:
    """Have a call that may have been charged two credits, of an enrichment that is not there any more."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "insert into call (id, tenant, provider, operation, person, erid, partition, owner, epoch, state, reserved,"
            " reserved_money, fields) values ($1, 'default', 'pdl', 'x', 'n:doe', $1, 0, $1, 1, 'unknown', 2000000, 0,"
            " '{professional_email}')",
            call_id,
        )
        for scope, name in (("tenant", ""), ("provider", "pdl"), ("erid", str(call_id))):
            await connection.execute(
                "insert into budget as b (tenant, scope, name, reserved) values ('default', $1, $2, 2000000)"
                " on conflict (tenant, scope, name) do update set reserved = b.reserved + excluded.reserved",
                scope,
                name,
            )
    finally:
        await connection.close()


def test_the_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "des.toml"
    file.write_text('[providers.hunter]\nkind = "hunter"\napi_key = "my-secret"\n')
    settings = {"DES_DATABASE_URL": "postgresql://des:hidden@db/des", "DES_AMQP_URL": "amqp://des:hidden@mq/"}
    for options in (["--json"], []):
        shown = des("config", "show", "--config", file, *options, settings=settings)
        assert json.loads(shown.stdout)["database_url"] == "postgresql://des:***@db/des"
        assert "hidden" not in shown.stdout
        assert "my-secret" not in shown.stdout
    assert document(des("config", "check", "--config", file, "--json", settings=settings))["valid"] is True
    file.write_text("[http]\nport = 99999\n")
    refused = des("config", "check", "--config", file, settings=settings)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: INVALID_CONFIGURATION: ")
    assert "DES_HTTP__PORT" in refused.stderr


def test_a_bad_configuration_is_refused_at_the_start_as_it_is_by_the_check(tmp_path: Path) -> None:
    file = tmp_path / "des.toml"
    file.write_text(BAD)
    settings = {"DES_DATABASE_URL": "postgresql://des@127.0.0.1:1/des", "DES_AMQP_URL": "amqp://des@127.0.0.1:1/"}
    surfaces = [["config", "check"], ["serve"], ["dev", "--ephemeral"]]
    errors = [error(des(*surface, "--config", file, "--json", settings=settings)) for surface in surfaces]
    assert errors[0] == errors[1] == errors[2]
    assert errors[0]["reason"] == "INVALID_CONFIGURATION"
    said = {one["field"]: one["description"] for one in errors[0]["violations"]}
    assert "add [providers.nobody] or use one of" in said["fields.phone_number.waterfall"]
    assert "never title; take it out" in said["fields.title.waterfall"]
    assert "[providers.pdl] of des.toml, or DES_PROVIDERS__PDL__API_KEY" in said["providers.pdl.api_key"]
    assert "write {{ or }}" in said["providers.plain.request.url"]
    assert len(said) == 4
    for surface in surfaces[:2]:
        refused = des(*surface, "--config", file, settings=settings)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert all(f"  {place}: {what}\n" in refused.stderr for place, what in said.items())


BAD = """
[fields.phone_number]
waterfall = ["nobody"]

[fields.title]
type = "text"
waterfall = ["email_pattern"]

[providers.pdl]
kind = "pdl"

[providers.plain]
kind = "http"
request = { url = "http://127.0.0.1:1/{first_name" }
values = { phone_number = { path = "phone" } }
"""


def test_the_sandbox_serves_and_writes_its_people(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    written = document(des("sandbox", "--people", "100", "--population-csv", people, "--json"))
    assert written["people"] == len(people.read_text().splitlines()) - 1 > 0
    with (
        closing(Running("sandbox", "--json", "--people", "100", log=tmp_path / "log")) as running,
        urllib.request.urlopen(f"{running.ready['url']}/sandbox/bill", timeout=10) as answer,
    ):
        assert json.load(answer)["hunter"]["calls"] == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "reason"),
    [
        (["dance"], 2, "USAGE"),
        (["watch"], 2, "USAGE"),
        (["watch", "no-uuid"], 2, "USAGE"),
        (["push", "no-such-file.csv"], 2, "USAGE"),
        (["migrate"], 1, "INVALID_CONFIGURATION"),
        (["serve"], 1, "INVALID_CONFIGURATION"),
        (["quarantine", "list"], 1, "INVALID_CONFIGURATION"),
        (["quarantine", "show", str(2**63)], 2, "USAGE"),
        (["config", "show", "--config", "no-such-file.toml"], 1, "INVALID_CONFIGURATION"),
    ],
)
def test_every_failure_names_its_reason(arguments: list[str], exit_code: int, reason: str) -> None:
    for options in ([], ["--json"]):
        failed = des(*arguments, *options)
        assert failed.returncode == exit_code
        assert failed.stdout == ""
        if options:
            assert error(failed)["reason"] == reason
        else:
            assert failed.stderr.startswith(f"error: {reason}: ")


def test_a_database_that_does_not_answer_is_told_by_name() -> None:
    failed = des("migrate", "--json", settings={"DES_DATABASE_URL": "postgresql://des@127.0.0.1:1/des"})
    assert error(failed)["reason"] == "STORE_UNAVAILABLE"
