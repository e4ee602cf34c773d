"""What a request asks for beside its body: the ERID of its path and the parameters of its query, checked."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from des.errors import InvalidInput, Violation
from des.wire.identity import identity_findings, parse_uuid
from des.wire.rules import refusal, shown

_Query = TypeVar("_Query", bound=msgspec.Struct)


def erid_of(text: str) -> UUID:
    """Read an ERID. Raises InvalidInput INVALID_ERID."""
    erid = parse_uuid(text)
    if erid is None:
        raise refusal(identity_findings(text, ""), text)
    return erid


def path_erid(request: web.Request) -> UUID:
    """Read the ERID in the path. Raises InvalidInput INVALID_ERID."""
    return erid_of(request.match_info["erid"])


def query_of(request: web.Request, type_: type[_Query]) -> _Query:
    """Read the query as a struct of strings, integers, booleans and enums.

    Raises InvalidInput: UNKNOWN_PARAMETER for a name the struct has not, INVALID_PARAMETER for a value that is wrong
    or stands twice.
    """
    query = request.query
    check_names(query, type_)
    values: dict[str, str] = {}
    for name, value in query.items():
        if name in values:
            raise _refused("INVALID_PARAMETER", name, "stands more than once; send it once")
        values[name] = value
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        raise _refused("INVALID_PARAMETER", name, f"is {shown(values.get(name, ''))}: {what.lower()}") from error


def check_names(names: Iterable[str], type_: type[msgspec.Struct]) -> None:
    """Refuse parameters the struct has not. Raises InvalidInput UNKNOWN_PARAMETER."""
    known = type_.__struct_fields__
    for name in names:
        if name not in known:
            remedy = f"this route takes {', '.join(known)}" if known else "this route takes none"
            raise _refused("UNKNOWN_PARAMETER", name, f"is no parameter here; {remedy}")


def _refused(reason: str, name: str, description: str) -> InvalidInput:
    return InvalidInput(reason, f"query parameter {shown(name)} {description}", (Violation(name, description),))
