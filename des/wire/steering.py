"""The JSON bodies that steer an enrichment: options to create it with, and what becomes of them.

Both are a few hundred bytes, so each is read twice: the slow reading of `faults` names every wrong place.
"""

from typing import Annotated

import msgspec

from des.errors import InvalidInput
from des.options import Change, Options
from des.wire.faults import explain_options
from des.wire.options import (
    OptionsChangeDocument,
    OptionsDocument,
    change_in_document,
    checked,
    checked_change,
    stated_in_document,
)


class CreateDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an ERID is opened with; a body may be left out."""

    options: Annotated[
        OptionsDocument | msgspec.UnsetType, msgspec.Meta(description="how the ERID is to be worked")
    ] = msgspec.UNSET


class UpdateDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of an ERID's options."""

    options: OptionsChangeDocument = OptionsChangeDocument()
    resume: Annotated[
        bool, msgspec.Meta(description="resume what any cap had ended, also where this budget is not raised")
    ] = False


_CREATE = msgspec.json.Decoder(CreateDocument)
_UPDATE = msgspec.json.Decoder(UpdateDocument)


def decode_create(body: bytes, erid: str) -> Options | None:
    """Options in the body of a Create, None where there are none. Raises InvalidInput with every wrong place."""
    if not body:
        return None
    if refused := explain_options(body, ("options",), nulls=False):
        raise refused
    try:
        return checked(stated_in_document(_CREATE.decode(body).options), erid)
    except msgspec.MsgspecError as error:
        raise _unnamed(error) from error


def decode_update(body: bytes, erid: str) -> tuple[Change, bool]:
    """What the body of an Update changes, by path, and whether it resumes. Raises InvalidInput, every place named."""
    if not body.strip():
        raise InvalidInput("EMPTY_BODY", 'the body is empty; send {"options": {…}} with what is to be changed')
    if refused := explain_options(body, ("options", "resume"), nulls=True):
        raise refused
    try:
        document = _UPDATE.decode(body)
        return checked_change(change_in_document(document.options), erid), document.resume
    except msgspec.MsgspecError as error:
        raise _unnamed(error) from error


def _unnamed(error: msgspec.MsgspecError) -> InvalidInput:
    return InvalidInput("MALFORMED_JSON", f"the body cannot be read: {error}")
