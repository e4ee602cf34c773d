"""A budget from the command line: quoted, met, raised, lifted; every charge accounted for."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from des.sandbox.population import Population
from tests.acceptance.command import des, document, error

PEOPLE = 60
SEED, POPULATION = 1, 10_000
FIELD = "phone_number"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """People of the sandbox whom no other test asks about; some of them the directory knows, and the vendor others."""
    path = tmp_path / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("first_name", "last_name", "company_domain"))
        for one in Population(SEED, POPULATION).people[-PEOPLE:]:
            writer.writerow((one.first_name, one.last_name, one.company.domain))
    return path


def settled(erid: str, to_stack: Mapping[str, str]) -> dict[str, Any]:
    states = des("watch", erid, "--json", settings=to_stack)
    assert states.returncode == 0, states.stderr
    state: dict[str, Any] = json.loads(states.stdout.splitlines()[-1])
    assert state["spend"]["reserved"] == {"credits": 0.0, "money": 0.0}
    return state


def charged(erid: str, to_stack: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Credits on the receipts of all contacts, and the contacts by position."""
    results = des("results", erid, "--format", "ndjson", settings=to_stack)
    contacts = [json.loads(line) for line in results.stdout.splitlines()]
    receipts = [contact["enriched"][FIELD] for contact in contacts]
    cost = sum(one.get("cost", 0.0) + sum(a.get("cost", 0.0) for a in one.get("attempts", ())) for one in receipts)
    return cost, {contact["position"]: contact["enriched"][FIELD] for contact in contacts}


def test_a_budget_is_quoted_met_raised_and_lifted(to_stack: Mapping[str, str], people: Path) -> None:
    erid = str(uuid4())
    quote = document(des("quote", people, "--fields", FIELD, "--json", settings=to_stack))
    assert (quote["contacts"], quote["suppressed"]) == (PEOPLE, None)
    assert quote["cost"]["credits"]["max"] == quote["people"]

    pushed = des("push", people, "--fields", FIELD, "--erid", erid, "--credits", "3", settings=to_stack)
    assert pushed.returncode == 0, pushed.stderr
    met = settled(erid, to_stack)
    cost, first = charged(erid, to_stack)
    assert met["options"] == {"budget": {"credits": 3.0}}
    assert met["spend"]["spent"]["credits"] == cost == 3
    over = met["progress"]["fields"]["over_budget"]
    assert over == sum(one["state"] == "over_budget" for one in first.values()) > 0

    raised = document(des("update", erid, "--credits", "5", "--json", settings=to_stack))
    assert raised["resumed_contacts"] == over
    again = settled(erid, to_stack)
    cost, second = charged(erid, to_stack)
    assert again["spend"]["spent"]["credits"] == cost == 5
    assert 0 < again["progress"]["fields"]["over_budget"] < over
    assert again["revision"] == met["revision"] + 1
    assert all(second[position] == one for position, one in first.items() if one["state"] == "found")

    lifted = des("update", erid, "--clear", "budget", settings=to_stack)
    assert "contacts go on" in lifted.stdout, lifted.stderr
    last = settled(erid, to_stack)
    cost, third = charged(erid, to_stack)
    assert (last["progress"]["fields"]["over_budget"], last["spend"]["spent"]["credits"]) == (0, cost)
    bought = [one for one in third.values() if one.get("provider") == "hunter"]
    # The vendor charges for the person, whose number it does not always have.
    assert len(bought) < cost <= quote["cost"]["credits"]["max"]
    assert "spent" in des("watch", erid, settings=to_stack).stdout


def test_what_cannot_be_is_refused_by_name(to_stack: Mapping[str, str], people: Path) -> None:
    command = ("push", people, "--fields", FIELD, "--json")
    assert error(des(*command, "--credits", "-1", settings=to_stack))["reason"] == "INVALID_OPTION"
    assert error(des("update", str(uuid4()), "--priority", "3", "--json", settings=to_stack))["reason"] == "NOT_FOUND"
    nothing = des("update", str(uuid4()), "--json", settings=to_stack)
    assert (nothing.returncode, error(nothing)["reason"]) == (2, "USAGE")
