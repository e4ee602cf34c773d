"""Sends the batches of a file, a group at a time: bounded memory, and a place to go on from when DES is busy.

A group is one gRPC stream. Where DES says that it takes nothing for the moment, or cannot be reached, the group is sent
again: what had arrived of it is a duplicate. The first group is a single batch, so that what is wrong with all of them
(a field that is not configured, a service that is not there) shows before a long file is read.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from des.cli.contact_batches import FileBatch, cut
from des.cli.contact_file import ContactFile, Unreadable
from des.cli.output import Output
from des.cli.push import Wish
from des.client import Client, RemoteError
from des.contact import Contact
from des.errors import InvalidInput, Violation
from des.limits import BATCH_CONTACTS_MAX, GRPC_MESSAGE_BYTES_MAX
from des.options import options_of
from des.v1 import contact_pb2, ingest_pb2
from des.wire.identity import parse_uuid
from des.wire.options import checked, options_message, stated_in_document

GROUP_CONTACTS: Final = 20_000
"""Contacts of one group: 4 MB or so, and several hundred milliseconds of a busy service's time."""
GROUP_BATCHES_MAX: Final = 1_000
TRIES_MAX: Final = 10
REJECTED_SHOWN_MAX: Final = 100
"""Rows named one by one; the rest are only counted."""
DOCUMENT_BYTES_MAX: Final = GRPC_MESSAGE_BYTES_MAX - 1_024
"""Of a document as protobuf: with room for what the request puts around it."""

UNREACHABLE: Final = "UNAVAILABLE"
"""gRPC's own code: no DES has answered, which would have named its reason."""

_TEXTS: Final = Contact.__struct_fields__


class Asked(NamedTuple):
    """What is asked, under which id and with which options of the ERID, by path."""

    erid: UUID
    fields: list[str]
    said: Mapping[str, float]


class Pushed(msgspec.Struct):
    """What became of a file: batches and contacts confirmed, rows rejected, of those the first with their lines."""

    erid: UUID
    batches: int = 0
    contacts: int = 0
    rejected: int = 0
    rejected_rows: list[Unreadable] = []


def asked_of(file: ContactFile, wish: Wish) -> Asked:
    """Return what is asked: as the command line says, else the file's document; a new ERID where nobody gives one.

    Raises InvalidInput NO_FIELDS, INVALID_ERID, INVALID_OPTION.
    """
    document, erid = file.document, wish.erid
    fields = wish.fields or (document.fields_to_be_enriched if document else [])
    if not fields:
        raise InvalidInput("NO_FIELDS", "say what is asked for, such as --fields professional_email,phone_number")
    if erid is None and document and document.erid:
        erid = parse_uuid(document.erid)
        if erid is None:
            raise InvalidInput("INVALID_ERID", f"the document's erid is no UUID: {document.erid[:60]!r}")
    said = {**(stated_in_document(document.options) if document else {}), **wish.said}
    checked(said)
    return Asked(erid or uuid4(), fields, said)


def message_of(batch: FileBatch, asked: Asked) -> contact_pb2.ContactBatch:
    """Make the message of a batch."""
    message = contact_pb2.ContactBatch(
        erid=str(asked.erid),
        batch_id=batch.batch_id,
        fields_to_be_enriched=asked.fields,
        options=options_message(options_of(asked.said)) if asked.said else None,
    )
    add = message.contact_list.add
    for contact in batch.contacts:
        add(**{name: text for name in _TEXTS if (text := getattr(contact, name))})
    return message


class Pusher:
    """Sends one file."""

    def __init__(self, client: Client, asked: Asked, output: Output) -> None:
        """Take the service, what is asked, and where to tell of rejected rows."""
        self._client = client
        self._asked = asked
        self._output = output
        self._pushed = Pushed(asked.erid)

    async def push(self, file: ContactFile, batch_size: int) -> Pushed:
        """Send all of it and return what became of it.

        Raises RemoteError where DES stays unreachable or busy, and InvalidInput for what is wrong with every batch.
        """
        whole = self._whole_document(file)
        if whole is not None:
            await self._send(*whole)
            return self._pushed
        batches = cut(file.rows, self._asked.erid, self._asked.fields, batch_size, self._reject)
        with _bar(self._output) as bar:
            task = bar.add_task("contacts confirmed", total=None)
            for contacts_max in itertools.chain([1], itertools.repeat(GROUP_CONTACTS)):
                group = await asyncio.to_thread(_group, batches, contacts_max)
                if not group:
                    return self._pushed
                await self._send(group, [message_of(batch, self._asked) for batch in group])
                bar.update(task, completed=self._pushed.contacts)
        return self._pushed

    def _whole_document(
        self, file: ContactFile
    ) -> tuple[Sequence[FileBatch], Sequence[contact_pb2.ContactBatch]] | None:
        """Return a document as the one batch that the HTTP door makes of it; None for what no door takes as one.

        Raises InvalidInput TOO_LARGE, TOO_MANY_CONTACTS where it is one and this door does not take it: in pieces it
        would be other batches, and count twice beside the one.
        """
        document = file.document
        if document is None:
            return None
        contacts = len(document.contact_list)
        if contacts > BATCH_CONTACTS_MAX:
            if not document.batch_id:
                return None
            raise InvalidInput(
                "TOO_MANY_CONTACTS",
                f"a batch has at most {BATCH_CONTACTS_MAX:,} contacts, and this document, which has a batch_id, has "
                f"{contacts:,}; without one it is sent in several batches",
            )
        whole = FileBatch(document.batch_id, document.contact_list, range(1, contacts + 1))
        message = message_of(whole, self._asked)
        if (size := message.ByteSize()) > DOCUMENT_BYTES_MAX:
            raise InvalidInput(
                "TOO_LARGE",
                f"the document is one batch of {size:,} bytes, and a gRPC message has at most {DOCUMENT_BYTES_MAX:,}; "
                "send it to POST /v1/enrichments, or its contacts as JSON lines, which become batches of their own",
            )
        return [whole], [message]

    async def _send(self, group: Sequence[FileBatch], messages: Sequence[contact_pb2.ContactBatch]) -> None:
        """Send the messages of a group until they are confirmed, and count it."""
        response = await self._confirmed(messages)
        self._pushed.batches += response.accepted + response.duplicate
        self._pushed.contacts += sum(len(batch.contacts) for batch in group)
        for rejected in response.rejected:
            self._refuse(group[rejected.index], rejected)

    async def _confirmed(self, messages: Sequence[contact_pb2.ContactBatch]) -> ingest_pb2.PushContactsResponse:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                return await self._client.push(messages)
            except RemoteError as error:
                if not tries_left or not self._may_pass(error):
                    raise
                self._output.note(f"{error.reason}: {error.message}; sending again in {error.retry_after_s:g} s")
                await asyncio.sleep(error.retry_after_s)
        raise RuntimeError("the last try either returns or raises")

    def _may_pass(self, error: RemoteError) -> bool:
        """Whether waiting may help: not where nobody has answered yet, which is rather a wrong address."""
        never_answered = error.reason == UNREACHABLE and not self._pushed.batches
        return error.retryable and not never_answered

    def _refuse(self, batch: FileBatch, rejected: ingest_pb2.RejectedBatch) -> None:
        """Count a batch that the door refused. Raises InvalidInput where it is the first: the others are like it."""
        self._pushed.contacts -= len(batch.contacts)
        if not self._pushed.batches:
            raise InvalidInput(rejected.reason, rejected.message, _violations(rejected))
        self._pushed.rejected += len(batch.contacts) - 1
        self._reject(Unreadable(batch.lines[0], rejected.reason, f"and its batch: {rejected.message}"))

    def _reject(self, row: Unreadable) -> None:
        self._pushed.rejected += 1
        if len(self._pushed.rejected_rows) < REJECTED_SHOWN_MAX:
            self._pushed.rejected_rows.append(row)
            self._output.note(f"line {row.line}: {row.reason}: {row.message}")


def _group(batches: Iterator[FileBatch], contacts_max: int) -> list[FileBatch]:
    """Take batches until they have `contacts_max` contacts, at least one where there is one."""
    group: list[FileBatch] = []
    contacts = 0
    while contacts < contacts_max and len(group) < GROUP_BATCHES_MAX:
        batch = next(batches, None)
        if batch is None:
            break
        group.append(batch)
        contacts += len(batch.contacts)
    return group


def _violations(rejected: ingest_pb2.RejectedBatch) -> tuple[Violation, ...]:
    return tuple(Violation(one.field, one.description) for one in rejected.violations)


def _bar(output: Output) -> Progress:
    """Return a bar that counts on a terminal and is silent elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=output.console(), transient=True, disable=not output.on_terminal)
