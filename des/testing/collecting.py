"""What a provider promises besides whose answers come later (`des.providers.contract.Collects`), as checks.

    @pytest.mark.parametrize("check", COLLECTING_CHECKS, ids=lambda check: check.__name__)
    async def test_my_provider_answers_later(check):
        await check(CollectingCase(make=..., known=[...], unknown=[...], unready=..., troubles={...}))

Put through a `Settling`, which waits for the answers, it passes those of `des.testing.provider` as well. Let its far
end answer soon, and let it look again soon: the checks wait for both.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from des.providers.contract import Collects, Outcome, OutcomeKind, Provider, Question, Traits
from des.testing.provider import DEADLINE_SLACK_S, Trouble, require, require_shape

SETTLED_WITHIN_S = 10.0
"""An answer that is not there by then fails a check."""
LOOK_AGAIN_MIN_S = 0.01
STRANGE_HANDLES = ("", " ", "no such handle", "1:2:3", "{}", "../..", "a:0 {}", "\x00", "é:1")
"""Texts that no provider gave out."""


class CollectingProvider(Provider, Collects, Protocol):
    """A provider whose answers come later."""


@dataclass(frozen=True)
class CollectingCase:
    """A provider under test, as in `ProviderCase`; while `unready` lasts, nothing that is asked becomes ready."""

    make: Callable[[], CollectingProvider]
    known: Sequence[Question]
    unknown: Sequence[Question]
    unready: Trouble
    troubles: Mapping[str, Trouble] = field(default_factory=dict)


Check = Callable[[CollectingCase], Awaitable[None]]


class Settling:
    """A provider that waits for the answers of another one, and so has none that are pending."""

    def __init__(self, provider: CollectingProvider) -> None:
        """Take the provider whose answers come later."""
        self._provider = provider

    @property
    def traits(self) -> Traits:
        """Those of the provider."""
        return self._provider.traits

    async def start(self) -> None:
        """Start the provider."""
        await self._provider.start()

    async def stop(self) -> None:
        """Stop the provider."""
        await self._provider.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Ask, and collect until every outcome is final. Raises TimeoutError after SETTLED_WITHIN_S."""
        return await settled(self._provider, await self._provider.ask(questions))


async def settled(provider: CollectingProvider, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of which none is pending any more, looked for when each of them says. Raises TimeoutError."""
    final = list(outcomes)
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while waiting := [at for at, outcome in enumerate(final) if outcome.kind is OutcomeKind.PENDING]:
            due = min(final[at].poll_at or 0.0 for at in waiting)
            await asyncio.sleep(max(LOOK_AGAIN_MIN_S, due - time.time()))
            collected = await _collect(provider, [final[at].handle for at in waiting])
            for at, outcome in zip(waiting, collected, strict=True):
                final[at] = outcome
    return final


async def answers_are_pending_first(case: CollectingCase) -> None:
    """What is asked is pending, with a handle and a time to look."""
    async with _running(case) as provider:
        for outcome in await _ask(provider, [*case.known, *case.unknown]):
            require(outcome.kind is OutcomeKind.PENDING, f"the answer comes later: {outcome}")


async def what_is_not_ready_is_pending_again(case: CollectingCase) -> None:
    """A look too early is as if there had been none: the same handle, another time to look."""
    async with _running(case) as provider, case.unready():
        handles = [outcome.handle for outcome in await _ask(provider, case.known)]
        for _ in range(2):
            again = await _collect(provider, handles)
            require([outcome.handle for outcome in again] == handles, f"the handles stay the same: {again}")


async def answers_stand_in_the_order_of_the_handles(case: CollectingCase) -> None:
    """Whichever handles are collected together, in whichever order, twice too: each gets its own answer."""
    async with _running(case) as provider:
        mixed = [question for pair in zip(case.known, case.unknown, strict=False) for question in pair]
        pending = [*await _ask(provider, mixed), *await _ask(provider, mixed[::-1])]
        final = await settled(provider, pending)
        known = [at for at, question in enumerate([*mixed, *mixed[::-1]]) if question in case.known]
        for at, outcome in enumerate(final):
            kind = OutcomeKind.FOUND if at in known else OutcomeKind.MISS
            require(outcome.kind is kind, f"answer {at} is {kind}, not {outcome}")
        handles = [outcome.handle for outcome in pending]
        shuffled = [*range(len(handles))[::-1], 0, 0, len(handles) - 1]
        together = await _collect(provider, [handles[at] for at in shuffled])
        for at, outcome in zip(shuffled, together, strict=True):
            (alone,) = await _collect(provider, [handles[at]])
            require(outcome.values == alone.values == final[at].values, f"handle {at} gets its own answer: {outcome}")


async def an_unknown_handle_ends(case: CollectingCase) -> None:
    """A text that is no handle is `unknown`, no miss, and takes nothing from the handles beside it."""
    async with _running(case) as provider:
        require(await _collect(provider, []) == [], "no handles have no outcomes")
        pending = await _ask(provider, case.known[:1])
        final = await settled(provider, pending)
        collected = await _collect(provider, [*STRANGE_HANDLES, pending[0].handle])
        for handle, outcome in zip(STRANGE_HANDLES, collected, strict=False):
            require(outcome.kind is OutcomeKind.UNKNOWN, f"{handle!r} is no handle: {outcome}")
        require(collected[-1].values == final[0].values, "the handle beside them gets its answer")


async def a_handle_outlives_who_gave_it(case: CollectingCase) -> None:
    """Another process with the same settings collects what this one asked."""
    async with _running(case) as provider:
        pending = await _ask(provider, case.known)
    async with _running(case) as another:
        for outcome in await settled(another, pending):
            require(outcome.kind is OutcomeKind.FOUND, f"a handle is all that is needed: {outcome}")


async def a_failing_look_loses_nothing(case: CollectingCase) -> None:
    """Whatever happens to a look, it ends in time, is no answer, and the next look finds what there is."""
    async with _running(case) as provider:
        for name, trouble in case.troubles.items():
            pending = await _ask(provider, case.known[:1])
            await settled(provider, pending)
            handles = [pending[0].handle]
            async with trouble():
                began = asyncio.get_running_loop().time()
                (outcome,) = await _collect(provider, handles)
                took = asyncio.get_running_loop().time() - began
            require(outcome.kind is OutcomeKind.PENDING, f"{name}: it is looked for again: {outcome}")
            require(outcome.handle == handles[0], f"{name}: the handle stays the same: {outcome}")
            require(took <= provider.traits.deadline_s + DEADLINE_SLACK_S, f"{name}: the deadline holds ({took:.1f} s)")
            (outcome,) = await settled(provider, [outcome])
            require(outcome.kind is OutcomeKind.FOUND, f"{name}: it is there once that is over: {outcome}")


COLLECTING_CHECKS: tuple[Check, ...] = (
    answers_are_pending_first,
    what_is_not_ready_is_pending_again,
    answers_stand_in_the_order_of_the_handles,
    an_unknown_handle_ends,
    a_handle_outlives_who_gave_it,
    a_failing_look_loses_nothing,
)
"""Every promise of `Collects`, one check each."""


@asynccontextmanager
async def _running(case: CollectingCase) -> AsyncIterator[CollectingProvider]:
    """A started provider; stopped at the end, whatever happened."""
    provider = case.make()
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()


async def _ask(provider: CollectingProvider, questions: Sequence[Question]) -> Sequence[Outcome]:
    outcomes = await provider.ask(questions)
    require(len(outcomes) == len(questions), f"{len(questions)} questions have as many outcomes, not {len(outcomes)}")
    for outcome in outcomes:
        require_shape(outcome, provider)
        pending = outcome.kind is OutcomeKind.PENDING
        require(pending == (outcome.poll_at is not None), f"a time to look comes with pending alone: {outcome}")
    return outcomes


async def _collect(provider: CollectingProvider, handles: Sequence[str]) -> Sequence[Outcome]:
    outcomes = await provider.collect(handles)
    require(len(outcomes) == len(handles), f"{len(handles)} handles have as many outcomes, not {len(outcomes)}")
    for outcome in outcomes:
        require_shape(outcome, provider)
    return outcomes
