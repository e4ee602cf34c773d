"""Several questions in one call, and what becomes of them when the vendor refuses the call as a whole.

    questions ─▶ those that can be asked ─▶ by what one call can ask for ─▶ call ─▶ an outcome each, in their order

A call that is refused as a whole because of one bad item is asked again in halves until that item stands alone: a
refusal costs nothing, and its neighbours are not refused with it. All calls for one list share one deadline, so that
an answer which was paid for is not lost to the slowness of a later call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from des.providers.contract import Outcome, OutcomeKind, Question
from des.providers.fault import Fault

Query = TypeVar("Query")
"""What a vendor is told about one person."""

Asked = tuple[Question, Query]
"""A question, and how it is put to the vendor."""

Call = Callable[[Sequence[Asked[Query]]], Awaitable[Outcome | list[Outcome]]]
"""One call: an outcome for each question, in their order, or one for the call as a whole."""

LATE = Outcome(OutcomeKind.TRANSIENT, reason="NOT_SENT_IN_TIME")
CUT_SHORT = Outcome(OutcomeKind.UNKNOWN, reason=Fault.TIMEOUT.value)


class Packing(Generic[Query]):
    """Puts questions to a vendor, one or many in a call.

    `query`: how a question is put, or None where the vendor could not tell whom we mean, which ends in `unaskable`.
    `kin`: questions with the same one may ride in one call.
    """

    def __init__(
        self,
        query: Callable[[Question], Query | None],
        call: Call[Query],
        *,
        kin: Callable[[Question], Hashable] = lambda _: None,
        unaskable: Outcome,
        deadline_s: float,
    ) -> None:
        """Take how to ask, and the seconds for one list of questions."""
        self._query = query
        self._call = call
        self._kin = kin
        self._unaskable = unaskable
        self._deadline_s = deadline_s

    async def ask(self, questions: Sequence[Question]) -> list[Outcome]:
        """One outcome for each question, in their order."""
        outcomes = [self._unaskable] * len(questions)
        calls: dict[Hashable, list[tuple[int, Asked[Query]]]] = {}
        for at, question in enumerate(questions):
            query = self._query(question)
            if query is not None:
                calls.setdefault(self._kin(question), []).append((at, (question, query)))
        ends = asyncio.get_running_loop().time() + self._deadline_s
        for placed in calls.values():
            answered = await self._until(ends, [asked for _, asked in placed])
            for (at, _), outcome in zip(placed, answered, strict=True):
                outcomes[at] = outcome
        return outcomes

    async def _until(self, ends: float, asked: Sequence[Asked[Query]]) -> list[Outcome]:
        if asyncio.get_running_loop().time() >= ends:
            return [LATE] * len(asked)
        try:
            async with asyncio.timeout_at(ends):
                said = await self._call(asked)
        except TimeoutError:
            said = CUT_SHORT
        if isinstance(said, list):
            return said
        if said.kind is OutcomeKind.INVALID_INPUT and len(asked) > 1:
            half = len(asked) // 2
            return [*await self._until(ends, asked[:half]), *await self._until(ends, asked[half:])]
        return [said] * len(asked)


def shared_out(total: float, weights: Sequence[float]) -> list[float]:
    """Credits of one call, by question: in proportion to what each should cost; evenly where none should."""
    expected = sum(weights)
    if expected > 0:
        return [total * weight / expected for weight in weights]
    return [total / len(weights)] * len(weights) if weights else []
