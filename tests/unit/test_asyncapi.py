"""The AsyncAPI document says what the code does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types, and one test needs no stubs
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # as yaml
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from des.broker.contract import EVENTS_EXCHANGE, INGEST_EXCHANGE
from des.contact import Contact
from des.events import FINISHED_STATES, Event, Progress, batch_finished, enrichment_completed, enrichment_settled
from des.limits import BATCH_CONTACTS_MAX
from des.message import BATCH_SET_TYPE, BATCH_TYPE, JSON, PROTOBUF
from des.outbox import cloud_event_headers
from des.store.contract import OutboxEvent
from des.wire import ContactBatchDocument, decode_json

PATH = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
ERID = UUID("3c3f4b80-f728-4d7c-8567-1bc01df5f0a1")
PROGRESS = Progress(2, 2, 1, 1, dict.fromkeys(FINISHED_STATES, 0))
EVENTS = [
    batch_finished("default", ERID, ERID, 2),
    enrichment_settled("default", ERID, 1, PROGRESS, ["professional_email"]),
    enrichment_completed("default", ERID, 2, PROGRESS, ["professional_email"]),
]


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        if reference.startswith("#/"):
            assert isinstance(_at(reference), dict), reference
        else:
            assert (PATH.parent / reference).is_file(), reference


def test_exchanges_and_message_types_are_those_of_the_code() -> None:
    exchanges = {
        name: channel["bindings"]["amqp"]["exchange"]["name"] for name, channel in DOCUMENT["channels"].items()
    }
    assert exchanges == {"ingest": INGEST_EXCHANGE, "events": EVENTS_EXCHANGE}
    ingest = [_at(message["$ref"]) for message in DOCUMENT["channels"]["ingest"]["messages"].values()]
    assert [(one["contentType"], one["bindings"]["amqp"]["messageType"]) for one in ingest] == [
        (JSON, BATCH_TYPE),
        (PROTOBUF, BATCH_TYPE),
        (PROTOBUF, BATCH_SET_TYPE),
    ]
    assert DOCUMENT["channels"]["events"]["parameters"]["type"]["enum"] == [event.type for event in EVENTS]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_events_are_as_described(event: Event) -> None:
    [message] = [one for one in DOCUMENT["components"]["messages"].values() if one["name"] == event.type]
    _validator(message["payload"]["$ref"]).validate(json.loads(event.payload))
    row = OutboxEvent(1, event.id, event.type, event.tenant, event.erid, event.payload, datetime.now(UTC))
    _validator(message["headers"]["$ref"]).validate(dict(cloud_event_headers(row)))


def test_a_batch_is_as_described() -> None:
    schema = DOCUMENT["components"]["schemas"]["contactBatch"]
    assert set(schema["properties"]) == set(ContactBatchDocument.__struct_fields__)
    assert schema["properties"]["contact_list"]["maxItems"] == BATCH_CONTACTS_MAX
    contact = DOCUMENT["components"]["schemas"]["contact"]
    assert tuple(contact["properties"]) == Contact.__struct_fields__
    [example] = schema["examples"]
    _validator("#/components/schemas/contactBatch").validate(example)
    batch = decode_json(msgspec.json.encode(example), "default", frozenset(example["fields_to_be_enriched"]))
    assert batch.contacts == (Contact("John", "Doe", company_name="sayprimer.com"),)


def _validator(reference: str) -> Draft202012Validator:
    registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(DOCUMENT))
    return Draft202012Validator({"$ref": f"urn:document{reference}"}, registry=registry, format_checker=FormatChecker())


def _at(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
