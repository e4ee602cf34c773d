"""The JSON of a batch → contacts: strict, fast when it is right, and every place named when it is not.

The fast way is msgspec, and a count of colons that tells that no key stood twice, which msgspec does not say. What
they cannot vouch for goes to `faults`, which reads it once more and names the places.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from des import limits
from des.contact import Contact, ContactBatch
from des.errors import InvalidInput
from des.options import options_of
from des.v1 import contact_pb2
from des.wire.encoded import EncodedBatch, decoded
from des.wire.faults import REQUIRED_KEYS, explain
from des.wire.options import OptionsDocument, keys_of, stated_in_document
from des.wire.protobuf import assemble, check
from des.wire.rules import TEXTS, Row, row_of

_UUID: Final = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"


class ContactBatchDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of contacts and what is asked for them."""

    erid: Annotated[
        str,
        msgspec.Meta(
            description="Enrichment request id: a UUID you choose. All batches of one ERID come out as one object.",
            extra_json_schema={"format": "uuid", "examples": [_UUID]},
        ),
    ]
    contact_list: Annotated[
        tuple[Contact, ...],
        msgspec.Meta(
            description="The people, in order, each with a name, an email, a phone or a linkedin_url.",
            extra_json_schema={"minItems": 1, "maxItems": limits.BATCH_CONTACTS_MAX},
        ),
    ]
    fields_to_be_enriched: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="What is asked for them; order does not matter.",
            extra_json_schema={"minItems": 1, "examples": [["professional_email", "phone_number"]]},
        ),
    ]
    batch_id: Annotated[
        str,
        msgspec.Meta(
            description="UUID of this batch; left out, it is made from the content, so that sending again is harmless.",
            extra_json_schema={"examples": [_UUID]},
        ),
    ] = ""
    options: Annotated[
        OptionsDocument | msgspec.UnsetType,
        msgspec.Meta(description="How the ERID is to be worked; no part of the content that makes a batch the same."),
    ] = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(ContactBatchDocument)


def decode_json(body: bytes, tenant: str, fields: frozenset[str]) -> ContactBatch:
    """Validate the JSON of a batch and give it its identity. `fields` are the configured ones.

    Raises InvalidInput with every wrong place.
    """
    document = _read(body)
    return decoded(_encode(document, tenant, fields), document.contact_list)


def encode_json(body: bytes, tenant: str, fields: frozenset[str]) -> EncodedBatch:
    """Do as `decode_json` does, for a door: the contacts stay encoded."""
    return _encode(_read(body), tenant, fields)


def _read(body: bytes) -> ContactBatchDocument:
    """Read the form; what its texts say is not looked at."""
    if not body.strip():
        raise InvalidInput("EMPTY_BODY", f"the body is empty; send a JSON object with {', '.join(REQUIRED_KEYS)}")
    try:
        document = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        unnamed = InvalidInput("MALFORMED_JSON", f"the body cannot be read: {error}")
        raise explain(body) or unnamed from error
    if not _keys_are_unique(body, document) and (refused := explain(body)):
        raise refused
    return document


def _encode(document: ContactBatchDocument, tenant: str, fields: frozenset[str]) -> EncodedBatch:
    rows = list(map(row_of, document.contact_list))
    said = stated_in_document(document.options)
    erid, batch_id, asked = check(
        document.erid, document.batch_id, document.fields_to_be_enriched, rows, fields, said=said
    )
    return assemble(tenant, erid, batch_id, asked, content=_content(rows), options=options_of(said) if said else None)


def _content(rows: Sequence[Row]) -> contact_pb2.ContactBatch:
    content = contact_pb2.ContactBatch()
    add = content.contact_list.add
    for row in rows:
        add(**dict(zip(TEXTS, row, strict=True)))
    return content


def _keys_are_unique(body: bytes, document: ContactBatchDocument) -> bool:
    """Tell that no key stood twice; False also where that cannot be told so cheaply.

    Every key brings one colon; the others stand in texts. A key that was overwritten leaves colons unexplained, and
    so do texts sent empty. An escaped colon could make up for one, so a body that may have it is not vouched for.
    """
    if b"\\u003" in body:
        return False
    rows = list(map(row_of, document.contact_list))
    keys = len(REQUIRED_KEYS) + bool(document.batch_id) + keys_of(document.options)
    keys += sum(len(TEXTS) - row.count("") for row in rows)
    texts = ["".join(row) for row in rows]
    texts += (document.erid, document.batch_id, *document.fields_to_be_enriched)
    return body.count(b":") == keys + "".join(texts).count(":")
