"""6 commit: takes whatever finished, from all actors, and writes it in one transaction, then takes what came meanwhile.

Load makes the group larger, not the latency. A commit whose reply was lost is tried again as it was, and is a no-op
where it had landed. A unit that Postgres refuses is found by halving the group; its contacts end as failed with the
reason, what could not be stored goes to quarantine, its neighbours commit. Where even that is refused, the row of its
batch or its object is not what it should be: its aggregator fails and is tried ever more rarely, and nobody else.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Sequence

import msgspec

from des.actors.aggregator import Aggregator
from des.clock import Clock
from des.contact import FieldResult, FieldState
from des.errors import CommitUnknown, TransientError, Unstorable
from des.ledger import Settlement, as_unstorable, without_answer, without_lesson
from des.lifecycle import TaskOwner
from des.limits import COMMIT_GROUP_CONTACTS_MAX, STOP_S
from des.message import JSON
from des.store.contract import Commit, CommitUnit, ContactRow, Refused, WorkStore
from des.telemetry import Event, logger

log = logger(__name__)

RETRY_FIRST_S = 0.05
RETRY_MAX_S = 2.0

LINGER_S = 0.02
LINGER_CONTACTS = 512
"""While contacts trickle in from slow providers a commit waits this long for so many: its price is that of its eight
round trips (1 to 2 ms, a quarter of the CPU of `bench http_calls` before), hardly that of its rows."""
JOINED_CONTACTS_MAX = 256
"""Contacts of units that are joined: a poisoned one makes its neighbours in the unit commit one by one."""

Entry = tuple[CommitUnit, Aggregator]


class Committer:
    """Queue of finished units and the task that commits them. A Service: `start`, `stop`."""

    name = "committer"

    def __init__(
        self,
        store: WorkStore,
        clock: Clock,
        on_committed: Callable[[Commit, int], None],
        on_stale: Callable[[Aggregator], None],
        on_refused: Callable[[Aggregator, Exception], None],
        *,
        in_work: Callable[[], int],
    ) -> None:
        """Take the store, and whom to tell of a commit and its contacts, and of an aggregator.

        `on_stale`: one that holds no lease; `on_refused`: one of which nothing can be committed, with the error.
        `in_work` says how many contacts are on their way through the actors, those that wait here included.
        """
        self._store = store
        self._clock = clock
        self._on_committed = on_committed
        self._on_stale = on_stale
        self._on_refused = on_refused
        self._in_work = in_work
        self._waiting: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.landing = asyncio.Event()
        """Cleared while Postgres takes no commit: no call should be paid for whose answer cannot be kept."""
        self.landing.set()
        self._is_urgent = False
        self._tasks = TaskOwner(self.name, vital=True)
        self._taken_at = 0.0
        self._observe: Callable[[float], None] = lambda _: None
        self.contacts_waiting = 0
        self.groups = 0
        self.contacts = 0
        self.fields: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()

    async def start(self) -> None:
        """Start committing."""
        self._tasks.spawn(self._run(), "commit")

    async def stop(self) -> None:
        """Commit what waits, for STOP_S at most, then stop; what is not committed is still open in Postgres.

        It stops last of the engine: what the last calls were answered has been paid for.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._idle.wait()
        await self._tasks.close()
        self._waiting.clear()
        self._idle.set()
        self.contacts_waiting = 0

    def measure(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each group told."""
        self._observe = observe

    def oldest_s(self) -> float:
        """Seconds since the group that is being committed was taken; 0 when there is none."""
        return self._clock.monotonic() - self._taken_at if self._taken_at else 0.0

    def submit(self, unit: CommitUnit, aggregator: Aggregator) -> None:
        """Queue a unit; the aggregator hears `committed`, or its keeper that it is stale."""
        self._waiting.append((unit, aggregator))
        self._idle.clear()
        self.contacts_waiting += len(unit.rows)
        self._is_urgent = self._is_urgent or not unit.rows
        self._wake.set()
        if self._is_enough():
            self._enough.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._gather()
                self._taken_at = self._clock.monotonic()
                await self._commit(self._take())
                self._observe(self._clock.monotonic() - self._taken_at)
                self._taken_at = 0.0
            self._idle.set()

    def _is_enough(self) -> bool:
        """Whether a commit is worth its round trips: a group of some size, or most of what is under way.

        A unit without rows is urgent: the handle of a job, or a reservation that others wait for.
        """
        waiting = self.contacts_waiting
        return self._is_urgent or waiting >= LINGER_CONTACTS or waiting * 2 >= self._in_work()

    async def _gather(self) -> None:
        """Wait a moment for more where much is under way and little of it is here; what is alone is never kept."""
        if self._is_enough():
            return
        self._enough.clear()
        try:
            async with asyncio.timeout(LINGER_S):
                await self._enough.wait()
        except TimeoutError:
            return

    def _take(self) -> list[Entry]:
        """Units that wait, up to the bound of a group, at least one; small ones of an actor are joined to one.

        Providers that are asked one contact a call make units of one contact, and each has its price in the commit.
        """
        group: list[tuple[list[CommitUnit], Aggregator]] = []
        open_: dict[tuple[Aggregator, bool, int], tuple[list[CommitUnit] | None, int]] = {}
        contacts = 0
        self._is_urgent = False
        while self._waiting and (not group or contacts + len(self._waiting[0][0].rows) <= COMMIT_GROUP_CONTACTS_MAX):
            unit, aggregator = self._waiting.popleft()
            contacts += len(unit.rows)
            key = (aggregator, unit.resumed, unit.options_revision)
            units, rows = open_.get(key, (None, 0))
            if units is None or rows + len(unit.rows) > JOINED_CONTACTS_MAX:
                units, rows = [unit], 0
                group.append((units, aggregator))
            else:
                units.append(unit)
                aggregator.units_in_flight -= 1
            open_[key] = (units, rows + len(unit.rows))
        self.contacts_waiting -= contacts
        return [(_joined(units), aggregator) for units, aggregator in group]

    async def _commit(self, group: list[Entry]) -> None:
        """Commit the group, as often as it takes; halve it where a unit is refused."""
        units = [unit for unit, _ in group]
        try:
            commit = await self._write(units)
        except Unstorable as error:
            if len(group) > 1:
                log.warning(Event.COMMIT_ISOLATED, units=len(group), error=str(error))
                await self._commit(group[: len(group) // 2])
                await self._commit(group[len(group) // 2 :])
                return
            try:
                commit = await self._commit_refused(units[0], error)
            except Unstorable as final:
                aggregator = group[0][1]
                aggregator.units_in_flight -= 1
                self._on_refused(aggregator, final)
                return
        self._tell(group, commit)

    async def _write(self, units: Sequence[CommitUnit], refused: Sequence[Refused] = ()) -> Commit:
        """Write until Postgres has answered for good. Raises Unstorable."""
        retried, delay_s = False, RETRY_FIRST_S
        try:
            while True:
                try:
                    return await self._store.commit(units, refused, retried=retried)
                except TransientError as error:
                    self.landing.clear()
                    retried = retried or isinstance(error, CommitUnknown)
                    log.warning(Event.COMMIT_RETRIED, units=len(units), error=str(error), may_have_landed=retried)
                await self._clock.sleep(delay_s)
                delay_s = min(RETRY_MAX_S, delay_s * 2)
        finally:
            self.landing.set()

    async def _commit_refused(self, unit: CommitUnit, error: Unstorable) -> Commit:
        """Commit a unit that Postgres refuses row by row: a refused row ends as failed and its content in quarantine.

        What was paid is settled first and by itself, at worst without keeping the answers.
        """
        if unit.settlements or unit.savings:
            return await self._commit_settlements_first(unit, error)
        if len(unit.rows) > 1:
            commits = [await self._commit_row(msgspec.structs.replace(unit, rows=[row])) for row in unit.rows]
            stale = frozenset((0,)) if any(commit.stale for commit in commits) else frozenset[int]()
            return Commit(stale, sum(commit.events for commit in commits), [(unit.tenant, unit.erid)])
        log.warning(Event.UNIT_QUARANTINED, error=str(error))
        self.quarantined[error.reason] += 1
        row = unit.rows[0]
        return await self._write([msgspec.structs.replace(unit, rows=[_as_failed(row)])], [_refuse(unit, row, error)])

    async def _commit_settlements_first(self, unit: CommitUnit, error: Unstorable) -> Commit:
        money = msgspec.structs.replace(unit, rows=())
        try:
            await self._write([money])
        except Unstorable:
            for one in unit.settlements:
                await self._settle(money, one)
            await self._write([msgspec.structs.replace(money, settlements=())])
        rows = msgspec.structs.replace(unit, settlements=(), savings=())
        try:
            return await self._write([rows])
        except Unstorable:
            return await self._commit_refused(rows, error)

    async def _settle(self, money: CommitUnit, settlement: Settlement) -> None:
        """Settle a call by itself: at worst without its answer, or else as one that is held for a person."""
        for one in (settlement, without_lesson(settlement), without_answer(settlement)):
            try:
                await self._write([msgspec.structs.replace(money, settlements=[one], savings=())])
            except Unstorable as error:
                log.warning(Event.SETTLEMENT_REFUSED, call_id=str(one.call_id), error=str(error))
            else:
                return
        await self._write([msgspec.structs.replace(money, settlements=[as_unstorable(settlement)], savings=())])

    async def _commit_row(self, unit: CommitUnit) -> Commit:
        try:
            return await self._write([unit])
        except Unstorable as error:
            return await self._commit_refused(unit, error)

    def _tell(self, group: list[Entry], commit: Commit) -> None:
        self.groups += 1
        landed = 0
        for index, (unit, aggregator) in enumerate(group):
            if index in commit.stale:
                log.warning(Event.ACTOR_STALE, partition=unit.partition, epoch=unit.epoch)
                aggregator.units_in_flight -= 1
                self._on_stale(aggregator)
            else:
                landed += 0 if unit.resumed else len(unit.rows)  # the backlog knows what was accepted
                aggregator.committed(unit.rows)
        self.contacts += landed
        self.fields.update({state.value: n for state, n in commit.fields.items()})
        self._on_committed(commit, landed)


def _joined(units: Sequence[CommitUnit]) -> CommitUnit:
    """One unit of several that are alike but for what they hold."""
    if len(units) == 1:
        return units[0]
    return msgspec.structs.replace(
        units[0],
        rows=[row for unit in units for row in unit.rows],
        settlements=[settlement for unit in units for settlement in unit.settlements],
        savings=[saving for unit in units for saving in unit.savings],
    )


def _as_failed(row: ContactRow) -> ContactRow:
    """Build the row that stands for one that cannot be stored: every field failed, nothing of its content but costs."""
    results = msgspec.json.decode(row.fields, type=dict[str, FieldResult])
    fields = {name: _as_cost(result) for name, result in results.items()}
    return msgspec.structs.replace(
        row, input="{}", fields=msgspec.json.encode(fields).decode(), states=(FieldState.FAILED,) * len(fields)
    )


def _as_cost(result: FieldResult) -> FieldResult:
    """What is left of a result that cannot be stored: who was paid for it."""
    attempts = tuple([msgspec.structs.replace(attempt, reason="") for attempt in result.attempts if attempt.cost])
    return FieldResult(
        FieldState.FAILED,
        provider=result.provider,
        reason=Unstorable.reason,
        cost=result.cost,
        attempts=attempts,
        call_id=result.call_id,
    )


def _refuse(unit: CommitUnit, row: ContactRow, error: Unstorable) -> Refused:
    payload = f'{{"position":{row.position},"input":{row.input},"fields":{row.fields}}}'
    return Refused(
        unit.tenant,
        str(unit.erid),
        str(row.batch_id),
        "commit",
        error.reason,
        f"Postgres refuses contact {row.position} as it is: {error}",
        "[]",
        JSON,
        "",
        payload.encode(errors="backslashreplace"),
    )
