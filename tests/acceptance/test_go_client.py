"""A client in Go, compiled here: the stubs of `proto/go` push and read, and RabbitMQ takes a batch directly."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.acceptance.command import ROOT, Running

PROGRAM = ROOT / "tests" / "go"
BATCHES, SIZE = 3, 4
NEEDED = (1, 25)
REMEDY = "the Go tests need Go >= 1.25: `./dev test` installs it into .venv, or put one on PATH"
COMPILE_TIMEOUT_S = 110


def go(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Go in the program's folder."""
    return subprocess.run(
        ["go", *arguments], cwd=PROGRAM, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
    )


def test_a_go_that_is_recent_enough_is_there() -> None:
    assert shutil.which("go"), REMEDY
    found = re.match(r"go(\d+)\.(\d+)", go("env", "GOVERSION").stdout)
    assert found, REMEDY
    assert (int(found[1]), int(found[2])) >= NEEDED, REMEDY


@pytest.fixture(scope="module")
def seen(stack: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program reports of one run, under `erid` and `published_erid` the ERIDs it was given."""
    assert shutil.which("go"), REMEDY
    program = tmp_path_factory.mktemp("go") / "client"
    compiled = go("build", "-buildvcs=false", "-o", program, ".")
    assert compiled.returncode == 0, compiled.stderr
    erid, published_erid = str(uuid4()), str(uuid4())
    addresses = ["-grpc", stack.ready["grpc"], "-amqp", stack.ready["amqp"]]
    work = ["-erid", erid, "-published-erid", published_erid, "-batches", str(BATCHES), "-size", str(SIZE)]
    ran = subprocess.run([program, *addresses, *work], capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    return {**json.loads(ran.stdout), "erid": erid, "published_erid": published_erid}


def test_a_client_stream_is_confirmed_and_sent_again_it_changes_nothing(seen: dict[str, Any]) -> None:
    summary = {"accepted": BATCHES, "duplicate": 0, "rejected": 0, "contacts": BATCHES * SIZE}
    assert seen["pushed"] == seen["pushed_again"] == summary
    assert seen["enrichment"] == {
        "state": "ENRICHMENT_STATE_SETTLED",
        "contacts": BATCHES * SIZE,
        "contacts_done": BATCHES * SIZE,
        "batches": BATCHES,
    }


def test_pages_and_the_stream_of_results_show_every_contact_once(seen: dict[str, Any]) -> None:
    places = [(contact["batch_id"], contact["position"]) for contact in seen["page"]]
    assert len(set(places)) == len(places) == BATCHES * SIZE
    assert {place for _, place in places} == set(range(SIZE))
    assert seen["results"] == seen["page"]


def test_values_and_receipts_reach_go(seen: dict[str, Any]) -> None:
    for contact in seen["page"]:
        if contact["last_name"] == "Doe":
            assert contact["state"] == "FIELD_STATE_FOUND"
            assert (contact["email"], contact["provider"]) == ("john.doe@sayprimer.com", "directory")
        else:
            assert contact["state"] not in {"FIELD_STATE_UNSPECIFIED", "FIELD_STATE_PENDING"}


def test_a_batch_published_to_the_broker_is_confirmed_and_announced(seen: dict[str, Any]) -> None:
    assert seen["published"] == {"confirmed": True}
    event = seen["event"]
    assert (event["type"], event["tenant"], event["subject"]) == (
        "des.batch.finished",
        "default",
        seen["published_erid"],
    )
    assert event["content_type"] == "application/json"
    assert UUID(event["id"]).version == 5
    assert event["data"]["erid"] == seen["published_erid"]
    assert event["data"]["contacts"] == SIZE


def test_the_program_is_formatted_vetted_and_its_checksums_are_complete() -> None:
    sources = sorted(PROGRAM.glob("*.go"))
    gofmt = Path(go("env", "GOROOT").stdout.strip()) / "bin" / "gofmt"  # beside the Go in use, which may be a wheel's
    formatted = subprocess.run([gofmt, "-l", *sources], capture_output=True, text=True, check=True)
    assert formatted.stdout == ""
    vetted = go("vet", "./...")
    assert vetted.returncode == 0, vetted.stderr
