"""`des push`, `watch`, `results`, `seal`, `cancel` against a whole stack."""

import csv
import io
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.command import Running, des, document, error

MISSION = {
    "erid": "",
    "contact_list": [
        {"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"},
        {"first_name": "Jane", "last_name": "Doe", "company_name": "sayprimer.com"},
    ],
    "fields_to_be_enriched": ["professional_email", "phone_number"],
}
CSV = b"""\xef\xbb\xbfFirst Name;Last Name;Company;Shoe size\r
John;Doe;sayprimer.com;44\r
;;Nobody's;38\r
Jane;Doe;sayprimer.com;39\r
"""


@pytest.fixture
def erid() -> str:
    return str(uuid4())


def mission(erid: str) -> bytes:
    return json.dumps({**MISSION, "erid": erid}).encode()


def test_the_document_of_the_http_door_is_the_same_batch_by_push(
    stack: Running, to_stack: Mapping[str, str], erid: str
) -> None:
    request = urllib.request.Request(f"{stack.ready['http']}/v1/enrichments", mission(erid), method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
    for _ in range(2):
        pushed = des("push", "-", "--watch", "--json", stdin=mission(erid), settings=to_stack)
        assert pushed.returncode == 0, pushed.stderr
        summary, *states = map(json.loads, pushed.stdout.splitlines())
        assert summary == {"erid": erid, "batches": 1, "contacts": 2, "rejected": 0, "rejected_rows": []}
        assert states[-1]["state"] == "settled"
        assert states[-1]["progress"]["contacts"] == 2
        assert states[-1]["progress"]["batches"] == 1


def test_a_large_document_is_the_same_batch_by_both_doors(
    stack: Running, to_stack: Mapping[str, str], erid: str, tmp_path: Path
) -> None:
    """10 MB of JSON: more than a body in one message is, and one batch nevertheless."""
    filler = "x" * 300
    people = [{"first_name": f"P{number}", "last_name": filler, "external_id": filler} for number in range(15_000)]
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"erid": erid, "contact_list": people, "fields_to_be_enriched": ["phone_number"]}))
    assert file.stat().st_size > 9_000_000
    request = urllib.request.Request(f"{stack.ready['http']}/v1/enrichments", file.read_bytes(), method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 202
    pushed = des("push", str(file), "--watch", "--json", settings=to_stack)
    assert pushed.returncode == 0, pushed.stderr
    summary, *states = map(json.loads, pushed.stdout.splitlines())
    assert (summary["batches"], summary["contacts"]) == (1, 15_000)
    assert (states[-1]["progress"]["batches"], states[-1]["progress"]["contacts"]) == (1, 15_000)


def test_a_document_that_no_message_holds_is_refused_rather_than_sent_in_pieces(
    to_stack: Mapping[str, str], erid: str, tmp_path: Path
) -> None:
    filler = "x" * 900
    people = [{"first_name": "P", "last_name": filler, "external_id": filler} for _ in range(10_000)]
    file = tmp_path / "larger.json"
    file.write_text(json.dumps({"erid": erid, "contact_list": people, "fields_to_be_enriched": ["phone_number"]}))
    refused = des("push", str(file), "--json", settings=to_stack)
    assert refused.returncode != 0
    assert error(refused)["reason"] == "TOO_LARGE"


def test_a_csv_file_is_pushed_its_bad_rows_are_named_and_pushing_it_again_changes_nothing(
    to_stack: Mapping[str, str], erid: str, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(CSV)
    command = ("push", file, "--erid", erid, "--fields", "professional_email", "--batch-size", "1", "--watch")
    for _ in range(2):
        pushed = des(*command, settings=to_stack)
        assert pushed.returncode == 1
        assert "Shoe size" in pushed.stderr
        assert "line 3: EMPTY_CONTACT" in pushed.stderr
        assert f"ERID {erid}: 2 contacts in 2 batches confirmed" in pushed.stdout
        assert f"{erid} settled: 2 of 2 contacts done; fields: 2 found" in pushed.stdout


def test_a_quote_names_the_rows_that_it_left_out(to_stack: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(CSV)
    quoted = des("quote", str(file), "--fields", "professional_email", "--json", settings=to_stack)
    assert quoted.returncode == 1
    quote, left_out = map(json.loads, quoted.stdout.splitlines())
    assert quote["contacts"] == 2
    assert left_out["rejected"] == 1
    assert [(row["line"], row["reason"]) for row in left_out["rejected_rows"]] == [(3, "EMPTY_CONTACT")]


def test_json_lines_from_a_pipe_are_pushed_under_a_new_erid_that_is_printed(to_stack: Mapping[str, str]) -> None:
    lines = b"".join(json.dumps(contact).encode() + b"\n" for contact in MISSION["contact_list"])
    pushed = document(des("push", "-", "--fields", "phone_number", "--json", stdin=lines, settings=to_stack))
    assert (pushed["contacts"], pushed["rejected"]) == (2, 0)
    states = des("watch", pushed["erid"], "--json", settings=to_stack)
    assert json.loads(states.stdout.splitlines()[-1])["progress"]["contacts_done"] == 2


def test_results_come_in_every_form(stack: Running, to_stack: Mapping[str, str], erid: str) -> None:
    assert des("push", "-", "--watch", stdin=mission(erid), settings=to_stack).returncode == 0
    enrichment = document(des("results", erid, "--json", settings=to_stack))
    assert [contact["first_name"] for contact in enrichment["contact_list"]] == ["John", "Jane"]
    assert enrichment["contact_list"][0]["enriched"]["phone_number"]["value"] == "+14155550132"

    lines = des("results", erid, "--format", "ndjson", settings=to_stack).stdout.splitlines()
    assert [json.loads(line) for line in lines] == enrichment["contact_list"]

    table = des("results", erid, "--format", "csv", settings=to_stack).stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["professional_email"] for row in rows] == ["john.doe@sayprimer.com", "jane.doe@sayprimer.com"]

    shown = des("results", erid, settings=to_stack).stdout
    assert "john.doe@sayprimer.com (directory, 100%)" in shown


def test_what_http_gives_and_what_results_gives_is_the_same(
    stack: Running, to_stack: Mapping[str, str], erid: str
) -> None:
    assert des("push", "-", "--watch", stdin=mission(erid), settings=to_stack).returncode == 0
    for form in ("csv", "ndjson"):
        url = f"{stack.ready['http']}/v1/enrichments/{erid}/results?format={form}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert (
                answer.read().decode().splitlines()
                == des("results", erid, "--format", form, settings=to_stack).stdout.splitlines()
            )


def test_a_sealed_enrichment_completes_and_followed_results_end_with_it(to_stack: Mapping[str, str], erid: str) -> None:
    assert des("push", "-", "--watch", stdin=mission(erid), settings=to_stack).returncode == 0
    assert document(des("seal", erid, "--json", settings=to_stack))["state"] == "completed"
    followed = des("results", erid, "--format", "ndjson", "--follow", settings=to_stack)
    assert len(followed.stdout.splitlines()) == 2
    assert document(des("cancel", erid, "--json", settings=to_stack))["state"] == "completed"


def test_a_cancelled_enrichment_says_so(to_stack: Mapping[str, str], erid: str) -> None:
    assert des("push", "-", "--watch", stdin=mission(erid), settings=to_stack).returncode == 0
    assert "cancelled" in des("cancel", erid, settings=to_stack).stdout


def test_what_is_wrong_with_every_batch_is_told_by_name(to_stack: Mapping[str, str], erid: str) -> None:
    refused = des("push", "-", "--fields", "shoe_size", "--json", stdin=mission(erid), settings=to_stack)
    assert error(refused)["reason"] == "UNKNOWN_FIELD"
    assert error(refused)["violations"][0]["field"] == "fields_to_be_enriched[0]"
    refused = des("push", "-", "--json", stdin=b'{"first_name": "John"}\n', settings=to_stack)
    assert error(refused)["reason"] == "NO_FIELDS"
    refused = des("push", "-", "--json", stdin=b"John,Doe\n", settings=to_stack)
    assert error(refused)["reason"] == "NO_KNOWN_COLUMN"


def test_an_enrichment_that_is_not_there_is_told_by_name(to_stack: Mapping[str, str], erid: str) -> None:
    for command in ("watch", "results", "seal", "cancel"):
        assert error(des(command, erid, "--json", settings=to_stack))["reason"] == "NOT_FOUND"


def test_a_service_that_does_not_answer_is_told_at_once(erid: str) -> None:
    refused = des("push", "-", "--grpc", "127.0.0.1:1", "--json", stdin=mission(erid))
    assert error(refused)["reason"] == "UNAVAILABLE"


def test_an_erid_that_is_no_uuid_is_wrong_usage(to_stack: Mapping[str, str]) -> None:
    refused = des("results", "no-uuid", settings=to_stack)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: USAGE: ")
