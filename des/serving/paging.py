"""Page tokens: where the next page begins, opaque to the client, bound to what was being paged through."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from des.errors import InvalidInput, Violation
from des.store.reading import Enrichment, Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Position = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Micros = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999_999)]  # the end of the year 9999


class _ContactToken(msgspec.Struct, frozen=True, array_like=True, tag="contact"):
    erid: UUID
    seq: _Seq
    position: _Position


class _EnrichmentToken(msgspec.Struct, frozen=True, array_like=True, tag="enrichment"):
    created_us: _Micros
    erid: UUID


_Token = TypeVar("_Token", _ContactToken, _EnrichmentToken)


def contact_token(erid: UUID, last: Place) -> str:
    """Token of the page of contacts after `last`."""
    return _encode(_ContactToken(erid, last.seq, last.position))


def contact_place(token: str, erid: UUID) -> Place | None:
    """Place that a page of contacts begins after, None for the first. Raises InvalidInput INVALID_PAGE_TOKEN."""
    if not token:
        return None
    read = _decode(token, _ContactToken)
    if read.erid != erid:
        raise _invalid()
    return Place(read.seq, read.position)


def enrichment_token(last: Enrichment) -> str:
    """Token of the page of enrichments after `last`."""
    return _encode(_EnrichmentToken((last.created_at - _EPOCH) // _MICROSECOND, last.erid))


def enrichment_place(token: str) -> tuple[datetime, UUID] | None:
    """Creation time and ERID that a page begins after, None for the first. Raises INVALID_PAGE_TOKEN."""
    if not token:
        return None
    read = _decode(token, _EnrichmentToken)
    return _EPOCH + read.created_us * _MICROSECOND, read.erid


def page_size(asked: int, default: int, most: int) -> int:
    """Size of the page to give: 0 means the default, more than the most means the most (AIP-158).

    Raises InvalidInput INVALID_PAGE_SIZE below 0.
    """
    if asked < 0:
        description = f"is {asked}; send 0 for {default}, or up to {most}"
        raise InvalidInput("INVALID_PAGE_SIZE", f"page_size {description}", (Violation("page_size", description),))
    return min(asked or default, most)


def _encode(token: _ContactToken | _EnrichmentToken) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(token)).decode().rstrip("=")


def _decode(text: str, type_: type[_Token]) -> _Token:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=type_)
    except (ValueError, msgspec.MsgspecError) as error:
        raise _invalid() from error


def _invalid() -> InvalidInput:
    description = "is not one of this list; send next_page_token of the page before, or leave it out"
    return InvalidInput("INVALID_PAGE_TOKEN", f"page_token {description}", (Violation("page_token", description),))
