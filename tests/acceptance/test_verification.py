"""Addresses verified before they are taken: by DNS and by a vendor, seen from outside, to the last credit."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from des.sandbox.population import Person, Population
from des.sandbox.vendors.plain import KNOWN_SHARE
from tests.acceptance.bad_batches import document
from tests.acceptance.command import Running
from tests.acceptance.outsiders import curl, post, rows, wait_until_done
from tests.dns_server import MX, dns_server

PEOPLE = 40
SETTINGS = """
[fields.professional_email]
waterfall = ["plain", "prospeo"]
verify = ["email_check", "hunter_verifier"]

[providers.email_check]
kind = "email_check"
nameservers = ["{dns}"]

[providers.hunter_verifier]
kind = "hunter_verifier"
api_key = "any"
url = "{sandbox}"
rate = []
price = 0.5
poll_after_s = 0.2

[providers.plain]
kind = "http"

[providers.plain.request]
url = "{sandbox}/lookup"
query = {{ first_name = "{{first_name!}}", last_name = "{{last_name!}}", company = "{{domain,company_name!}}" }}

[providers.plain.values]
professional_email = {{ path = "data.email", confidence = 0.6 }}

[providers.prospeo]
kind = "prospeo"
api_key = "any"
url = "{sandbox}"
rate = []
"""


@pytest.fixture
def people() -> list[Person]:
    """People of whom the first vendor knows an address."""
    population = Population(1)
    erased = {one.email for one in population.people if one.erased}
    known = [
        one
        for one in population.people
        if one.known_to("plain", KNOWN_SHARE)
        and one.email not in erased
        and population.find(one.first_name + one.last_name, one.company.domain) is one
    ]
    some = [one for one in known if one.company.catch_all][: PEOPLE // 4]
    return [one for one in known if not one.company.catch_all][: PEOPLE - len(some)] + some


@pytest.fixture
def dead(people: list[Person]) -> str:
    """A domain that does not exist."""
    return people[0].company.domain


@pytest.fixture
def dns(people: list[Person], dead: str) -> Iterator[str]:
    """A DNS server that knows their domains, but for that."""
    domains = {one.company.domain for one in people} - {dead}
    up, over = threading.Event(), threading.Event()
    address: list[str] = []

    async def serve() -> None:
        async with dns_server({domain: [(MX, f"mx.{domain}")] for domain in domains}) as server:
            address.append(server.address)
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert up.wait(10)
    yield address[0]
    over.set()
    thread.join()


@pytest.fixture
def service(stack: Running, dns: str, database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service that takes no address unseen."""
    file = tmp_path / "des.toml"
    file.write_text(SETTINGS.format(sandbox=stack.ready["sandbox"], dns=dns))
    settings = {"DES_DATABASE_URL": database_url, "DES_AMQP_URL": amqp_url}
    settings |= {"DES_GRPC__PORT": "0", "DES_HTTP__PORT": "0"}
    with closing(Running("serve", "--json", "--config", file, settings=settings, log=tmp_path / "log")) as running:
        yield running


def test_no_address_is_taken_unseen(service: Running, people: list[Person], dead: str, database_url: str) -> None:
    erid = str(uuid4())
    contacts = [
        {"first_name": one.first_name, "last_name": one.last_name, "company_domain": one.company.domain}
        for one in people
    ]
    body = document(erid=erid, contact_list=contacts, fields_to_be_enriched=["professional_email"])
    assert post(service.ready["http"], json.dumps(body).encode()).status == 202
    wait_until_done(service.ready["grpc"], erid, PEOPLE)
    found = curl(f"{service.ready['http']}/v1/enrichments/{erid}?page_size={PEOPLE}").document
    results = [(one["company_domain"], one["enriched"]["professional_email"]) for one in found["contact_list"]]

    assert {one["verification"] for _, one in results if one["state"] == "found"} == {"valid", "catch_all"}
    for domain, one in results:
        attempts: list[dict[str, Any]] = one.get("attempts", [])
        words = [(each["provider"], each.get("verification", "")) for each in attempts]
        if domain == dead:
            assert words[:2] == [("plain", "invalid"), ("email_check", "invalid")]
            assert (attempts[0]["reason"], attempts[1]["reason"]) == ("INVALID", "NO_SUCH_DOMAIN")
            assert one["state"] == "not_found" or one["provider"] == "prospeo"
        else:
            assert one["state"] == "found", one
            assert (one["provider"], words[0]) == ("plain", ("email_check", "unknown"))
            assert words[1] in {("hunter_verifier", "valid"), ("hunter_verifier", "catch_all")}
    sure = {one["confidence"] for _, one in results if one.get("verification") == "valid"}
    assert min(sure) >= 0.95, "the vendor is surer than the one who found it"

    lines = [line for _, one in results for line in (one, *one.get("attempts", ()))]
    spent = sum(line.get("cost", 0) for line in lines)
    (ledger,) = rows(database_url, "select sum(charged)::float8 / 1000000 as charged from call")
    assert found["spend"]["spent"]["credits"] == spent == ledger["charged"] > 0
    (calls,) = rows(
        database_url,
        "select count(*) as calls, count(distinct person) as people, bool_and(person like 'e:%') as by_address"
        " from call where provider = 'hunter_verifier' and state = 'settled'",
    )
    assert calls["calls"] == calls["people"] > 0
    assert calls["by_address"]
