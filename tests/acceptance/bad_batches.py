"""What may be wrong with a batch, in each of its two forms, and the reason code that every door has to give for it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from des.limits import BATCH_CONTACTS_MAX, CONTACT_TEXT_CHARS_MAX
from des.v1 import contact_pb2

JOHN = {"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"}
FIELDS = ("professional_email",)


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: `json` and `protobuf` are bodies that have it, None where a form cannot."""

    reason: str
    json: bytes | None = None
    protobuf: bytes | None = None


def good(erid: str = "", contacts: Sequence[Mapping[str, str]] = (JOHN,)) -> contact_pb2.ContactBatch:
    """Make a batch that nothing is wrong with; of a new ERID where none is given."""
    batch = contact_pb2.ContactBatch(erid=erid or str(uuid4()), fields_to_be_enriched=FIELDS)
    for contact in contacts:
        batch.contact_list.add(**contact)
    return batch


def document(**over: Any) -> dict[str, Any]:
    """The same as the value of a JSON document."""
    return {"erid": str(uuid4()), "contact_list": [JOHN], "fields_to_be_enriched": list(FIELDS)} | over


def faults() -> Mapping[str, Fault]:
    """Make every fault, under its name."""
    long_name = "x" * 10 * CONTACT_TEXT_CHARS_MAX
    return {
        "nothing at all": Fault("EMPTY_BODY", b"", b""),
        "no contact": _both("EMPTY_BATCH", contact_list=[]),
        "a contact that names nobody": _both("EMPTY_CONTACT", contact_list=[JOHN, {"company_name": "sayprimer.com"}]),
        "too many contacts": _both("TOO_MANY_CONTACTS", contact_list=[{"email": "a@b.co"}] * (BATCH_CONTACTS_MAX + 1)),
        "a name of 10,000 characters": _both("TEXT_TOO_LONG", contact_list=[JOHN | {"last_name": long_name}]),
        "a NUL byte": _both("INVALID_TEXT", contact_list=[JOHN | {"last_name": "Do\0e"}]),
        "a control character": _both("INVALID_TEXT", contact_list=[JOHN | {"last_name": "Do\x1be"}]),
        "a country that is no code": _both("INVALID_COUNTRY", contact_list=[JOHN | {"country": "Germany"}]),
        "an ERID that is no UUID": _both("INVALID_ERID", erid="not-a-uuid"),
        "no ERID": _both("INVALID_ERID", erid=""),
        "a batch id that is no UUID": _both("INVALID_BATCH_ID", batch_id="7"),
        "no field asked for": _both("NO_FIELDS", fields_to_be_enriched=[]),
        "a field nobody configured": _both("UNKNOWN_FIELD", fields_to_be_enriched=["shoe_size"]),
        "a number for a text": _json("WRONG_TYPE", contact_list=[JOHN | {"last_name": 7}]),
        "null for a text": _json("WRONG_TYPE", contact_list=[JOHN | {"last_name": None}]),
        "an object for a list": _json("WRONG_TYPE", contact_list=JOHN),
        "a text for a list": _json("WRONG_TYPE", fields_to_be_enriched="professional_email"),
        "a list for a batch": Fault("WRONG_TYPE", b"[]"),
        "an unknown key": _json("UNKNOWN_KEY", callback_url="https://sayprimer.com"),
        "an unknown key of a contact": _json("UNKNOWN_KEY", contact_list=[JOHN | {"shoe_size": "44"}]),
        "a key that stands twice": Fault("DUPLICATE_KEY", _twice("batch_id")),
        "half of a surrogate pair": _json("INVALID_TEXT", contact_list=[JOHN | {"last_name": "\ud800"}]),
        "bytes that are no UTF-8": Fault(
            "MALFORMED_JSON", json.dumps(document()).encode().replace(b"Doe", b"D\xf6e")
        ),
        "protobuf text that is no UTF-8": Fault(
            "MALFORMED_PROTOBUF", protobuf=good().SerializeToString().replace(b"Doe", b"D\xf6e")
        ),
        "JSON of 100,000 levels": Fault("TOO_DEEP", b'{"erid": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "JSON of 20 levels": _json("TOO_DEEP", contact_list=_nested(20)),
        "JSON that ends too early": Fault("MALFORMED_JSON", json.dumps(document()).encode()[:-1]),
        "protobuf that ends too early": Fault("MALFORMED_PROTOBUF", protobuf=good().SerializeToString()[:-1]),
        "bytes that are no protobuf": Fault("MALFORMED_PROTOBUF", protobuf=b"\xff" * 100),
        "a part, which only DES makes": Fault("INVALID_PART", protobuf=_protobuf(parts=2)),
    }  # fmt: skip


def _both(reason: str, **over: Any) -> Fault:
    return Fault(reason, json.dumps(document(**over)).encode(), _protobuf(**over))


def _json(reason: str, **over: Any) -> Fault:
    return Fault(reason, json.dumps(document(**over)).encode())


def _protobuf(**over: Any) -> bytes:
    return contact_pb2.ContactBatch(**document(**over)).SerializeToString()


def _twice(key: str) -> bytes:
    return json.dumps(document()).replace("{", f'{{"{key}": "", "{key}": "", ', 1).encode()


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def _of(form: Callable[[Fault], bytes | None]) -> Mapping[str, tuple[bytes, str]]:
    return {name: (body, fault.reason) for name, fault in FAULTS.items() if (body := form(fault)) is not None}


FAULTS = faults()
AS_JSON = _of(lambda fault: fault.json)
"""Name → (body, reason) of all that JSON can have."""
AS_PROTOBUF = _of(lambda fault: fault.protobuf)
"""The same of protobuf."""
