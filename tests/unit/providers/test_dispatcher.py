"""The dispatcher: slots, packing, retry, pauses, withdrawal; on the real event loop with a clock that does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import pytest

from des.clock import SystemClock
from des.contact import Contact
from des.errors import StoreUnavailable
from des.ledger import Saving, Settlement
from des.options import NO_OPTIONS
from des.providers.ask import Ask
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Traits, Value
from des.providers.dispatcher import Dispatcher
from des.providers.waterfall import Step, Waterfall

GIVES = frozenset({"email"})
STEP = Waterfall({"email": ("p",)}, {"p": GIVES}).start(("email",))[0]
FOUND = Outcome(OutcomeKind.FOUND, {"email": Value("x@y.z")})


async def one_turn_of_the_loop() -> None:
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned


class Scripted:
    """A provider that answers by a function and keeps what it was asked."""

    def __init__(self, answer: Callable[[int, Question], Outcome], **traits: object) -> None:
        self.traits = Traits("p", GIVES, **traits)  # type: ignore[arg-type] # each test names the traits it is about
        self.calls: list[list[Question]] = []
        self.at_once = self.at_once_max = 0
        self._answer = answer

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        self.calls.append(list(questions))
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await one_turn_of_the_loop()
            return [self._answer(len(self.calls), question) for question in questions]
        finally:
            self.at_once -= 1


class Asking:
    """Collects answers, and tells when there are enough."""

    def __init__(self) -> None:
        self.tenant, self.erid, self.partition, self.epoch = "t", UUID(int=1), 0, 1
        self.withdraws = False
        self.options = NO_OPTIONS
        self.answers: dict[str, Outcome] = {}
        self.back: list[str] = []
        self._heard = asyncio.Event()

    def ask(self, *names: str, erid: int = 1) -> Ask:
        assert STEP is not None
        questions = [Question("t", Contact(full_name=name), STEP.asks) for name in names]
        return Ask("t", UUID(int=erid), STEP, self, list(names), questions=questions)

    def answered(
        self,
        step: Step,
        items: Sequence[str],
        outcomes: Sequence[Outcome],
        settlements: Sequence[Settlement] = (),
        savings: Sequence[Saving] = (),
    ) -> None:
        assert not settlements
        assert not savings
        for item, outcome in zip(items, outcomes, strict=True):
            assert item not in self.answers
            self.answers[item] = outcome
        self._heard.set()

    def over_budget(self, step: Step, items: Sequence[str], scope: str) -> None:
        raise AssertionError("nothing here is paid")

    def settle(self, settlements: Sequence[Settlement]) -> None:
        raise AssertionError("nothing here is paid")

    def withdrawn(self, step: Step, items: Sequence[str]) -> None:
        self.back += items
        self._heard.set()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.answers) + len(self.back) < count:
                self._heard.clear()
                await self._heard.wait()


@pytest.fixture
async def started() -> AsyncIterator[Callable[[Scripted], "asyncio.Future[Dispatcher]"]]:
    running: list[Dispatcher] = []

    async def start(provider: Scripted) -> Dispatcher:
        dispatcher = Dispatcher(provider, SystemClock(), seed=1)
        running.append(dispatcher)
        await dispatcher.start()
        return dispatcher

    yield start  # type: ignore[misc] # a coroutine function is given where a callable that returns a future is named
    for dispatcher in running:
        await dispatcher.stop()


Start = Callable[[Scripted], "asyncio.Future[Dispatcher]"]


async def test_slots_bound_the_calls_at_once(started: Start) -> None:
    provider, asking = Scripted(lambda _, __: FOUND, slots=3), Asking()
    dispatcher = await started(provider)
    dispatcher.submit(asking.ask(*[f"n{index}" for index in range(50)]))
    await asking.hears(50)
    assert provider.at_once_max == 3
    assert len(provider.calls) == dispatcher.calls == 50


async def test_one_call_carries_questions_of_several_erids(started: Start) -> None:
    provider, asking = (
        Scripted(lambda _, q: MISS if q.contact.full_name == "b" else FOUND, slots=1, batch_max=10),
        Asking(),
    )
    dispatcher = await started(provider)
    for erid, name in enumerate("abc"):
        dispatcher.submit(asking.ask(name, erid=erid))
    await asking.hears(3)
    assert [len(call) for call in provider.calls] == [3]
    assert asking.answers["b"].kind is OutcomeKind.MISS
    assert asking.answers["c"].kind is OutcomeKind.FOUND


async def test_a_transient_failure_is_tried_again_and_only_then_final(started: Start) -> None:
    provider = Scripted(lambda call, _: FOUND if call == 3 else Outcome(OutcomeKind.TRANSIENT), attempts_max=3)
    asking = Asking()
    (await started(provider)).submit(asking.ask("a"))
    await asking.hears(1)
    assert asking.answers["a"] == FOUND
    assert len(provider.calls) == 3

    provider, asking = Scripted(lambda _, __: Outcome(OutcomeKind.TRANSIENT, reason="R"), attempts_max=2), Asking()
    (await started(provider)).submit(asking.ask("a"))
    await asking.hears(1)
    assert asking.answers["a"].kind is OutcomeKind.TRANSIENT
    assert len(provider.calls) == 2


async def test_of_a_batch_only_the_failed_are_asked_again(started: Start) -> None:
    def answer(call: int, question: Question) -> Outcome:
        return Outcome(OutcomeKind.TRANSIENT) if call == 1 and question.contact.full_name == "b" else FOUND

    provider, asking = Scripted(answer, batch_max=10, slots=1), Asking()
    (await started(provider)).submit(asking.ask("a", "b", "c"))
    await asking.hears(3)
    assert [[q.contact.full_name for q in call] for call in provider.calls] == [["a", "b", "c"], ["b"]]


@pytest.mark.parametrize("kind", [OutcomeKind.RATE_LIMITED, OutcomeKind.QUOTA_EXHAUSTED, OutcomeKind.UNAUTHORIZED])
async def test_a_provider_that_says_stop_is_paused_and_no_attempt_spent(started: Start, kind: OutcomeKind) -> None:
    clock = SystemClock()

    def answer(call: int, _: Question) -> Outcome:
        return Outcome(kind, retry_at=clock.time() + 0.01) if call <= 7 else FOUND

    provider, asking = Scripted(answer, attempts_max=1, slots=1), Asking()
    (await started(provider)).submit(asking.ask("a", "b"))
    await asking.hears(2)
    assert {outcome.kind for outcome in asking.answers.values()} == {OutcomeKind.FOUND}


async def test_a_store_that_is_away_costs_no_attempt(started: Start) -> None:
    def answer(call: int, _: Question) -> Outcome:
        if call < 3:
            raise StoreUnavailable
        return FOUND

    provider, asking = Scripted(answer, attempts_max=1), Asking()
    (await started(provider)).submit(asking.ask("a"))
    await asking.hears(1)
    assert asking.answers["a"] == FOUND


@pytest.mark.parametrize(("paid", "kind"), [(True, OutcomeKind.UNKNOWN), (False, OutcomeKind.TRANSIENT)])
async def test_a_bug_of_a_provider_is_unknown_where_it_may_have_cost(
    started: Start, paid: bool, kind: OutcomeKind
) -> None:
    def answer(_: int, __: Question) -> Outcome:
        raise RuntimeError("a bug")

    provider, asking = Scripted(answer, paid=paid, attempts_max=1), Asking()
    (await started(provider)).submit(asking.ask("a"))
    await asking.hears(1)
    assert asking.answers["a"].kind is kind


async def test_rate_windows_hold_calls_back(started: Start) -> None:
    provider, asking = Scripted(lambda _, __: FOUND, rate_windows=((5, 0.2),), slots=8), Asking()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    (await started(provider)).submit(asking.ask(*[f"n{index}" for index in range(11)]))
    await asking.hears(11)
    assert loop.time() - begin >= 0.4  # a lower bound: the third window cannot begin earlier


async def test_withdrawn_questions_come_back_unasked(started: Start) -> None:
    provider, asking, other = Scripted(lambda _, __: FOUND, slots=1), Asking(), Asking()
    dispatcher = await started(provider)
    dispatcher.submit(asking.ask("a", "b"))
    dispatcher.submit(other.ask("c", erid=2))
    asking.withdraws = True
    dispatcher.withdraw(asking)
    await asking.hears(2)
    await other.hears(1)
    assert asking.back == ["a", "b"]
    assert [q.contact.full_name for call in provider.calls for q in call] == ["c"]


async def test_a_paused_provider_gives_withdrawn_questions_back_at_once(started: Start) -> None:
    provider = Scripted(lambda _, __: Outcome(OutcomeKind.QUOTA_EXHAUSTED), slots=1)
    asking = Asking()
    dispatcher = await started(provider)
    dispatcher.submit(asking.ask("a", "b"))
    async with asyncio.timeout(10):
        while not dispatcher.paused:
            await one_turn_of_the_loop()
    asking.withdraws = True
    dispatcher.withdraw(asking)
    await asking.hears(2)
    assert sorted(asking.back) == ["a", "b"]
    assert dispatcher.waiting == 0
