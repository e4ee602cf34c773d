"""Commit: whatever finished, from all actors, becomes rows, progress and events in one transaction."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from uuid import UUID

import asyncpg

from des import failpoints
from des.contact import FieldState
from des.events import (
    BATCH_FINISHED,
    FINISHED_STATES,
    Event,
    Progress,
    batch_finished,
    enrichment_completed,
    enrichment_settled,
)
from des.failpoints import Failpoint
from des.store import late, ledger, quarantine, receipts, resumption
from des.store.contract import Commit, CommitUnit, Erid, Refused
from des.store.postgres import Connection, Database, mapped_errors, mapped_refusals
from des.store.statements import statements

_SQL = statements("commit")

COPY_ROWS_MIN = 64
"""Fewer rows go in one INSERT: COPY costs two round trips more (bench/results, commit)."""

_CONTACT_COLUMNS = ("tenant", "erid", "batch_id", "position", "input", "fields")

BatchPart = tuple[str, UUID, UUID, int]


class _Landing:
    """Rows that are new in this transaction, counted by batch and by enrichment."""

    def __init__(self) -> None:
        self.by_batch: Counter[BatchPart] = Counter()
        self.contacts: Counter[Erid] = Counter()
        self.states: dict[Erid, Counter[FieldState]] = {}

    def add(self, unit: CommitUnit, new: set[tuple[str, UUID, UUID, int]] | None) -> None:
        """Count the unit's rows, only those in `new` where it is given."""
        tenant, erid = unit.tenant, unit.erid
        rows = unit.rows
        if new is not None:
            rows = [row for row in rows if (tenant, erid, row.batch_id, row.position) in new]
        if not rows:
            return
        for (batch_id, part), n in Counter([(row.batch_id, row.part) for row in rows]).items():
            self.by_batch[tenant, erid, batch_id, part] += n
        self.contacts[tenant, erid] += len(rows)
        states = self.states.setdefault((tenant, erid), Counter())
        for combination, n in Counter([row.states for row in rows]).items():
            for state in combination:
                states[state] += n

    @property
    def is_over_budget(self) -> bool:
        """Whether a cap has ended any of them."""
        return any(FieldState.OVER_BUDGET in states for states in self.states.values())


async def commit(
    database: Database, owner: UUID, units: Sequence[CommitUnit], refused: Sequence[Refused], *, retried: bool
) -> Commit:
    """Write the group. Raises StoreUnavailable, CommitUnknown, Unstorable; units of a stale epoch are left out."""
    try:
        with mapped_refusals(), mapped_errors():
            async with database.transaction() as connection:
                result = await _write(connection, owner, units, refused, retried=retried)
                failpoints.hit(Failpoint.COMMIT_BEFORE)
    except asyncpg.UniqueViolationError:
        if retried:
            raise
        # A row is there already: an earlier try had landed after all. Once more, looking at each row.
        return await commit(database, owner, units, refused, retried=True)
    failpoints.hit(Failpoint.COMMIT_AFTER)
    return result


async def _write(
    connection: Connection, owner: UUID, units: Sequence[CommitUnit], refused: Sequence[Refused], *, retried: bool
) -> Commit:
    stale = await _stale(connection, owner, units)
    current = [unit for index, unit in enumerate(units) if index not in stale] if stale else units
    # Calls before rows: whose charge stands where is decided when the call is known to be charged.
    carried = receipts.carried(current)
    settlements = [settlement for unit in units for settlement in unit.settlements]
    # What is copied is new, or the transaction fails: its charges need not be looked at row by row.
    copied = not retried and sum(len(unit.rows) for unit in current if not unit.resumed) >= COPY_ROWS_MIN
    changes, standing = await ledger.settle(connection, owner, settlements, receipts.of_new(carried) if copied else {})
    current = await receipts.charge(connection, current, carried, standing)
    await late.expect(connection, current)
    landing = _Landing()
    again = [unit for unit in current if unit.resumed]
    first = [unit for unit in current if not unit.resumed] if again else current
    new = await _write_contacts(connection, first, copied=copied)
    for unit in first:
        landing.add(unit, new)
    if again or landing.is_over_budget:
        await _hold_parts(connection, current)
    rewritten = await resumption.rewrite(connection, again)
    for unit in again:
        landing.add(unit, rewritten)
    events: list[Event] = []
    if landing.contacts:
        events += await _count_off(connection, landing)
    if landing.is_over_budget:
        events = _without_reopened(events, await resumption.resume_late(connection, current))
    for unit in current:
        if unit.savings and _is_first(unit, rewritten if unit.resumed else new, retried=retried):
            ledger.save(changes, unit.savings)
    await changes.write(connection)
    if refused:
        await quarantine.add(connection, refused)
    if events:
        await _write_events(connection, events)
    fields = sum(landing.states.values(), Counter())
    return Commit(frozenset(stale), len(events), list(landing.contacts), fields)


def _without_reopened(events: list[Event], reopened: Mapping[Erid, Collection[UUID]]) -> list[Event]:
    """Leave out what is not so any more when the transaction ends."""
    not_so = {batch_finished(*erid, batch_id, 0).id for erid, batches in reopened.items() for batch_id in batches}
    return [
        event
        for event in events
        if event.id not in not_so and (event.type == BATCH_FINISHED or (event.tenant, event.erid) not in reopened)
    ]


def _is_first(unit: CommitUnit, new: set[tuple[str, UUID, UUID, int]] | None, *, retried: bool) -> bool:
    """Whether the unit surely had not landed before: what was saved is counted with it, once at most."""
    if not retried:
        return True
    if new is None:
        return bool(unit.rows)
    return any((unit.tenant, unit.erid, row.batch_id, row.position) in new for row in unit.rows)


async def _stale(connection: Connection, owner: UUID, units: Sequence[CommitUnit]) -> set[int]:
    """Indexes of units whose partition this worker does not hold at their epoch."""
    partitions = sorted({unit.partition for unit in units})
    rows = await connection.fetch(_SQL["hold_leases"], partitions, owner)
    held = {row["partition"]: row["epoch"] for row in rows}
    return {index for index, unit in enumerate(units) if held.get(unit.partition) != unit.epoch}


async def _write_contacts(
    connection: Connection, units: Sequence[CommitUnit], *, copied: bool
) -> set[tuple[str, UUID, UUID, int]] | None:
    """Write the rows, by COPY where they are to be `copied`; answer the keys of those that were new, None for all."""
    count = sum(len(unit.rows) for unit in units)
    if not count:
        return None
    rows = chain.from_iterable(
        [(unit.tenant, unit.erid, row.batch_id, row.position, row.input, row.fields) for row in unit.rows]
        for unit in units
    )
    if copied:
        await connection.copy_records_to_table("contact", records=rows, columns=_CONTACT_COLUMNS)
        return None
    columns = list(zip(*rows, strict=True))
    landed = await connection.fetch(_SQL["insert_contacts"], *columns)
    return None if len(landed) == count else {tuple(row) for row in landed}


async def _hold_parts(connection: Connection, units: Sequence[CommitUnit]) -> None:
    """Hold the parts of everything in the units, in the order of their key, before any of them is touched."""
    batches = {(unit.tenant, unit.erid, row.batch_id) for unit in units for row in unit.rows}
    if batches:
        await connection.execute(_SQL["hold_parts"], *map(list, zip(*sorted(batches), strict=True)))


async def _count_off(connection: Connection, landing: _Landing) -> list[Event]:
    """Count rows off their batches and objects; answer an event for each that is finished with that."""
    parts = sorted(landing.by_batch.items())
    erids = sorted(landing.contacts)
    rows = await connection.fetch(
        _SQL["count_off"],
        [tenant for tenant, _ in erids],
        [erid for _, erid in erids],
        [landing.contacts[erid] for erid in erids],
        *[[landing.states[erid][state] for erid in erids] for state in FINISHED_STATES],
        [key[0] for key, _ in parts],
        [key[1] for key, _ in parts],
        [key[2] for key, _ in parts],
        [key[3] for key, _ in parts],
        [n for _, n in parts],
    )
    in_parts = sorted({(r["tenant"], r["erid"], batch_id) for r in rows for batch_id in r["in_parts"] or ()})
    whole: Sequence[asyncpg.Record] = []
    if in_parts:
        whole = await connection.fetch(_SQL["count_batches_in_parts"], *map(list, zip(*in_parts, strict=True)))
    events = [
        batch_finished(row["tenant"], row["erid"], batch_id, int(contacts))
        for row in (*rows, *whole)
        for batch_id, contacts in zip(row["finished"] or (), row["finished_contacts"] or (), strict=True)
    ]
    batches_done = {(row["tenant"], row["erid"]): row["batches_done"] for row in (*rows, *whole)}
    for row in rows:
        if row["contacts_done"] == row["contacts"]:
            events += _settled(row, batches_done[row["tenant"], row["erid"]])
    return events


def _settled(row: asyncpg.Record, batches_done: int) -> list[Event]:
    """Make the events of an object of which nothing is outstanding."""
    counts = {state.value: row[f"fields_{state.value}"] for state in FINISHED_STATES}
    progress = Progress(row["contacts"], row["contacts_done"], row["batches"], batches_done, counts)
    said = (row["tenant"], row["erid"], row["revision"], progress, row["fields"])
    settled = enrichment_settled(*said)
    return [settled, enrichment_completed(*said)] if row["completed"] else [settled]


async def _write_events(connection: Connection, events: Sequence[Event]) -> None:
    await connection.execute(
        _SQL["insert_events"],
        [event.id for event in events],
        [event.type for event in events],
        [event.tenant for event in events],
        [event.erid for event in events],
        [event.payload.decode() for event in events],
    )
