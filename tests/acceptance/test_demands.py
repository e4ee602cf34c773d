"""What an ERID demands of its values, asked on the door and seen in the receipts: how sure, and how new."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from des.sandbox.population import Population
from tests.acceptance.bad_batches import document
from tests.acceptance.command import Running
from tests.acceptance.outsiders import curl, post, rows, wait_until_done

PEOPLE = 40
SETTINGS = """
[fields.professional_email]
waterfall = ["hunter", "prospeo"]

[providers.hunter]
kind = "hunter"
api_key = "any"
url = "{sandbox}"
rate = []

[providers.prospeo]
kind = "prospeo"
api_key = "any"
url = "{sandbox}"
rate = []
only_verified_email = false
"""


@pytest.fixture
def service(stack: Running, database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service with two vendors, each of its own mind how sure it is."""
    file = tmp_path / "des.toml"
    file.write_text(SETTINGS.format(sandbox=stack.ready["sandbox"]))
    settings = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": amqp_url}
    settings |= {"DES_GRPC__PORT": "0", "DES_HTTP__PORT": "0"}
    with closing(Running("serve", "--json", "--config", file, settings=settings, log=tmp_path / "log")) as running:
        yield running


def enriched(service: Running, options: dict[str, object]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Receipts of the same people for a new ERID with these options, and what it has spent."""
    erid = str(uuid4())
    people = [one for one in Population(1, 50 * PEOPLE).people if not one.erased]
    some = [one for one in people if one.company.catch_all][: PEOPLE // 2]
    some += [one for one in people if not one.company.catch_all][: PEOPLE - len(some)]
    contacts = [
        {"first_name": one.first_name, "last_name": one.last_name, "company_name": one.company.domain} for one in some
    ]
    body = document(erid=erid, contact_list=contacts, fields_to_be_enriched=["professional_email"], options=options)
    assert post(service.ready["http"], json.dumps(body).encode()).status == 202
    wait_until_done(service.ready["grpc"], erid, PEOPLE)
    found = curl(f"{service.ready['http']}/v1/enrichments/{erid}?page_size={PEOPLE}").document
    return [one["enriched"]["professional_email"] for one in found["contact_list"]], found


def test_what_an_erid_demands_is_what_it_gets(service: Running, database_url: str) -> None:
    demanding, found = enriched(service, {"minimum_confidence": 0.9})
    assert {one["confidence"] >= 0.9 for one in demanding if one["state"] == "found"} == {True}
    unsure = [one for field in demanding for one in field.get("attempts", ()) if one["outcome"] == "found"]
    assert {one["reason"] for one in unsure} == {"BELOW_CONFIDENCE"}
    assert all(one["value"] and one["confidence"] < 0.9 for one in unsure)
    ended = [field for field in demanding if field.get("reason") == "BELOW_CONFIDENCE"]
    assert ended
    assert {field["state"] for field in ended} == {"not_found"}
    lines = [line for field in demanding for line in (field, *field.get("attempts", ()))]
    assert found["spend"]["spent"]["credits"] == sum(line.get("cost", 0) for line in lines) > 0

    kept, _ = enriched(service, {})
    assert {one.get("source", "") for one in kept if one["state"] == "found"} <= {"answer_store", "coalesced"}
    assert [one["value"] for one in kept if one.get("confidence", 1.0) < 0.9], "others take what this one did not"

    anew, found = enriched(service, {"max_age_s": 0})
    assert {one.get("source", "") for one in anew if one["state"] == "found"} <= {"", "coalesced"}
    assert found["spend"]["spent"]["credits"] > 0
    assert rows(database_url, "select count(distinct erid) as erids from call where state = 'settled'") == [
        {"erids": 2}
    ]
