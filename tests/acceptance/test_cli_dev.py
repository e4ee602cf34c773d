"""`des dev` and `des serve`: everything starts with one command and ends with it, however it ends."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import Running, des, document, error, wait_for_end

ERID = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"
BATCH = {
    "erid": ERID,
    "contact_list": [{"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"}],
    "fields_to_be_enriched": ["professional_email"],
}


def post(http: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{http}/v1/enrichments", json.dumps(BATCH).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


def settled(http: str) -> dict[str, Any]:
    """The object, from the first event that says it is settled."""
    while True:
        try:
            with urllib.request.urlopen(f"{http}/v1/enrichments/{ERID}/events", timeout=30) as events:
                for line in events:
                    if line.startswith(b"data: ") and (found := json.loads(line[6:]))["state"] == "settled":
                        return dict(found)
        except urllib.error.HTTPError as answer:
            answer.close()
            if answer.code != 404:  # not accepted yet
                raise


def test_an_ephemeral_stack_prints_where_it_listens_and_leaves_nothing_behind(open_folder: Path) -> None:
    settings = {"TMPDIR": str(open_folder)}
    with closing(Running("dev", "--json", "--ephemeral", settings=settings, log=open_folder / "log")) as running:
        ready, children = running.ready, running.children()
        assert set(ready) == {"grpc", "http", "amqp", "database", "sandbox", "pid"}
        assert ready["pid"] == running.process.pid
        assert ready["grpc"].startswith("127.0.0.1:")
        assert ready["database"].startswith("postgresql://")
        assert ready["amqp"].startswith("amqp://")
        for url in (f"{ready['http']}/readyz", f"{ready['sandbox']}/sandbox/bill"):
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 200
        assert running.end(signal.SIGTERM) == 0
    assert len(children) >= 4  # Postgres, RabbitMQ, Erlang's port mapper, the sandbox
    assert all(wait_for_end(pid) for pid in children)
    assert [path.name for path in open_folder.iterdir()] == ["log"]


@pytest.mark.slow
def test_a_stack_goes_on_where_it_was_stopped_and_where_it_was_killed(open_folder: Path) -> None:
    arguments = ("dev", "--json", "--data-dir", open_folder / "data")
    with closing(Running(*arguments, log=open_folder / "log")) as first:
        post(first.ready["http"])
        before = settled(first.ready["http"])["progress"]
        assert first.end(signal.SIGINT) == 0

    with closing(Running(*arguments, log=open_folder / "log")) as second:
        assert settled(second.ready["http"])["progress"] == before
        assert error(des("dev", "--json", "--data-dir", open_folder / "data"))["reason"] == "FOLDER_IN_USE"
        children = second.children()
        second.end(signal.SIGKILL)
    assert all(wait_for_end(pid) for pid in children)

    with closing(Running(*arguments, log=open_folder / "log")) as third:
        assert settled(third.ready["http"])["progress"] == before
        assert third.end(signal.SIGTERM) == 0


def test_servers_named_by_url_are_used_and_left_running(
    empty_database_url: str, amqp_url: str, open_folder: Path
) -> None:
    settings = {"DES_DATABASE_URL": empty_database_url, "DES_AMQP_URL": amqp_url}
    arguments = ("dev", "--json", "--no-sandbox", "--data-dir", open_folder / "data")
    for _ in range(2):
        with closing(Running(*arguments, settings=settings, log=open_folder / "log")) as running:
            ready = running.ready
            assert (ready["database"], ready["amqp"], ready["sandbox"]) == (empty_database_url, amqp_url, "")
            assert running.children() == []
            post(ready["http"])
            assert settled(ready["http"])["progress"]["batches"] == 1
            assert running.end(signal.SIGTERM) == 0


def test_serve_runs_on_servers_that_are_there_and_drains_on_sigterm(
    database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    settings = _servers(database_url, amqp_url)
    with closing(Running("serve", "--json", settings=settings, log=tmp_path / "log")) as running:
        assert set(running.ready) == {"grpc", "http", "pid"}
        post(running.ready["http"])
        assert settled(running.ready["http"])["progress"]["contacts_done"] == 1
        assert running.end(signal.SIGTERM) == 0


def test_a_role_serves_only_what_is_its_own(database_url: str, amqp_url: str, tmp_path: Path) -> None:
    settings = _servers(database_url, amqp_url)
    with closing(Running("serve", "--json", "--roles", "worker", settings=settings, log=tmp_path / "log")) as running:
        assert running.ready["grpc"] == ""
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(running.ready["http"])
        refused.value.close()
        assert refused.value.code == 404
        assert running.end(signal.SIGTERM) == 0


def test_serve_refuses_a_database_without_its_schema(empty_database_url: str, amqp_url: str) -> None:
    settings = _servers(empty_database_url, amqp_url)
    assert error(des("serve", "--json", settings=settings))["reason"] == "SCHEMA_MISMATCH"
    assert error(des("migrate", "--check", "--json", settings=settings))["reason"] == "SCHEMA_MISMATCH"
    assert document(des("migrate", "--json", settings=settings))["applied"] != []
    assert document(des("migrate", "--json", settings=settings)) == {"applied": [], "current": True}
    assert document(des("migrate", "--check", "--json", settings=settings))["current"] is True


def test_serve_refuses_a_role_that_is_none() -> None:
    refused = des("serve", "--roles", "worker,cook")
    assert refused.returncode == 2
    assert "USAGE" in refused.stderr
    assert "cook" in refused.stderr


def _servers(database_url: str, amqp_url: str) -> Mapping[str, str]:
    return {
        "DES_DATABASE_URL": database_url,
        "DES_AMQP_URL": amqp_url,
        "DES_GRPC__PORT": "0",
        "DES_HTTP__PORT": "0",
    }


def test_the_demo_shows_the_two_contacts_and_that_sending_again_changes_nothing() -> None:
    shown = document(des("demo", "--json"))
    contacts = shown["enrichment"]["contact_list"]
    assert [contact["first_name"] for contact in contacts] == ["John", "Jane"]
    assert all(result["state"] == "found" for contact in contacts for result in contact["enriched"].values())
    assert shown["enrichment"]["progress"] == shown["resent"]
    assert shown["bill"]["hunter"]["charged"] == 1
    assert not Path(f"/proc/{shown['addresses']['pid']}").exists()
