"""Accept: a group of batches becomes rows, or duplicates, or quarantine, in one transaction.

Nearly every group is of new batches: written as such it takes one statement, and fails as a whole where one of them is
no new batch of an open enrichment. Then, and where a batch comes in parts or has options, each is told apart first.
"""

from collections import Counter
from collections.abc import Collection, Container, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from des import failpoints
from des.contact import ContactBatch
from des.failpoints import Failpoint
from des.message import BATCH_TYPE, PROTOBUF
from des.options import UNSAID, OptionsInForce
from des.store import options, quarantine
from des.store.contract import Acceptance, AcceptedBatch, Erid, Refused, partition_of
from des.store.postgres import Connection, Database, mapped_errors
from des.store.statements import statements

_SQL = statements("accept")

_SEALED = ("ENRICHMENT_SEALED", "the enrichment is sealed: use another ERID")
_ENDED = ("ENRICHMENT_SEALED", "the enrichment was cancelled, and ended without this part: use another ERID")
_CONFLICT = ("BATCH_CONFLICT", "this batch_id was accepted with other content, which stands; give this one its own")

BatchId = tuple[str, UUID, UUID]


class _Known(msgspec.Struct):
    """What is there of one batch id: its content, and which of its parts."""

    content_hash: bytes
    parts: int
    present: set[int]


class _Total(msgspec.Struct):
    """What a group adds to an enrichment."""

    contacts: int = 0
    batches: int = 0
    fields: set[str] = set()


class _Sorted(msgspec.Struct):
    """A group told apart."""

    new: list[ContactBatch] = []
    duplicates: int = 0
    refused: list[Refused] = []


class _Locked(msgspec.Struct):
    """Enrichments of a group, held: those that take no new batch, whose end is wanted, and that have ended so.

    `used`: those that have batches already. With the others none can be known.
    """

    standings: dict[Erid, options.Standing] = {}
    sealed: set[Erid] = set()
    cancelled: set[Erid] = set()
    ended: set[Erid] = set()
    used: set[Erid] = set()


class NotAllNew(Exception):
    """One of the group is there already, or its enrichment takes no more: nothing was written."""


def may_be_new(batches: Sequence[ContactBatch]) -> bool:
    """Whether the group can be written as new batches: they are whole, and change no options."""
    return all(batch.parts == 1 and batch.options is None for batch in batches)


async def accept_new(
    database: Database, batches: Sequence[ContactBatch], refused: Sequence[Refused], owned: Container[int]
) -> Acceptance:
    """Write a group that `may_be_new`. Raises NotAllNew, StoreUnavailable, CommitUnknown."""
    others = _others(batches, owned)
    try:
        with mapped_errors():
            if refused or others:
                async with database.transaction() as connection:
                    seqs, said = await _insert_new(connection, batches)
                    await _end(connection, refused, others)
            else:
                failpoints.hit(Failpoint.ACCEPT_BEFORE_COMMIT)  # nothing is written and not committed here
                async with database.statement() as connection:
                    seqs, said = await _insert_new(connection, batches)
    except asyncpg.UniqueViolationError as error:
        raise NotAllNew from error
    except asyncpg.NotNullViolationError as error:
        if error.column_name != "tenant":
            raise
        raise NotAllNew from error
    new = [
        AcceptedBatch(
            batch,
            partition_of(batch.tenant, batch.erid),
            seq,
            options=said.get((batch.tenant, batch.erid), UNSAID),
        )
        for batch, seq in zip(batches, seqs, strict=True)
    ]
    return Acceptance(new, 0, Counter([one.reason for one in refused]))


async def _insert_new(
    connection: Connection, batches: Sequence[ContactBatch]
) -> tuple[list[int], dict[Erid, OptionsInForce]]:
    """Answer the `seq` of each, in order, and the options of the enrichments that have some.

    Raises UniqueViolationError or NotNullViolationError where not all are new.
    """
    if not batches:
        return [], {}
    totals = _totals(batches)
    rows = await connection.fetch(
        _SQL["accept_new"],
        *_rows(batches),
        *_columns([erid for erid, _ in totals]),
        [partition_of(*erid) for erid, _ in totals],
        *_sums(totals),
    )
    objects = rows[len(batches) :]  # behind the batches, having no `seq`
    return (
        [row["seq"] for row in rows[: len(batches)]],
        {(row["tenant"], row["erid"]): options.in_force(row) for row in objects},
    )


async def accept(
    database: Database, batches: Sequence[ContactBatch], refused: Sequence[Refused], owned: Container[int]
) -> Acceptance:
    """Write the group, whatever is there. Raises StoreUnavailable, CommitUnknown: it may simply be written again."""
    with mapped_errors():
        async with database.transaction() as connection:
            sorted_, locked = _Sorted(), _Locked()
            seqs: list[int] = []
            if batches:
                locked = await _lock(connection, batches)
                known = await _known(connection, [one for one in batches if (one.tenant, one.erid) in locked.used])
                sorted_ = _sort_out(batches, locked, known)
                seqs = await _insert(connection, sorted_.new)
                await options.write(connection, locked.standings)
            await _end(connection, [*refused, *sorted_.refused], _others(sorted_.new, owned))
    new = [
        AcceptedBatch(
            batch,
            partition_of(batch.tenant, batch.erid),
            seq,
            options=locked.standings[batch.tenant, batch.erid].in_force,
            cancelled=(batch.tenant, batch.erid) in locked.cancelled,
        )
        for batch, seq in zip(sorted_.new, seqs, strict=True)
    ]
    quarantined = Counter([one.reason for one in (*refused, *sorted_.refused)])
    return Acceptance(new, sorted_.duplicates, quarantined)


async def _end(connection: Connection, refused: Sequence[Refused], others: Collection[int]) -> None:
    """What a group ends with: quarantine, and a word to the owners of partitions that are others'."""
    if refused:
        await quarantine.add(connection, refused)
    await tell_owners(connection, others)
    failpoints.hit(Failpoint.ACCEPT_BEFORE_COMMIT)


def _others(batches: Sequence[ContactBatch], owned: Container[int]) -> set[int]:
    """Partitions of the batches that other workers own."""
    partitions = {partition_of(batch.tenant, batch.erid) for batch in batches}
    return {partition for partition in partitions if partition not in owned}


async def tell_owners(connection: Connection, partitions: Collection[int]) -> None:
    """Wake the workers that hold these partitions; sent with the commit."""
    if partitions:
        await connection.execute(_SQL["tell_owners"], ",".join(map(str, sorted(partitions))))


def _sort_out(batches: Sequence[ContactBatch], locked: _Locked, known: dict[BatchId, _Known]) -> _Sorted:
    """Tell new batches from duplicates, conflicts and those that came after the seal. Extends `known`.

    New batches have their say in the standings; a duplicate changes nothing there either.
    """
    found = _Sorted()
    for batch in batches:
        erid, key = (batch.tenant, batch.erid), (batch.tenant, batch.erid, batch.batch_id)
        there = known.get(key)
        if there is None:
            if erid in locked.sealed:
                found.refused.append(_refuse(batch, *_SEALED))
                continue
            if batch.options is not None and not locked.standings[erid].take(batch.options):
                found.refused.append(_refuse(batch, *options.CONFLICT))
                continue
            known[key] = _Known(batch.content_hash, batch.parts, {batch.part})
            found.new.append(batch)
        elif there.content_hash != batch.content_hash or there.parts != batch.parts:
            found.refused.append(_refuse(batch, *_CONFLICT))
        elif batch.part in there.present:
            found.duplicates += 1
        elif erid in locked.ended:
            found.refused.append(_refuse(batch, *_ENDED))
        else:
            # A further part of a batch that is here already belongs to it, sealed or not.
            there.present.add(batch.part)
            found.new.append(batch)
    return found


def _refuse(batch: ContactBatch, reason: str, message: str) -> Refused:
    return Refused(
        batch.tenant,
        str(batch.erid),
        str(batch.batch_id),
        "accept",
        reason,
        message,
        "[]",
        PROTOBUF,
        BATCH_TYPE,
        batch.payload,
    )


async def _lock(connection: Connection, batches: Sequence[ContactBatch]) -> _Locked:
    """Lock the enrichments of the group, opening those that are new."""
    erids = sorted({(batch.tenant, batch.erid) for batch in batches})
    partitions = [partition_of(tenant, erid) for tenant, erid in erids]
    rows = await connection.fetch(_SQL["lock_enrichments"], *_columns(erids), partitions)
    locked = _Locked()
    for row in rows:
        erid = (row["tenant"], row["erid"])
        locked.standings[erid] = options.standing(row)
        if row["contacts"]:
            locked.used.add(erid)
        if row["sealed"]:
            locked.sealed.add(erid)
        if row["cancelled"]:
            locked.cancelled.add(erid)
            if row["completed"]:
                locked.ended.add(erid)
    return locked


def _columns(erids: Sequence[Erid]) -> tuple[list[str], list[UUID]]:
    return [tenant for tenant, _ in erids], [erid for _, erid in erids]


async def _known(connection: Connection, batches: Sequence[ContactBatch]) -> dict[BatchId, _Known]:
    if not batches:
        return {}
    keys = sorted({(batch.tenant, batch.erid, batch.batch_id) for batch in batches})
    rows = await connection.fetch(
        _SQL["known_batches"], [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
    )
    known: dict[BatchId, _Known] = {}
    for tenant, erid, batch_id, part, parts, content_hash in rows:
        there = known.setdefault((tenant, erid, batch_id), _Known(content_hash, parts, set()))
        there.present.add(part)
    return known


async def _insert(connection: Connection, new: Sequence[ContactBatch]) -> list[int]:
    """Insert batches and add them to their enrichments' totals; answer their `seq`, in order."""
    if not new:
        return []
    totals = _totals(new)
    rows = await connection.fetch(
        _SQL["insert_batches"],
        *_rows(new),
        *_columns([erid for erid, _ in totals]),
        *_sums(totals),
    )
    return [row["seq"] for row in rows]


def _rows(new: Sequence[ContactBatch]) -> tuple[list[Any], ...]:
    """Batches as they are written, by columns."""
    return (
        [batch.tenant for batch in new],
        [batch.erid for batch in new],
        [batch.batch_id for batch in new],
        [batch.part for batch in new],
        [batch.parts for batch in new],
        [batch.first_position for batch in new],
        [partition_of(batch.tenant, batch.erid) for batch in new],
        [batch.content_hash for batch in new],
        [",".join(batch.fields) for batch in new],
        [len(batch.contacts) for batch in new],
        [batch.payload for batch in new],
    )


def _totals(new: Sequence[ContactBatch]) -> list[tuple[Erid, _Total]]:
    """What the batches add to their enrichments, in order of the key."""
    totals: dict[Erid, _Total] = {}
    for batch in new:
        erid = (batch.tenant, batch.erid)
        total = totals.get(erid)
        if total is None:
            total = totals[erid] = _Total()
        total.contacts += len(batch.contacts)
        total.batches += batch.part == 0
        total.fields.update(batch.fields)
    return sorted(totals.items(), key=itemgetter(0))


def _sums(totals: Sequence[tuple[Erid, _Total]]) -> tuple[list[int], list[int], list[str]]:
    """Contacts, batches, and fields joined by commas, of each."""
    return (
        [total.contacts for _, total in totals],
        [total.batches for _, total in totals],
        [",".join(sorted(total.fields)) for _, total in totals],
    )
