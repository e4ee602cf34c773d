"""A service whose order is learned: what calls show is counted, the order follows it, the receipt says so."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from des.sandbox.population import inquiries
from tests.acceptance.bad_batches import document
from tests.acceptance.command import Running
from tests.acceptance.outsiders import curl, post, rows, wait_until_done

PEOPLE = 60
SETTINGS = """
[fields.professional_email]
waterfall = ["hunter", "prospeo"]
order = "learned"

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
"""


@pytest.fixture
def service(stack: Running, database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service that knows nothing of its vendors yet but that everybody was missed by the first of them."""
    seeded = """insert into provider_stat
                select 'default', provider, 'professional_email', segment, 1000, found, found * 0.9
                from (values ('hunter', 10), ('prospeo', 900)) as vendor (provider, found),
                    unnest(array['domain/else', 'company/else', 'linkedin/else']) as segment"""
    rows(database_url, seeded)
    file = tmp_path / "des.toml"
    file.write_text(SETTINGS.format(sandbox=stack.ready["sandbox"]))
    settings = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": amqp_url}
    settings |= {"DES_GRPC__PORT": "0", "DES_HTTP__PORT": "0"}
    with closing(Running("serve", "--json", "--config", file, settings=settings, log=tmp_path / "log")) as running:
        yield running


def test_what_calls_show_is_counted_and_the_receipt_says_why(service: Running, database_url: str) -> None:
    erid = str(uuid4())
    contacts = [
        {"full_name": one.full_name or f"{one.first_name} {one.last_name}", "company_name": one.company_domain}
        for one in inquiries(1, 10 * PEOPLE)
        if one.company_domain
    ][:PEOPLE]
    body = document(erid=erid, contact_list=contacts, fields_to_be_enriched=["professional_email"])
    assert post(service.ready["http"], json.dumps(body).encode()).status == 202
    wait_until_done(service.ready["grpc"], erid, PEOPLE)
    page = curl(f"{service.ready['http']}/v1/enrichments/{erid}?page_size={PEOPLE}").document["contact_list"]
    fields = [contact["enriched"]["professional_email"] for contact in page]
    first = [field for field in fields if field["state"] == "found" and not field.get("attempts")]
    assert sum(field["provider"] == "prospeo" for field in first) > sum(
        field["provider"] == "hunter" for field in first
    )
    rules = {field["provider"]: field["rule"] for field in first if field["rule"].startswith("learned: no. 1")}
    assert set(rules) == {"prospeo"}
    assert ", 0.90 found, 0.90 sure, at 1 (1000 asked)" in rules["prospeo"]
    assert all(field["rule"].startswith(("learned: no. ", "explored: no. ")) for field in fields if "value" in field)
    counted = rows(database_url, "select provider, sum(asked) - 3000 as asked from provider_stat group by 1")
    calls = rows(
        database_url, "select provider, count(*) as asked from call where outcome in ('found', 'miss') group by 1"
    )
    assert {row["provider"]: row["asked"] for row in counted} == {row["provider"]: row["asked"] for row in calls}
    assert sum(row["asked"] for row in calls) >= PEOPLE - 5
