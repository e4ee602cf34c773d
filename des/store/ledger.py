"""The ledger in Postgres: claims decided in a transaction of their own, settlements within that of a commit."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from des import failpoints
from des.errors import Unstorable
from des.failpoints import Failpoint
from des.ledger import FAILED, NOTHING, Amount, Answer, CallState, Claim, Decision, Saving, Settlement, Verdict
from des.limits import REPLAY_AFTER_S
from des.store import learning
from des.store.postgres import Connection, Database, mapped_errors, mapped_refusals
from des.store.statements import statements
from des.telemetry import Event, logger

log = logger(__name__)

_SQL = statements("ledger")
_NO_RECEIPTS: Mapping[UUID, UUID] = MappingProxyType({})
_HOLD_LEASES = statements("commit")["hold_leases"]

Scope = tuple[str, str, str]
"""Tenant, kind of scope, name: the key of a budget."""


class Cap(msgspec.Struct, frozen=True):
    """The most that may be spent, in millionths; None: no bound."""

    credits: int | None = None
    money: int | None = None


class Caps(msgspec.Struct, frozen=True):
    """Caps as configured: by provider (each tenant's spending there), and by tenant."""

    providers: Mapping[str, Cap] = {}
    tenants: Mapping[str, Cap] = {}

    def of(self, scope: Scope) -> Cap:
        """The configured cap of a scope; an ERID's is its caller's and stands in its row."""
        tenant, kind, name = scope
        if kind == "provider":
            return self.providers.get(name, Cap())
        return self.tenants.get(tenant, Cap()) if kind == "tenant" else Cap()


class PostgresLedger:
    """`des.ledger.Ledger` for one worker, `owner` in table `lease`."""

    def __init__(self, database: Database, owner: UUID, caps: Caps, *, replay_after_s: float = REPLAY_AFTER_S) -> None:
        """Take the pool, the worker's id, the configured caps, and how old a call is that may be sent again."""
        self._database = database
        self._owner = owner
        self._caps = caps
        self._replay_after_s = replay_after_s

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """See Ledger."""
        try:
            return await self._claim(claims)
        except Unstorable as error:
            if len(claims) == 1:
                log.warning(Event.CLAIM_REFUSED, provider=claims[0].key.provider, error=str(error))
                return [Decision(Verdict.UNSTORABLE, claims[0].id)]
            middle = len(claims) // 2
            return [*await self.claim(claims[:middle]), *await self.claim(claims[middle:])]

    async def _claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        with mapped_refusals(), mapped_errors():
            async with self._database.transaction() as connection:
                decisions = await self._decide(connection, claims)
                failpoints.hit(Failpoint.CLAIM_BEFORE_COMMIT)
        failpoints.hit(Failpoint.CLAIM_COMMITTED_NOT_SENT)
        return decisions

    async def _decide(self, connection: Connection, claims: Sequence[Claim]) -> Sequence[Decision]:
        decisions: dict[UUID, Decision] = {}
        ours = claims
        rows = [_claim_row(claim) for claim in claims]
        opened = await self._open(connection, claims, rows)
        if opened is not None:
            ours = [claim for claim in claims if claim.id in opened]
            rows = [_claim_row(claim) for claim in ours]
            decisions |= await self._refused(connection, [claim for claim in claims if claim.id not in opened])
        answered, stale = await _answered(connection, ours, rows)
        decisions |= answered
        open_ = [claim for claim in ours if claim.id not in decisions] if decisions else ours
        decisions |= await self._reserve(connection, open_)
        not_sent = [claim.id for claim in ours if claim.id in decisions] if decisions else ()
        if not_sent:
            await connection.execute(_SQL["withdraw_calls"], not_sent)
        if not decisions and not stale:
            return [Decision(Verdict.CLAIMED, claim.id, payer=claim.erid) for claim in claims]
        return [
            decisions.get(claim.id) or Decision(Verdict.CLAIMED, claim.id, payer=claim.erid, stale=stale.get(claim.id))
            for claim in claims
        ]

    async def _open(self, connection: Connection, claims: Sequence[Claim], rows: Sequence[object]) -> set[UUID] | None:
        """Open a row for each claim; None where all of them stand now, else those that do."""
        partitions = list({claim.partition for claim in claims})
        opened = await connection.fetchrow(_SQL["open_calls"], rows, partitions, self._owner)
        return None if opened is None else set(opened[0] or ())

    async def _refused(self, connection: Connection, claims: Sequence[Claim]) -> dict[UUID, Decision]:
        """Decide on claims that did not come to stand: their partition is not ours any more, or their key is open."""
        held = await connection.fetch(_HOLD_LEASES, sorted({claim.partition for claim in claims}), self._owner)
        epochs = {row["partition"]: row["epoch"] for row in held}
        decisions = {c.id: Decision(Verdict.STALE, c.id) for c in claims if epochs.get(c.partition) != c.epoch}
        current = [claim for claim in claims if claim.id not in decisions]
        return decisions | (await self._twins(connection, current) if current else {})

    async def _twins(self, connection: Connection, claims: Sequence[Claim]) -> dict[UUID, Decision]:
        """Decide on claims whose key is open already; one that may be sent again for nothing is taken over."""
        after_s = [max(self._replay_after_s, claim.replay_after_s) for claim in claims]
        rows = await connection.fetch(_SQL["open_twins"], *_keys(claims), after_s)
        # One that is not there any more was closed this moment: asked again, the claim finds its answer.
        decisions = {claim.id: Decision(Verdict.IN_FLIGHT, claim.id) for claim in claims}
        replays: dict[UUID, Claim] = {}
        given_up: list[UUID] = []
        for row in rows:
            claim = claims[row["ordinal"] - 1]
            decisions[claim.id] = _beside(row, claim)
            # One that this worker has taken over, and asks for still, was not sent: the reply of its claim was lost.
            is_left = claim.retried and row["state"] == CallState.CLAIMED and row["replayed"]
            is_old = row["state"] == CallState.UNKNOWN and row["old"]
            if claim.replay_free and (is_old or (is_left and row["owner"] == self._owner)):
                replays[row["id"]] = claim
            elif claim.pays_again and is_old:
                given_up.append(row["id"])
        if given_up:
            await _give_up(connection, given_up)
        if replays:
            taken = await connection.fetch(
                _SQL["take_over_calls"],
                list(replays),
                [claim.partition for claim in replays.values()],
                [claim.epoch for claim in replays.values()],
                self._owner,
            )
            for row in taken:
                decisions[replays[row["id"]].id] = Decision(Verdict.CLAIMED, row["id"], replay=True, payer=row["erid"])
        return decisions

    async def _reserve(self, connection: Connection, claims: Sequence[Claim]) -> dict[UUID, Decision]:
        """Reserve each claim's price in its three budgets, in order; answer those for which there is no room."""
        if not claims or await self._reserve_all(connection, claims):
            return {}
        scopes = sorted({scope for claim in claims for scope in _scopes(claim)})
        columns = [list(column) for column in zip(*scopes, strict=True)]
        locked = await connection.fetch(_SQL["lock_budgets"], *columns)
        if len(locked) < len(scopes):
            await connection.execute(_SQL["open_budgets"], *columns)
            locked = await connection.fetch(_SQL["lock_budgets"], *columns)
        budgets = {(row["tenant"], row["scope"], row["name"]): row for row in locked}
        left = {
            scope: self._left(row, row["reserved"] + row["spent"], row["reserved_money"] + row["spent_money"])
            for scope, row in budgets.items()
        }
        refused: list[Claim] = []
        reserved = Changes()
        for claim in claims:
            mine = _scopes(claim)
            if not all(_fits(left[scope], claim.price) for scope in mine):
                refused.append(claim)
                continue
            for scope in mine:
                _take(left[scope], claim.price)
            reserved.reserve(mine, claim.price)
        await reserved.write(connection)
        return await self._without_room(connection, refused, budgets) if refused else {}

    async def _without_room(
        self, connection: Connection, claims: Sequence[Claim], budgets: Mapping[Scope, Mapping[str, Any]]
    ) -> dict[UUID, Decision]:
        """Tell claims that are over budget for good from those that calls under way may still leave room for."""
        held: defaultdict[Scope, list[int]] = defaultdict(lambda: [0, 0])
        for row in await connection.fetch(_SQL["held_reservations"], sorted({claim.key.tenant for claim in claims})):
            for scope in scopes_of(row["tenant"], row["provider"], row["erid"]):
                held[scope][0] += row["credits"]
                held[scope][1] += row["money"]
        decisions: dict[UUID, Decision] = {}
        for claim in claims:
            decisions[claim.id] = Decision(Verdict.NO_ROOM_YET, claim.id)
            for scope in _scopes(claim):
                row = budgets[scope]
                at_best = self._left(row, held[scope][0] + row["spent"], held[scope][1] + row["spent_money"])
                if not _fits(at_best, claim.price):
                    decisions[claim.id] = Decision(Verdict.OVER_BUDGET, claim.id, scope=scope[1])
                    break
        return decisions

    async def _reserve_all(self, connection: Connection, claims: Sequence[Claim]) -> bool:
        """Reserve for all of them in one statement; False, and nothing reserved, where that takes a closer look."""
        prices: defaultdict[tuple[str, str, UUID], list[int]] = defaultdict(lambda: [0, 0])
        for claim in claims:
            price = prices[claim.key.tenant, claim.key.provider, claim.erid]
            price[0] += claim.price.credits
            price[1] += claim.price.money
        wanted: defaultdict[Scope, list[int]] = defaultdict(lambda: [0, 0])
        for whose, price in prices.items():
            for scope in scopes_of(*whose):
                wanted[scope][0] += price[0]
                wanted[scope][1] += price[1]
        scopes = sorted(wanted)
        caps = [self._caps.of(scope) for scope in scopes]
        reserved = await connection.fetch(
            _SQL["reserve_budgets"],
            *[list(column) for column in zip(*scopes, strict=True)],
            [wanted[scope][0] for scope in scopes],
            [wanted[scope][1] for scope in scopes],
            [cap.credits for cap in caps],
            [cap.money for cap in caps],
        )
        return bool(reserved)

    def _left(self, row: Mapping[str, Any], used: int, used_money: int) -> list[int | None]:
        """Credits and money that a budget has room for beside what is used; None without a cap."""
        cap = Cap(row["cap"], row["cap_money"])
        if row["scope"] != "erid":
            cap = self._caps.of((row["tenant"], row["scope"], row["name"]))
        return [
            None if cap.credits is None else cap.credits - used,
            None if cap.money is None else cap.money - used_money,
        ]


class Changes:
    """Changes of budgets, summed, written in order of their key."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sums: defaultdict[Scope, list[int]] = defaultdict(lambda: [0] * 6)

    def reserve(self, scopes: Iterable[Scope], amount: Amount) -> None:
        """Set an amount aside."""
        for scope in scopes:
            self._sums[scope][0] += amount.credits
            self._sums[scope][1] += amount.money

    def settle(self, scopes: Iterable[Scope], reserved: Amount, charged: Amount) -> None:
        """Give back what was set aside, spend what was charged."""
        for scope in scopes:
            sums = self._sums[scope]
            sums[0] -= reserved.credits
            sums[1] -= reserved.money
            sums[2] += charged.credits
            sums[3] += charged.money

    def save(self, scopes: Iterable[Scope], amount: Amount) -> None:
        """Note what was not spent."""
        for scope in scopes:
            self._sums[scope][4] += amount.credits
            self._sums[scope][5] += amount.money

    async def write(self, connection: Connection) -> None:
        """Write all of it in one statement; a budget that is not there yet is opened without a cap."""
        changes = {scope: sums for scope, sums in self._sums.items() if any(sums)}
        changed = await self._change(connection, changes)
        missing = {scope: sums for scope, sums in changes.items() if scope not in changed}
        if missing:
            await connection.execute(_SQL["open_budgets"], *[list(column) for column in zip(*missing, strict=True)])
            await self._change(connection, missing)

    @staticmethod
    async def _change(connection: Connection, changes: Mapping[Scope, Sequence[int]]) -> set[Scope]:
        """Change budgets; answer those that are there."""
        if not changes:
            return set()
        rows = await connection.fetch(
            _SQL["change_budgets"],
            *[list(column) for column in zip(*changes, strict=True)],
            *[list(column) for column in zip(*changes.values(), strict=True)],
        )
        return {(row["tenant"], row["scope"], row["name"]) for row in rows}


def scopes_of(tenant: str, provider: str, erid: UUID) -> tuple[Scope, Scope, Scope]:
    """The budgets that a call counts against."""
    return (tenant, "erid", str(erid)), (tenant, "provider", provider), (tenant, "tenant", "")


async def orphan(database: Database, owner: UUID, partition: int, epoch: int) -> int:
    """Mark what an earlier epoch left claimed as unknown; answer how many. Raises StoreUnavailable."""
    async with database.connection() as connection:
        return len(await connection.fetch(_SQL["orphan_calls"], partition, owner, epoch))


async def settle(
    connection: Connection,
    owner: UUID,
    settlements: Sequence[Settlement],
    receipts: Mapping[UUID, UUID] = _NO_RECEIPTS,
) -> tuple[Changes, Collection[UUID]]:
    """End calls within the caller's transaction, as the worker `owner`; what was settled before counts once.

    `receipts`: calls whose charge a row of this transaction surely shows, with the ERID of that row. Answers what
    budgets change by, and those of the `receipts` that stand.
    """
    changes = Changes()
    if not settlements:
        return changes, ()
    ends, standing = _end_rows(settlements, receipts)
    rows = await connection.fetch(_SQL["settle_calls"], ends, owner)
    for row in rows:
        changes.settle(
            scopes_of(row["tenant"], row["provider"], row["erid"]),
            Amount(row["reserved"], row["reserved_money"]),
            Amount(row["charged"], row["charged_money"]),
        )
        standing.difference_update(row["refused"] or ())
    ended = settlements
    if not rows or rows[0]["landed"] is not None:
        landed = {call_id for row in rows for call_id in row["landed"]}
        standing &= landed
        ended = [one for one in settlements if one.call_id in landed]
    await learning.count(connection, ended)
    return changes, standing


def save(changes: Changes, savings: Sequence[Saving]) -> None:
    """Add to what budgets change by what was not paid again."""
    for saving in savings:
        changes.save([(saving.tenant, "erid", str(saving.erid)), (saving.tenant, "tenant", "")], saving.amount)


def _beside(row: Mapping[str, Any], claim: Claim) -> Decision:
    """Decide on a claim whose key is open in this row."""
    match CallState(row["state"]):
        case CallState.PENDING:
            return Decision(Verdict.PENDING, row["id"], handle=row["handle"], replay=row["replayed"], payer=row["erid"])
        case CallState.CLAIMED if row["id"] == claim.id:
            # An earlier try had landed, its reply was lost, and nothing was sent on it.
            return Decision(Verdict.CLAIMED, row["id"], payer=row["erid"])
        case CallState.UNKNOWN if not (claim.replay_free or claim.pays_again):
            return Decision(Verdict.HELD, row["id"])
        case _:
            return Decision(Verdict.IN_FLIGHT, row["id"])


async def _give_up(connection: Connection, calls: Sequence[UUID]) -> None:
    """Count calls that nobody will hear of again as charged in full: a cap holds though they may be paid once more."""
    changes = Changes()
    for row in await connection.fetch(_SQL["give_up_calls"], calls):
        price = Amount(row["reserved"], row["reserved_money"])
        changes.settle(scopes_of(row["tenant"], row["provider"], row["erid"]), price, price)
    await changes.write(connection)


def _end_rows(settlements: Sequence[Settlement], receipts: Mapping[UUID, UUID]) -> tuple[Sequence[object], set[UUID]]:
    """Rows of `call_end`, in order of the calls; and those of the `receipts` that they are to put there."""
    # A statement writes a row once: of several ends of a call, and of several answers for a key, the last counts. A
    # call has two where Postgres was away between a job's handle and its answer.
    ends = {one.call_id: one for one in settlements}.values()
    last = {one.key: one for one in ends if one.answer is not None}
    receipted: set[UUID] = set()
    rows: list[object] = []
    for one in sorted(ends, key=lambda settlement: settlement.call_id.int):
        answer = one.answer
        receipt = receipts.get(one.call_id)
        if receipt is not None:
            receipted.add(one.call_id)
        rows.append(
            (
                one.call_id,
                one.state.value,
                one.outcome,
                one.reason,
                answer.reference if answer else "",
                one.charged.credits,
                one.charged.money,
                one.handle,
                one.poll_at,
                answer.values if answer and last[one.key] is one else "",
                one.keep_s,
                one.epoch,
                receipt,
            )
        )
    return rows, receipted


def _claim_row(claim: Claim) -> object:
    """A row of `call_claim`."""
    key, price = claim.key, claim.price
    return (
        claim.id,
        key.tenant,
        key.provider,
        key.operation,
        key.person,
        claim.erid,
        claim.partition,
        claim.epoch,
        price.credits,
        price.money,
        ",".join(claim.fields),
        claim.max_age_s,
        claim.stale_s,
    )


async def _answered(
    connection: Connection, claims: Sequence[Claim], rows: Sequence[object]
) -> tuple[dict[UUID, Decision], dict[UUID, Answer]]:
    """Decide on claims whose key was answered, or failed at a moment ago; and what is there for those that fail now.

    Looked at after the claim, so that a twin's answer shows.
    """
    decisions: dict[UUID, Decision] = {}
    stale: dict[UUID, Answer] = {}
    if not claims:
        return decisions, stale
    for row in await connection.fetch(_SQL["fresh_answers"], rows):
        claim = claims[row["ordinal"] - 1]
        cost = Amount(row["cost"], row["cost_money"])
        answer = Answer(row["outcome"], row["fields"], row["reference"], cost, age_s=row["age_s"])
        if row["young"] and row["fresh"]:
            decisions[claim.id] = Decision(Verdict.ANSWERED, row["call_id"], answer, payer=row["payer"])
            continue
        if row["young"] and row["stale"]:
            stale[claim.id] = answer
        if row["failing"]:
            failure = Answer(FAILED, "{}", "", NOTHING, row["failure"])
            decisions[claim.id] = Decision(Verdict.ANSWERED, row["call_id"], failure, stale=stale.get(claim.id))
    return decisions, stale


def _keys(claims: Sequence[Claim]) -> tuple[list[str], list[str], list[str], list[str]]:
    return (
        [claim.key.tenant for claim in claims],
        [claim.key.provider for claim in claims],
        [claim.key.operation for claim in claims],
        [claim.key.person for claim in claims],
    )


def _scopes(claim: Claim) -> tuple[Scope, Scope, Scope]:
    return scopes_of(claim.key.tenant, claim.key.provider, claim.erid)


def _fits(left: Sequence[int | None], price: Amount) -> bool:
    return (left[0] is None or price.credits <= left[0]) and (left[1] is None or price.money <= left[1])


def _take(left: list[int | None], price: Amount) -> None:
    if left[0] is not None:
        left[0] -= price.credits
    if left[1] is not None:
        left[1] -= price.money
