"""Outcomes on their way to their askers, told together: what is answered at one time is committed at one time."""

import asyncio

from des.ledger import Saving, Settlement
from des.providers.ask import Ask, Asker
from des.providers.contract import Outcome
from des.providers.waterfall import Step

GATHER_S = 0.005
"""Outcomes wait this long for others while calls are under way: a small part of what any call takes."""
GATHERED_MAX = 256


class Hearing:
    """Outcomes by asker and step. Told after GATHER_S, at GATHERED_MAX of them, or when `tell` is called."""

    def __init__(self) -> None:
        """Begin without any."""
        self._told: dict[tuple[int, Step], _Gathered] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    def __len__(self) -> int:
        """Outcomes not told yet."""
        return self._count

    def add(
        self, ask: Ask, index: int, outcome: Outcome, settlement: Settlement | None = None, saving: Saving | None = None
    ) -> None:
        """Take the outcome of a question of this ask, with what it cost or spared."""
        key = id(ask.asker), ask.step
        gathered = self._told.get(key)
        if gathered is None:
            gathered = self._told[key] = _Gathered(ask.asker, ask.step)
        gathered.items.append(ask.items[index])
        gathered.outcomes.append(outcome)
        if settlement is not None:
            gathered.settlements.append(settlement)
        if saving is not None:
            gathered.savings.append(saving)
        self._count += 1
        if self._count >= GATHERED_MAX:
            self.tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.tell)

    def tell(self) -> None:
        """Tell all of them now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        told, self._told = self._told, {}
        self._count = 0
        for one in told.values():
            one.asker.answered(one.step, one.items, one.outcomes, one.settlements, one.savings)


class _Gathered:
    __slots__ = ("asker", "items", "outcomes", "savings", "settlements", "step")

    def __init__(self, asker: Asker, step: Step) -> None:
        self.asker = asker
        self.step = step
        self.items: list[object] = []
        self.outcomes: list[Outcome] = []
        self.settlements: list[Settlement] = []
        self.savings: list[Saving] = []
