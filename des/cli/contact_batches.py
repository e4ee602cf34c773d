"""Cuts the rows of a file into batches that are the same whenever the file is pushed again.

A batch is a fixed number of rows. What no door would accept is taken out and reported by line before anything is
sent, under the rules of `des.wire`; the rest of its batch goes on without it. The batch id is a UUIDv5 of the ERID,
the batch's place in the file and its content: pushing a file again changes nothing, pushing it after rows were
added at its end sends those, and two batches that read alike are two batches.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID, uuid5

import msgspec

from des.cli.contact_file import Row, Unreadable
from des.contact import Contact
from des.wire.rules import contact_findings, row_of, suspicious

OnRejected = Callable[[Unreadable], None]
"""Told of every row that is left out."""


class FileBatch(msgspec.Struct, frozen=True):
    """Contacts to send together; `lines` says which line of the file each came from. Without an id DES makes one."""

    batch_id: str
    contacts: Sequence[Contact]
    lines: Sequence[int]


def cut(
    rows: Iterable[Row | Unreadable], erid: UUID, fields: Sequence[str], size: int, on_rejected: OnRejected
) -> Iterator[FileBatch]:
    """Yield batches of at most `size` rows, in the order of the file; a batch that lost all its rows is left out."""
    source = iter(rows)
    for place in itertools.count():
        group = list(itertools.islice(source, size))
        if not group:
            return
        sound = _sound(group, on_rejected)
        if sound:
            contacts = [row.contact for row in sound]
            yield FileBatch(_batch_id(erid, fields, place, contacts), contacts, [row.line for row in sound])


def _sound(group: Sequence[Row | Unreadable], on_rejected: OnRejected) -> list[Row]:
    """Report what is unreadable or breaks a rule, and return the rest."""
    read: list[Row] = []
    for row in group:
        if isinstance(row, Row):
            read.append(row)
        else:
            on_rejected(row)
    # The sieve over all of them first: it is ten times faster than looking at each, and usually finds nothing.
    if not read or not suspicious([row_of(row.contact) for row in read]):
        return read
    return [row for row in read if not _breaks_a_rule(row, on_rejected)]


def _breaks_a_rule(row: Row, on_rejected: OnRejected) -> bool:
    found = next(contact_findings([row_of(row.contact)]), None)
    if found is None:
        return False
    place = found.violation.field.removeprefix("contact_list[0]").removeprefix(".")
    on_rejected(Unreadable(row.line, found.reason, f"{place} {found.violation.description}".lstrip()))
    return True


def _batch_id(erid: UUID, fields: Sequence[str], place: int, contacts: Sequence[Contact]) -> str:
    content = hashlib.sha256(msgspec.json.encode([sorted(set(fields)), contacts])).hexdigest()
    return str(uuid5(erid, f"file/{place}/{content}"))
