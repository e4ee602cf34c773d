"""Reads enrichments in Postgres, and steers them (`steering`): `ReadingStore` on the statements of `serving.sql`.

A connection is held for one call, never while a reader is being written to.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from des import failpoints
from des.contact import Contact, FieldResult, FieldState
from des.errors import Unreadable
from des.events import FINISHED_STATES, Event, Progress, enrichment_completed
from des.failpoints import Failpoint
from des.ledger import Amount
from des.options import Change, Options
from des.stall import Stall
from des.store import steering
from des.store.contract import partition_of
from des.store.options import in_force
from des.store.postgres import Connection, Database
from des.store.reading import EnrichedContact, Enrichment, EnrichmentState, ObjectPage, Part, Place, Span, Spend
from des.store.statements import statements

DecodeContacts = Callable[[bytes, int], Sequence[Contact]]
"""Reads the contacts of one part from its canonical protobuf."""

_PENDING = FieldResult(FieldState.PENDING)
_BEFORE_ALL = Place(0, 0)


class EnrichmentStore:
    """`ReadingStore` on Postgres."""

    def __init__(self, database: Database, decode_contacts: DecodeContacts) -> None:
        """Take the pool and `wire.decode_contacts`."""
        self._database = database
        self._decode_contacts = decode_contacts
        self._sql = statements("serving")
        self._contact = msgspec.json.Decoder(Contact)
        self._enriched = msgspec.json.Decoder(dict[str, FieldResult])

    async def enrichment(self, tenant: str, erid: UUID) -> Enrichment:
        """Return the object without its contacts. Raises NotFound."""
        async with self._database.connection() as connection:
            return await self._read(connection, tenant, erid)

    async def watched(self, erids: Sequence[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], Enrichment]:
        """Return those of the (tenant, ERID) pairs that exist, in one query."""
        tenants, ids = [tenant for tenant, _ in erids], [erid for _, erid in erids]
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["watched"], tenants, ids)
        return {(row["tenant"], row["erid"]): _enrichment_of(row) for row in rows}

    async def enrichments(self, tenant: str, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Enrichment]:
        """Return the tenant's objects, newest first, after the one created then with that ERID."""
        name, key = ("older_enrichments", after) if after else ("newest_enrichments", ())
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql[name], tenant, limit, *key)
        return [_enrichment_of(row) for row in rows]

    async def page(self, tenant: str, erid: UUID, after: Place | None, contacts_max: int) -> ObjectPage:
        """Return the object and its next contacts, all of one snapshot. Raises NotFound."""
        start = after or _BEFORE_ALL
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            enrichment = await self._read(connection, tenant, erid)
            parts = await connection.fetch(
                self._sql["page_parts"], tenant, erid, start.seq, start.position, contacts_max
            )
            wanted, more = _cut(parts, start, contacts_max)
            rows = await self._rows(connection, tenant, erid, [span for _, span in wanted])
        done = {(row["batch_id"], row["position"]): row for row in rows}
        contacts = [contact for part, span in wanted for contact in self._page_contacts(part, span, done)]
        last = Place(wanted[-1][1].seq, wanted[-1][1].last) if more else None
        return ObjectPage(enrichment, contacts, last)

    async def parts(self, tenant: str, erid: UUID, after_seq: int, limit: int) -> Sequence[Part]:
        """Return parts of a higher `seq` that have finished contacts, in order of `seq`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["parts"], tenant, erid, after_seq, limit)
        return [Part(*row) for row in rows]

    async def finished(
        self, tenant: str, erid: UUID, spans: Sequence[Span]
    ) -> tuple[Sequence[EnrichedContact], frozenset[int]]:
        """Return the finished contacts of these spans, in order of the spans and of position.

        With them the `seq` of parts of which a contact was finished and is outstanding once more.
        """
        async with self._database.connection() as connection:
            rows = await self._rows(connection, tenant, erid, spans)
        finished = [self._finished_contact(row) for row in rows if not row["reopened"]]
        return finished, frozenset([row["seq"] for row in rows if row["reopened"]])

    async def finished_up_to(self, tenant: str, erid: UUID) -> int:
        """Return a `seq` up to which every part that can ever be there is finished; 0 where the first is not."""
        async with self._database.connection() as connection:
            seq: int = await connection.fetchval(self._sql["finished_up_to"], tenant, erid, partition_of(tenant, erid))
        return seq

    async def create(self, tenant: str, erid: UUID, options: Options | None = None) -> Enrichment:
        """Open the ERID where it is not open yet, and return it. Raises InvalidInput CONFLICTING_OPTIONS."""
        async with self._database.transaction() as connection:
            await steering.create(connection, tenant, erid, options)
            return await self._read(connection, tenant, erid)

    async def update(self, tenant: str, erid: UUID, change: Change, *, resume: bool = False) -> tuple[Enrichment, int]:
        """Change its options and resume what a raised budget allows. Raises NotFound, InvalidInput."""
        async with self._database.transaction() as connection:
            resumed = await steering.update(connection, tenant, erid, change, resume=resume)
            enrichment = await self._read(connection, tenant, erid)
            failpoints.hit(Failpoint.UPDATE_BEFORE_COMMIT)
        failpoints.hit(Failpoint.UPDATE_COMMITTED_NOT_ANSWERED)
        return enrichment, resumed

    async def seal(self, tenant: str, erid: UUID) -> Enrichment:
        """Take no more batches; complete and announce it where nothing is outstanding. Raises NotFound."""
        async with self._database.transaction() as connection:
            completed = await steering.seal(connection, tenant, erid)
            enrichment = await self._read(connection, tenant, erid)
            if completed:
                await steering.announce(connection, _completed_event(enrichment))
            return enrichment

    async def cancel(self, tenant: str, erid: UUID) -> Enrichment:
        """Seal it and tell its owner to end what is outstanding; a completed one stays. Raises NotFound.

        Where nothing is outstanding this completes and announces it, as the last contact does elsewhere.
        """
        async with self._database.transaction() as connection:
            completed = await steering.cancel(connection, tenant, erid)
            enrichment = await self._read(connection, tenant, erid)
            if completed:
                await steering.announce(connection, _completed_event(enrichment))
            return enrichment

    async def _read(self, connection: Connection, tenant: str, erid: UUID) -> Enrichment:
        row = await connection.fetchrow(self._sql["enrichment"], tenant, erid)
        if row is None:
            raise steering.nothing_of(erid)
        return _enrichment_of(row)

    async def _rows(self, connection: Connection, tenant: str, erid: UUID, spans: Sequence[Span]) -> Sequence[Any]:
        if not spans:
            return ()
        columns = zip(*[(one.seq, one.batch_id, one.first, one.last) for one in spans], strict=True)
        rows: Sequence[Any] = await connection.fetch(self._sql["finished_contacts"], tenant, erid, *columns)
        return rows

    def _page_contacts(self, part: Any, span: Span, done: Mapping[tuple[UUID, int], Any]) -> Sequence[EnrichedContact]:
        """Finished contacts of a span from their rows, the others from the part's payload; erased ones are gone."""
        found = [done.get((span.batch_id, position)) for position in range(span.first, span.last + 1)]
        if None not in found or part["payload"] is None:
            return [self._finished_contact(row) for row in found if row is not None]
        try:
            sent = self._decode_contacts(part["payload"], part["contacts"])
        except Unreadable:  # its worker ends its contacts as failed, and says why
            sent = (Contact(),) * part["contacts"]
        pending = dict.fromkeys(part["fields"], _PENDING)
        return [
            EnrichedContact(span.batch_id, position, sent[position - part["first_position"]], pending, span.seq)
            if row is None
            else self._finished_contact(row)
            for position, row in enumerate(found, span.first)
        ]

    def _finished_contact(self, row: Any) -> EnrichedContact:
        return EnrichedContact(
            row["batch_id"],
            row["position"],
            self._contact.decode(row["input"]),
            self._enriched.decode(row["fields"]),
            row["seq"],
        )


def _cut(parts: Sequence[Any], start: Place, contacts_max: int) -> tuple[list[tuple[Any, Span]], bool]:
    """Return the spans that make the page, each with its part, and whether a contact follows them."""
    wanted: list[tuple[Any, Span]] = []
    room = contacts_max
    for part in parts:
        first = start.position + 1 if part["seq"] == start.seq else part["first_position"]
        last = part["first_position"] + part["contacts"] - 1
        if room == 0:
            return wanted, True
        taken = min(room, last - first + 1)
        wanted.append((part, Span(part["seq"], part["batch_id"], first, first + taken - 1)))
        room -= taken
        if first + taken <= last:
            return wanted, True
    return wanted, False


def _enrichment_of(row: Any) -> Enrichment:
    progress = Progress(
        contacts=row["contacts"],
        contacts_done=row["contacts_done"],
        batches=row["batches"],
        batches_done=row["batches_done"],
        fields={state: row[f"fields_{state}"] for state in FINISHED_STATES},
    )
    return Enrichment(
        tenant=row["tenant"],
        erid=row["erid"],
        state=_state_of(row),
        sealed=row["sealed"],
        revision=row["revision"],
        progress=progress,
        fields=row["fields"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        options=in_force(row).options,
        spend=Spend(*[Amount(row[name] or 0, row[f"{name}_money"] or 0) for name in ("reserved", "spent", "saved")]),
        stalls=msgspec.json.decode(row["stalls"], type=list[Stall]) if row.get("stalls") else (),
    )


def _state_of(row: Any) -> EnrichmentState:
    if row["cancelled"]:
        return EnrichmentState.CANCELLED
    if row["completed"]:
        return EnrichmentState.COMPLETED
    if 0 < row["contacts"] == row["contacts_done"]:
        return EnrichmentState.SETTLED
    return EnrichmentState.OPEN


def _completed_event(enrichment: Enrichment) -> Event:
    return enrichment_completed(
        enrichment.tenant, enrichment.erid, enrichment.revision, enrichment.progress, enrichment.fields
    )
