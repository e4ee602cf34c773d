"""Batches in each of their outside forms, for the tests of the wire and of ingest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from des.message import PROTOBUF, Delivery
from des.v1 import contact_pb2, ingest_pb2

ERID = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"
FIELDS = ("professional_email", "phone_number")
KNOWN = frozenset({*FIELDS, "linkedin_url"})
JOHN = {"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"}


def document(contacts: Sequence[Mapping[str, str]] = (JOHN,), **over: Any) -> dict[str, Any]:
    """The mission's JSON, as a value."""
    return {"erid": ERID, "contact_list": list(contacts), "fields_to_be_enriched": list(FIELDS), **over}


def body(contacts: Sequence[Mapping[str, str]] = (JOHN,), **over: Any) -> bytes:
    """The mission's JSON."""
    return msgspec.json.encode(document(contacts, **over))


def message(
    contacts: Iterable[Mapping[str, str]] = (JOHN,),
    erid: str = ERID,
    fields: Sequence[str] = FIELDS,
    **over: Any,
) -> contact_pb2.ContactBatch:
    """The same as protobuf."""
    batch = contact_pb2.ContactBatch(erid=erid, fields_to_be_enriched=fields)
    for contact in contacts:
        batch.contact_list.add(**contact)
    for name, value in over.items():
        setattr(batch, name, value)
    return batch


def request(batch: contact_pb2.ContactBatch) -> ingest_pb2.PushContactsRequest:
    """The same as a message of a client stream."""
    return ingest_pb2.PushContactsRequest(batch=batch)


def delivery(
    payload: bytes, content_type: str = PROTOBUF, type: str = "", user_id: str = "", content_encoding: str = ""
) -> Delivery:
    """The same as the broker delivers it."""
    return Delivery(payload, content_type, type, user_id, ERID, 1, 1, content_encoding=content_encoding)
