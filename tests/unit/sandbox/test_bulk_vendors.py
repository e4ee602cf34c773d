"""The dialects against the sandbox: bulk calls are taken apart, bills agree with what the outcomes say was charged."""

from collections.abc import AsyncIterator, Iterator

import pytest

from des.clock import SystemClock
from des.config_providers import ApolloConfig, PdlConfig, ProspeoConfig
from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Provider, Question
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.values import Values
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.population import inquiries
from des.testing.sandbox import SandboxThread, sandbox_thread

PEOPLE = 120
EMAIL = ("professional_email",)
BOTH = ("phone_number", "professional_email")
JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")
JANE = Contact(full_name="Jane Doe", company_domain="sayprimer.com")
NEMO = Contact(first_name="Nemo", last_name="Outis", company_domain="sayprimer.com")
FINAL = {OutcomeKind.FOUND, OutcomeKind.MISS}


@pytest.fixture
def running() -> Iterator[SandboxThread]:
    with sandbox_thread(people=PEOPLE) as running:
        yield running


def made(kind: str, url: str) -> Provider:
    settings = {"kind": kind, "api_key": "k", "url": url, "deadline_s": 2.0, "rate": []}
    match kind:
        case "pdl":
            return Pdl(kind, PdlConfig.model_validate(settings), Values(), SystemClock())
        case "apollo":
            return Apollo(kind, ApolloConfig.model_validate(settings), Values(), SystemClock())
        case _:
            return Prospeo(kind, ProspeoConfig.model_validate(settings), Values(), SystemClock())


@pytest.fixture(params=["pdl", "apollo", "prospeo"])
async def provider(request: pytest.FixtureRequest, running: SandboxThread) -> AsyncIterator[Provider]:
    provider = made(request.param, running.sandbox.url)
    await provider.start()
    yield provider
    await provider.stop()


@pytest.fixture
async def apollo(running: SandboxThread) -> AsyncIterator[Apollo]:
    provider = made("apollo", running.sandbox.url)
    assert isinstance(provider, Apollo)
    await provider.start()
    yield provider
    await provider.stop()


def asked(*contacts: Contact, fields: tuple[str, ...] = EMAIL) -> list[Question]:
    return [Question("default", contact, fields) for contact in contacts]


async def ask_all(provider: Provider, questions: list[Question]) -> list[Outcome]:
    size = provider.traits.batch_max
    outcomes: list[Outcome] = []
    for at in range(0, len(questions), size):
        outcomes += await provider.ask(questions[at : at + size])
    return outcomes


async def test_many_get_their_own_answers_in_few_requests_and_the_bills_agree(
    provider: Provider, running: SandboxThread
) -> None:
    questions = asked(*inquiries(1, PEOPLE))
    together = await ask_all(provider, questions)
    book = running.sandbox.desk.books[provider.traits.name]
    assert {outcome.kind for outcome in together} == FINAL
    assert book.requests == -(-len(questions) // provider.traits.batch_max)
    assert sum(outcome.cost for outcome in together) == pytest.approx(book.charged)
    alone = [(await provider.ask([question]))[0] for question in questions]
    assert [outcome.values for outcome in alone] == [outcome.values for outcome in together]


@pytest.mark.parametrize("fault", [Fault.WRONG_ORDER, Fault.DUPLICATES, Fault.TRUNCATED_JSON])
async def test_a_bulk_reply_in_disorder_is_never_a_wrong_answer(
    provider: Provider, running: SandboxThread, fault: Fault
) -> None:
    running.sandbox.desk.plan(FaultPlan(rates={fault: 1.0}))
    outcomes = await provider.ask(asked(JOHN, NEMO, JANE, NEMO))
    if provider.traits.name == "prospeo" and fault is Fault.WRONG_ORDER:  # its answers have identifiers
        emails = [outcome.values["professional_email"].value for outcome in outcomes if outcome.values]
        assert emails == ["john.doe@sayprimer.com", "jane.doe@sayprimer.com"]
    else:
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNKNOWN}


@pytest.mark.parametrize("hint_s", [None, 7.0])
async def test_a_refusal_for_the_rate_is_everybodys_with_its_hint(
    provider: Provider, running: SandboxThread, hint_s: float | None
) -> None:
    running.sandbox.desk.plan(FaultPlan(rates={Fault.RATE_LIMIT: 1.0}, retry_after_s=hint_s))
    now = SystemClock().time()
    for outcome in await provider.ask(asked(JOHN, JANE)):
        assert outcome.kind is OutcomeKind.RATE_LIMITED
        assert (outcome.retry_at is None) == (hint_s is None)
        assert outcome.retry_at is None or 5.0 < outcome.retry_at - now < 10.0


async def test_spent_credits_are_no_answer(provider: Provider, running: SandboxThread) -> None:
    running.sandbox.desk.books[provider.traits.name].credits = 1.0
    kinds = {outcome.kind for outcome in await provider.ask(asked(JOHN, JANE))}
    assert kinds == {OutcomeKind.QUOTA_EXHAUSTED}
    assert [outcome.kind for outcome in await provider.ask(asked(JOHN))] == [OutcomeKind.FOUND]


async def test_whoever_was_paid_for_is_free_where_the_vendor_says_so(
    provider: Provider, running: SandboxThread
) -> None:
    costs = [(await provider.ask(asked(JOHN)))[0].cost for _ in range(2)]
    assert costs == [1.0, 0.0 if provider.traits.name == "prospeo" else 1.0]
    assert running.sandbox.desk.books[provider.traits.name].charged == sum(costs)


async def test_those_who_want_less_do_not_pay_for_more(running: SandboxThread) -> None:
    provider = made("prospeo", running.sandbox.url)
    await provider.start()
    try:
        questions = [*asked(JOHN), *asked(JANE, fields=BOTH), *asked(NEMO, fields=BOTH)]
        john, jane, nemo = await provider.ask(questions)
    finally:
        await provider.stop()
    assert (john.cost, set(john.values)) == (1.0, set(EMAIL))
    assert (jane.cost, set(jane.values)) == (10.0, set(BOTH))
    assert nemo.kind is OutcomeKind.MISS
    assert running.sandbox.desk.books["prospeo"].requests == 2


async def test_phone_numbers_are_collected_with_what_came_before(apollo: Apollo, running: SandboxThread) -> None:
    john, nemo, jane = await apollo.ask(asked(JOHN, NEMO, JANE, fields=BOTH))
    assert (john.kind, nemo.kind, jane.kind) == (OutcomeKind.PENDING, OutcomeKind.MISS, OutcomeKind.PENDING)
    handles = [john.handle, jane.handle]
    waiting = await apollo.collect(handles)
    assert [outcome.handle for outcome in waiting] == handles
    first, second = await apollo.collect(handles)
    assert first.values["phone_number"].value == "+14155550132"
    assert second.values["phone_number"].value == "+14155550187"
    assert second.values["professional_email"].value == "jane.doe@sayprimer.com"
    assert first.cost + second.cost == running.sandbox.desk.books["apollo"].charged == 18.0


async def test_a_phone_number_of_another_time_is_given_up(apollo: Apollo) -> None:
    (outcome,) = await apollo.collect(["4711"])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, "REQUEST_ID_UNKNOWN")


@pytest.mark.parametrize("key", ["wrong", "limited"])
async def test_a_key_that_may_not_is_told(key: str, running: SandboxThread) -> None:
    config = ApolloConfig.model_validate({"kind": "apollo", "api_key": key, "url": running.sandbox.url})
    provider = Apollo("apollo", config, Values(), SystemClock())
    await provider.start()
    outcomes = await provider.ask(asked(JOHN, JANE))
    await provider.stop()
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNAUTHORIZED}
