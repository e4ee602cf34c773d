"""What every provider promises to the engine, as checks to put yours through.

    @pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
    async def test_my_provider_keeps_the_contract(check):
        await check(ProviderCase(make=..., known=[...], unknown=[...], troubles={"server is down": ...}))

A check raises AssertionError, saying which promise was broken, or whatever the provider raised.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Provider, Question

DEADLINE_SLACK_S = 1.0
"""What a call may take beyond the deadline of its traits; the dispatcher cancels then (`dispatcher.OVERDUE_S`)."""

Trouble = Callable[[], AbstractAsyncContextManager[object]]
"""Makes the far end fail for as long as the context lasts."""


@dataclass(frozen=True)
class ProviderCase:
    """A provider under test: how to make one, questions it can answer, and questions about people it cannot know.

    Make it without rates of its own, which would hold the checks back. `known` and `unknown`: two questions or more.
    `troubles` by name: faults of the far end during which a question of `known` must end in none of found, miss and
    invalid_input; a hanging server where there is one.
    """

    make: Callable[[], Provider]
    known: Sequence[Question]
    unknown: Sequence[Question]
    troubles: Mapping[str, Trouble] = field(default_factory=dict)


Check = Callable[[ProviderCase], Awaitable[None]]


async def traits_are_sound(case: ProviderCase) -> None:
    """Every trait is within its range, and none changes with the start."""
    provider = case.make()
    before = provider.traits
    require(bool(before.name), "it has a name")
    require(bool(before.gives), "it gives at least one field")
    require(before.batch_max >= 1 and before.slots >= 1 and before.attempts_max >= 1, "its counts are at least 1")
    require(0 < before.deadline_s < math.inf, "its deadline is finite")
    require(all(count > 0 and per_s > 0 for count, per_s in before.rate_windows), "its rates permit something")
    await provider.start()
    after = provider.traits
    await provider.stop()
    require(after == before, "its traits are the same after the start")


async def it_stops_whenever_asked_to(case: ProviderCase) -> None:
    """Stop is harmless before a start, twice, and before another start; no task is left."""
    tasks = asyncio.all_tasks()
    provider = case.make()
    await provider.stop()
    for _ in range(2):
        await provider.start()
        await _ask(provider, case.known[:1])
        await provider.stop()
        await provider.stop()
    require(asyncio.all_tasks() == tasks, "no task is left after the stop")


async def it_finds_whom_it_knows(case: ProviderCase) -> None:
    """A found outcome carries values of its own fields, sure between 0 and 1."""
    async with _running(case) as provider:
        for question in case.known:
            (outcome,) = await _ask(provider, [question])
            require(outcome.kind is OutcomeKind.FOUND, f"{question.contact} is found, not {outcome}")


async def it_misses_whom_it_does_not_know(case: ProviderCase) -> None:
    """Nobody is invented: a stranger is a miss, or is refused as input."""
    async with _running(case) as provider:
        for question in case.unknown:
            (outcome,) = await _ask(provider, [question])
            nobody = outcome.kind in {OutcomeKind.MISS, OutcomeKind.INVALID_INPUT}
            require(nobody, f"{question.contact} is a miss, not {outcome}")


async def it_keeps_the_order(case: ProviderCase) -> None:
    """One outcome for each question, in their order, whatever stands beside it; the same question twice included."""
    mixed = [question for pair in zip(case.known, case.unknown, strict=False) for question in pair]
    mixed = [*mixed, *reversed(mixed)]
    async with _running(case) as provider:
        alone = [(await _ask(provider, [question]))[0] for question in mixed]
        size = min(provider.traits.batch_max, len(mixed))
        together: list[Outcome] = []
        for at in range(0, len(mixed), size):
            together += await _ask(provider, mixed[at : at + size])
    require(
        [outcome.values for outcome in together] == [outcome.values for outcome in alone],
        "answers stand in the order of the questions",
    )


async def it_fills_a_whole_call(case: ProviderCase) -> None:
    """`batch_max` questions fit one call."""
    async with _running(case) as provider:
        size = provider.traits.batch_max
        questions = [case.known[at % len(case.known)] for at in range(size)]
        outcomes = await _ask(provider, questions)
        require(
            all(outcome.kind is OutcomeKind.FOUND for outcome in outcomes), "every question of a full call is found"
        )


async def it_answers_at_once(case: ProviderCase) -> None:
    """`slots` calls run at the same time, and each gets its own answer."""
    async with _running(case) as provider:
        questions = [case.known[at % len(case.known)] for at in range(provider.traits.slots)]
        outcomes = await asyncio.gather(*(_ask(provider, [question]) for question in questions))
        first = {id(question): outcomes[at][0].values for at, question in enumerate(case.known[: len(questions)])}
        for question, (outcome,) in zip(questions, outcomes, strict=True):
            require(outcome.values == first[id(question)], f"{question.contact} gets their own answer, not {outcome}")


async def it_takes_any_input(case: ProviderCase) -> None:
    """Whatever a contact holds, the outcome is one of the list and nothing is raised."""
    fields = case.known[0].fields
    async with _running(case) as provider:
        for contact in ODD_CONTACTS:
            await _ask(provider, [Question("default", contact, fields)])
        (outcome,) = await _ask(provider, case.known[:1])
        require(outcome.kind is OutcomeKind.FOUND, "it still answers after odd input")


async def it_survives_cancellation(case: ProviderCase) -> None:
    """A call that is given up, at any of its first turns, leaves nothing behind, and the next one is answered."""
    async with _running(case) as provider:
        tasks = asyncio.all_tasks()
        for turns in (0, 1, 2, 3, 5, 10):
            await _given_up(provider, case.known[:1], turns)
        require(asyncio.all_tasks() == tasks, "no task is left by a call that was given up")
        (outcome,) = await _ask(provider, case.known[:1])
        require(outcome.kind is OutcomeKind.FOUND, "it answers after calls that were given up")


async def trouble_is_no_miss(case: ProviderCase) -> None:
    """A failing far end ends in an outcome within the deadline, and never in one that the waterfall moves on from."""
    async with _running(case) as provider:
        for name, trouble in case.troubles.items():
            async with trouble():
                began = asyncio.get_running_loop().time()
                (outcome,) = await _ask(provider, case.known[:1])
                took = asyncio.get_running_loop().time() - began
            moves_on = outcome.kind in {OutcomeKind.FOUND, OutcomeKind.MISS, OutcomeKind.INVALID_INPUT}
            require(not moves_on, f"{name}: an error is not an answer: {outcome}")
            require(took <= provider.traits.deadline_s + DEADLINE_SLACK_S, f"{name}: the deadline holds ({took:.1f} s)")
            (outcome,) = await _ask(provider, case.known[:1])
            require(outcome.kind is OutcomeKind.FOUND, f"{name}: it answers once that is over, not {outcome}")


PROVIDER_CHECKS: tuple[Check, ...] = (
    traits_are_sound,
    it_stops_whenever_asked_to,
    it_finds_whom_it_knows,
    it_misses_whom_it_does_not_know,
    it_keeps_the_order,
    it_fills_a_whole_call,
    it_answers_at_once,
    it_takes_any_input,
    it_survives_cancellation,
    trouble_is_no_miss,
)
"""Every promise of `des.providers.contract`, one check each."""

ODD_CONTACTS = (
    Contact(),
    Contact(first_name=" ", last_name="\t", company_name="\n"),
    Contact(first_name="x" * 1_000, last_name="y" * 1_000, company_name="z" * 1_000),
    Contact(first_name="a\x00b", last_name="c\r\nx-injected: 1", company_domain="d.com\r\n\r\n"),
    Contact(first_name="../..", last_name="%2e%2e%2f", company_name="?a=b&c=d#e"),
    Contact(first_name="{first_name}", last_name="{{", company_name="%s %d {0}"),
    Contact(first_name="'; DROP TABLE contact; --", last_name='"', company_domain="*"),
    Contact(first_name="\u202edlrow", last_name="👩‍👩‍👧‍👦", company_name="\ufeff\uff46\uff55\uff4c\uff4c"),
    Contact(full_name="محمد علي", company_name="株式会社", company_domain="xn--"),
    Contact(full_name="Ł" * 500, linkedin_url="javascript:alert(1)", email="@", phone="+", country="XX"),
    Contact(linkedin_url="https://www.linkedin.com/in/%F0%9F%92%A9/?x=1", company_domain="http://[::1"),
)
"""Contacts that have broken someone's parser."""


class _running:  # noqa: N801 (reads as a verb where it is used)
    """A started provider; stopped at the end, whatever happened."""

    def __init__(self, case: ProviderCase) -> None:
        self._provider = case.make()

    async def __aenter__(self) -> Provider:
        await self._provider.start()
        return self._provider

    async def __aexit__(self, *_: object) -> None:
        await self._provider.stop()


async def _ask(provider: Provider, questions: Sequence[Question]) -> Sequence[Outcome]:
    """Ask, and hold every outcome against what the contract says of its shape."""
    outcomes = await provider.ask(questions)
    require(len(outcomes) == len(questions), f"{len(questions)} questions have as many outcomes, not {len(outcomes)}")
    for outcome in outcomes:
        require_shape(outcome, provider)
    return outcomes


def require_shape(outcome: Outcome, provider: Provider) -> None:
    """Hold one outcome against what the contract says of its shape. Raises AssertionError."""
    found = outcome.kind is OutcomeKind.FOUND
    require(found == bool(outcome.values), f"values come with found and with nothing else: {outcome}")
    require(set(outcome.values) <= provider.traits.gives, f"only fields that it gives: {outcome}")
    for value in outcome.values.values():
        require(value.value == value.value.strip() != "", f"a value is not blank: {value}")
        require(0.0 <= value.confidence <= 1.0, f"confidence is between 0 and 1: {value}")
    pending = outcome.kind is OutcomeKind.PENDING
    require(pending == bool(outcome.handle), f"a handle comes with pending and with nothing else: {outcome}")
    require(outcome.cost >= 0.0, f"a cost is no gain: {outcome}")


async def _given_up(provider: Provider, questions: Sequence[Question], turns: int) -> None:
    """Ask, and cancel after so many turns of the event loop."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None) as patience:
            countdown = _Countdown(turns, lambda: patience.reschedule(loop.time()))
            countdown.next_turn()
            try:
                await provider.ask(questions)
            finally:
                countdown.turns = -1


class _Countdown:
    """Calls something after so many turns of the event loop, unless `turns` has been set below zero by then."""

    def __init__(self, turns: int, then: Callable[[], None]) -> None:
        self.turns = turns
        self._then = then

    def next_turn(self) -> None:
        if self.turns == 0:
            self._then()
        elif self.turns > 0:
            self.turns -= 1
            asyncio.get_running_loop().call_soon(self.next_turn)


def require(holds: bool, promise: str) -> None:
    """Raise AssertionError, saying which promise was broken, where it does not hold."""
    if not holds:
        raise AssertionError(f"a provider promises: {promise}")
