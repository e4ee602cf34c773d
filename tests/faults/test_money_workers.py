"""Two workers, four doors, a dozen ERIDs: the same question is one call, whoever asks it, and where it is asked."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from des.contact import FieldResult, FieldState
from des.ledger import MILLION
from des.limits import PARTITIONS
from des.sandbox.faults import FaultPlan, Latency
from tests.faults.money import MoneyTrial, money_trial
from tests.faults.population import EMAIL
from tests.faults.trial import Servers
from tests.faults.workers import partitions_held

SEED = 7
CONTACTS = 300
SLOW = FaultPlan(latency=Latency(mean_s=0.15))
"""Long enough for others to ask the same meanwhile."""

_RECEIPTS = "select input, fields from contact"
_OWNERS = "select count(distinct owner) from call"
_SAVED = "select sum(saved) from budget where scope = $1"


async def test_nobody_is_asked_about_twice_by_two_workers(database_url: str, amqp_url: str, tmp_path: Path) -> None:
    async with money_trial(Servers(database_url, amqp_url), tmp_path, SEED, "pdl") as life:
        second = life.service.twin("second")
        await life.vendor.fail(SLOW)
        try:
            assert await life.service.start()
            assert await second.start()
            await partitions_held(life, [PARTITIONS // 2] * 2)
            await life.load.start()
            await life.load.until_finished(CONTACTS)
            await life.finish()
        finally:
            await second.kill()
        books = await life.books()
        assert {bill.calls for bill in books.bills.values()} == {1}
        assert len(books.calls) == len(books.bills), "nothing was claimed that was not asked"
        await check_receipts(life)


async def check_receipts(life: MoneyTrial) -> None:
    """Of each found person's receipts one has paid; the others say where the value is from, and what that saved."""
    async with life.database() as database:
        receipts = receipts_by_person([dict(row) for row in await database.fetch(_RECEIPTS)])
        owners = await database.fetchval(_OWNERS)
        saved = {scope: await database.fetchval(_SAVED, scope) for scope in ("erid", "tenant")}
    assert owners == 2, "both workers have asked"
    sources: Counter[str] = Counter()
    for person, results in receipts.items():
        assert len({result.value for result in results}) == 1, person
        assert max((result.cost, result.saved) for result in results) == (1.0, 0.0), person
        spared = [result for result in results if not result.cost]
        assert len(spared) == len(results) - 1
        assert {result.saved for result in spared} <= {1.0}
        sources.update(result.source for result in spared)
    assert sources.keys() == {"coalesced", "answer_store"}
    assert saved == dict.fromkeys(("erid", "tenant"), sources.total() * MILLION)


def receipts_by_person(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[FieldResult]]:
    """Found results by the person's name and company, however they were written."""
    receipts: defaultdict[str, list[FieldResult]] = defaultdict(list)
    for row in rows:
        asked = msgspec.json.decode(row["input"], type=dict[str, str])
        result = msgspec.json.decode(row["fields"], type=dict[str, FieldResult])[EMAIL]
        if result.state is FieldState.FOUND:
            receipts[f"{asked['first_name']} {asked['last_name']} {asked['company_domain']}".lower()].append(result)
    return receipts
