"""`kill -9` while budgets of ERIDs are met and raised: none is passed, and what was over it goes on, once."""

import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest

from des.clock import SystemClock
from des.contact import FieldResult, FieldState
from des.failpoints import Failpoint
from tests.faults.money import MoneyTrial, money_trial
from tests.faults.money_books import ALWAYS
from tests.faults.population import EMAIL
from tests.faults.service import KILLED
from tests.faults.trial import Servers

SEED = 20_261_125
FIRST_CAP = 2.0
RAISE = 3.0
ROUNDS = 4
LOOK_S = 0.05
OVER_BUDGET = "select coalesce(sum(fields_over_budget), 0)::int from enrichment where erid = $1"


class Budgets:
    """The budgets of all ERIDs, as their caller keeps them."""

    def __init__(self, life: MoneyTrial) -> None:
        self._life = life
        self.caps: dict[UUID, float | None] = {}

    async def open(self, erids: Sequence[UUID]) -> None:
        for erid in erids:
            await self._send("PUT", erid, FIRST_CAP)

    async def raise_to(self, erid: UUID, cap: float | None) -> None:
        await self._send("PATCH", erid, cap)

    async def _send(self, method: str, erid: UUID, cap: float | None) -> None:
        body = {"options": {"budget": {"credits": cap}}}
        url = f"{self._life.service.http}/v1/enrichments/{erid}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
        self.caps[erid] = cap

    async def met(self, erid: UUID) -> None:
        """Wait until contacts of the ERID have ended over budget."""
        async with self._life.database() as database:
            while not await database.fetchval(OVER_BUDGET, erid):
                await SystemClock().sleep(LOOK_S)


@pytest.mark.parametrize("vendor", ["hunter", "pdl"])
async def test_killed_while_budgets_are_met_and_raised(
    database_url: str, amqp_url: str, tmp_path: Path, vendor: str
) -> None:
    chance = random.Random(SEED)
    async with money_trial(Servers(database_url, amqp_url), tmp_path, SEED, vendor) as life:
        erids, budgets = life.population.erids, Budgets(life)
        assert await life.start()
        await budgets.open(erids)
        await life.load.start()
        for _ in range(ROUNDS):
            for erid in chance.sample(erids, 4):
                await budgets.raise_to(erid, (budgets.caps[erid] or 0.0) + RAISE)
            await life.dies_after(chance.uniform(0.0, 1.0))
            await life.check(ALWAYS)
            assert await life.start()
        for point in (Failpoint.UPDATE_BEFORE_COMMIT, Failpoint.UPDATE_COMMITTED_NOT_ANSWERED):
            await _dies_in_an_update(life, budgets, erids[0], point)
        lifted = erids[: len(erids) // 2]
        for erid in lifted:
            await budgets.raise_to(erid, None)
        await life.load.until_finished(10)
        await life.finish()
        await life.check(ALWAYS)
        counts = await _counted(life)
        for erid in lifted:
            assert counts[erid][FieldState.OVER_BUDGET] == 0
        assert sum(one[FieldState.OVER_BUDGET] for one in counts.values()) > 0
        assert sum(one[FieldState.FOUND] for one in counts.values()) > 0


async def _dies_in_an_update(life: MoneyTrial, budgets: Budgets, erid: UUID, point: Failpoint) -> None:
    """The caller of the update has no answer, and repeats it to the successor."""
    await life.service.kill()
    assert await life.start(point)
    await budgets.met(erid)
    cap = (budgets.caps[erid] or 0.0) + RAISE
    with contextlib.suppress(aiohttp.ClientError):
        await budgets.raise_to(erid, cap)
    assert await life.service.ended() == KILLED, life.service.log_tail()
    await life.check(ALWAYS)
    assert await life.start()
    await budgets.raise_to(erid, cap)


async def _counted(life: MoneyTrial) -> dict[UUID, Counter[FieldState]]:
    """Fields by state as the contacts have them, which is what the objects count."""
    counted: dict[UUID, Counter[FieldState]] = {}
    async with life.database() as database:
        contacts: Sequence[Any] = await database.fetch("select erid, fields, reopened from contact")
        objects: Sequence[Any] = await database.fetch("select * from enrichment")
    for row in contacts:
        assert not row["reopened"]
        states = counted.setdefault(row["erid"], Counter())
        states[msgspec.json.decode(row["fields"], type=dict[str, FieldResult])[EMAIL].state] += 1
    for row in objects:
        states = counted.setdefault(row["erid"], Counter())
        assert row["contacts"] == row["contacts_done"] == states.total()
        assert row["batches"] == row["batches_done"]
        for state in FieldState:
            if state is not FieldState.PENDING:
                assert row[f"fields_{state}"] == states[state], (row["erid"], state)
    return counted
