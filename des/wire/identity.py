"""Who a batch is: its ERID, its id and the hash of its content."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

import msgspec

from des.wire.rules import Finding, finding, shown

UUID_FORM: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""RFC 4122's text form in any letter case, as a regular expression."""
_UUID_TEXT: Final = re.compile(UUID_FORM)
NIL_TEXT: Final = str(UUID(int=0))
"""The nil UUID, which is nobody's id."""


def parse_uuid(text: str) -> UUID | None:
    """Read RFC 4122's text form in any letter case; None for everything else and for the nil UUID."""
    if _UUID_TEXT.fullmatch(text) is None or text == NIL_TEXT:
        return None
    return msgspec.convert(text, UUID)  # a third of the time of UUID(text)


def hash_of(*content: bytes | memoryview) -> bytes:
    """SHA-256, 32 bytes, of canonical content, in one piece or several."""
    digest = sha256()
    for piece in content:
        digest.update(piece)
    return digest.digest()


def batch_id_of(erid: UUID, content_hash: bytes) -> UUID:
    """Return the id of a batch that was sent without one: UUIDv5 of the hash (lower-case hex) under the ERID."""
    return uuid5(erid, content_hash.hex())


def identity_findings(erid: str, batch_id: str) -> Iterator[Finding]:
    """Yield what is wrong with the ids of a batch, as they were sent; an empty batch id is none."""
    form = "send a UUID such as 3c3f4b80-f728-4d7c-8567-1bc01df5f0a1, not the nil one"
    if not erid:
        yield finding("INVALID_ERID", "erid", f"is missing; {form}")
    elif parse_uuid(erid) is None:
        yield finding("INVALID_ERID", "erid", f"is {shown(erid)}; {form}")
    if batch_id and parse_uuid(batch_id) is None:
        yield finding("INVALID_BATCH_ID", "batch_id", f"is {shown(batch_id)}; {form}, or leave it out")
