"""The vendors that answer later, against the sandbox: people are told apart, and the bills agree with the outcomes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from des.clock import SystemClock
from des.config_providers import DropcontactConfig, FullEnrichConfig
from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Question
from des.providers.dialects.dropcontact import Dropcontact
from des.providers.dialects.fullenrich import SIGNATURE_HEADER, FullEnrich
from des.providers.transport import Transport
from des.providers.values import Values
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.population import inquiries
from des.testing.collecting import CollectingProvider, settled
from des.testing.sandbox import SandboxThread, sandbox_thread

PEOPLE = 200
EMAIL = ("professional_email",)
BOTH = ("phone_number", "professional_email")
JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")
JANE = Contact(full_name="Jane Doe", company_domain="sayprimer.com")
NEMO = Contact(first_name="Nemo", last_name="Outis", company_domain="sayprimer.com")
NAMES = ("dropcontact", "fullenrich")


@pytest.fixture
def running() -> Iterator[SandboxThread]:
    with sandbox_thread(people=PEOPLE) as running:
        for name in NAMES:
            running.sandbox.desk.books[name].ready_after_s = 0.0
        yield running


@asynccontextmanager
async def started(name: str, running: SandboxThread, **changes: Any) -> AsyncIterator[CollectingProvider]:
    settings = {"kind": name, "api_key": "k", "url": running.sandbox.url, "deadline_s": 2.0, "poll_after_s": 0.02}
    provider: CollectingProvider
    if name == "dropcontact":
        provider = Dropcontact(name, DropcontactConfig.model_validate(settings | changes), Values(), SystemClock())
    else:
        provider = FullEnrich(name, FullEnrichConfig.model_validate(settings | changes), Values(), SystemClock())
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()


def asked(*contacts: Contact, fields: tuple[str, ...] = EMAIL) -> list[Question]:
    return [Question("default", contact, fields) for contact in contacts]


async def answers(provider: CollectingProvider, questions: list[Question]) -> list[Outcome]:
    size = provider.traits.batch_max
    outcomes: list[Outcome] = []
    for at in range(0, len(questions), size):
        outcomes += await provider.ask(questions[at : at + size])
    return await settled(provider, outcomes)


@pytest.mark.parametrize("name", NAMES)
async def test_messy_people_get_their_own_answers_and_the_bills_agree(name: str, running: SandboxThread) -> None:
    people = [contact for contact in inquiries(1, PEOPLE) if contact.full_name.count(" ") or contact.first_name]
    book = running.sandbox.desk.books[name]
    async with started(name, running) as provider:
        together = await answers(provider, asked(*people))
        assert {outcome.kind for outcome in together} == {OutcomeKind.FOUND, OutcomeKind.MISS}
        assert sum(outcome.cost for outcome in together) == pytest.approx(book.charged)
        assert book.charged > PEOPLE / 3
        few = people[::9]
        alone = [(await answers(provider, asked(contact)))[0] for contact in few]
    assert [outcome.values for outcome in alone] == [outcome.values for outcome in together[::9]]


async def test_a_credit_is_taken_when_it_is_sent_and_given_back_on_a_miss(running: SandboxThread) -> None:
    book = running.sandbox.desk.books["dropcontact"]
    book.credits, book.ready_after_s = 10.0, 0.2
    async with started("dropcontact", running) as provider:
        pending = await provider.ask(asked(JOHN, NEMO))
        assert [outcome.cost for outcome in pending] == [1.0, 1.0]
        assert (book.charged, book.refunded, book.credits) == (2.0, 0.0, 8.0)
        john, nemo = await settled(provider, pending)
    assert (john.cost, nemo.cost) == (1.0, 0.0)
    assert (book.charged, book.refunded, book.credits) == (1.0, 1.0, 9.0)


async def test_a_batch_beyond_the_credits_is_refused_as_a_whole_and_takes_nothing(running: SandboxThread) -> None:
    book = running.sandbox.desk.books["dropcontact"]
    book.credits = 1.0
    async with started("dropcontact", running) as provider:
        outcomes = await provider.ask(asked(JOHN, JANE))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.QUOTA_EXHAUSTED}
        assert (book.charged, book.credits) == (0.0, 1.0)
        (john,) = await answers(provider, asked(JOHN))
    assert john.kind is OutcomeKind.FOUND


async def test_a_request_that_the_vendor_never_heard_of_is_given_up_after_its_own_deadline(
    running: SandboxThread,
) -> None:
    running.sandbox.desk.books["dropcontact"].ready_after_s = 3_600.0
    async with started("dropcontact", running, answer_deadline_s=0.2) as provider:
        (outcome,) = await answers(provider, asked(JOHN))
    assert (outcome.kind, outcome.cost) == (OutcomeKind.UNKNOWN, 1.0)
    assert outcome.reason == "GIVEN_UP: Request not ready yet, try again in 30 seconds"


@pytest.mark.parametrize("fault", [Fault.WRONG_ORDER, Fault.DUPLICATES])
async def test_an_answer_in_disorder_is_never_a_wrong_one(running: SandboxThread, fault: Fault) -> None:
    async with started("dropcontact", running) as provider:
        pending = await provider.ask(asked(JOHN, NEMO, JANE, NEMO))
        await settled(provider, pending)
        running.sandbox.desk.plan(FaultPlan(rates={fault: 1.0}))
        outcomes = await provider.collect([outcome.handle for outcome in pending])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNKNOWN}


@pytest.mark.parametrize(
    ("fault", "first"), [(Fault.WRONG_ORDER, OutcomeKind.FOUND), (Fault.DUPLICATES, OutcomeKind.UNKNOWN)]
)
async def test_our_marks_put_an_answer_in_order(running: SandboxThread, fault: Fault, first: OutcomeKind) -> None:
    async with started("fullenrich", running) as provider:
        pending = await provider.ask(asked(JOHN, NEMO, JANE, NEMO))
        await settled(provider, pending)
        running.sandbox.desk.plan(FaultPlan(rates={fault: 1.0}))
        outcomes = await provider.collect([outcome.handle for outcome in pending])
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds == [first, OutcomeKind.MISS, OutcomeKind.FOUND, OutcomeKind.MISS]
    assert outcomes[2].values["professional_email"].value == "jane.doe@sayprimer.com"


async def test_each_field_has_its_price_and_is_free_once_it_was_paid_for(running: SandboxThread) -> None:
    book = running.sandbox.desk.books["fullenrich"]
    async with started("fullenrich", running) as provider:
        costs = [(await answers(provider, asked(JOHN, fields=fields)))[0].cost for fields in (EMAIL, EMAIL, BOTH)]
    assert costs == [1.0, 0.0, 10.0]
    assert book.charged == 11.0


async def test_a_replay_is_not_free_within_a_request_nor_at_the_same_time(running: SandboxThread) -> None:
    book = running.sandbox.desk.books["fullenrich"]
    book.ready_after_s = 0.2
    async with started("fullenrich", running) as provider:
        once, again = await provider.ask(asked(JOHN, JOHN)), await provider.ask(asked(JOHN))
        final = await settled(provider, [*once, *again])
    assert [outcome.cost for outcome in final] == [1.0, 1.0, 1.0]
    assert book.charged == 3.0


async def test_credits_that_run_out_leave_what_was_found(running: SandboxThread) -> None:
    running.sandbox.desk.books["fullenrich"].credits = 1.0
    async with started("fullenrich", running) as provider:
        john, jane, nemo = await answers(provider, asked(JOHN, JANE, NEMO))
    assert (john.kind, john.cost) == (OutcomeKind.FOUND, 1.0)
    assert (jane.kind, nemo.kind) == (OutcomeKind.QUOTA_EXHAUSTED, OutcomeKind.QUOTA_EXHAUSTED)


@pytest.mark.parametrize("status", ["CANCELED", "UNKNOWN"])
async def test_an_enrichment_that_ends_otherwise_is_no_miss(running: SandboxThread, status: str) -> None:
    running.sandbox.desk.books["fullenrich"].job_status = status
    async with started("fullenrich", running) as provider:
        (outcome,) = await answers(provider, asked(JOHN))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNKNOWN, status)
    assert running.sandbox.desk.books["fullenrich"].charged == 0.0


@pytest.mark.parametrize("name", NAMES)
async def test_one_whom_the_vendor_refuses_does_not_take_the_others_along(name: str, running: SandboxThread) -> None:
    async with started(name, running) as provider:
        john, nobody = await provider.ask(asked(JOHN, Contact(first_name="Nobody")))
        assert (john.kind, nobody.kind) == (OutcomeKind.PENDING, OutcomeKind.INVALID_INPUT)


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_key_is_told(name: str, running: SandboxThread) -> None:
    async with started(name, running, api_key="wrong") as provider:
        assert {o.kind for o in await provider.ask(asked(JOHN, JANE))} == {OutcomeKind.UNAUTHORIZED}


class Receiver:
    """Takes deliveries after it has refused the first ones."""

    def __init__(self, refusals: int) -> None:
        self._refusals = refusals
        self.has_refused = asyncio.Event()
        self.deliveries: asyncio.Queue[tuple[bytes, str | None]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        if self._refusals:
            self._refusals -= 1
            if not self._refusals:
                self.has_refused.set()
            return web.Response(status=503)
        self.deliveries.put_nowait((await request.read(), request.headers.get(SIGNATURE_HEADER)))
        return web.Response(status=204)


@asynccontextmanager
async def receiving(refusals: int) -> AsyncIterator[tuple[str, Receiver]]:
    receiver = Receiver(refusals)
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", receiver
    await runner.cleanup()


async def test_a_finished_enrichment_is_delivered_signed_and_again_until_it_is_taken(running: SandboxThread) -> None:
    running.sandbox.desk.webhooks.retry_s = 0.01
    async with receiving(refusals=2) as (url, receiver), started("fullenrich", running, webhook_url=url) as provider:
        pending = await provider.ask(asked(JOHN, NEMO))
        assert isinstance(provider, FullEnrich)
        taken = dict(provider.receive(*await receiver.deliveries.get()))
        assert set(taken) == {outcome.handle for outcome in pending}
        assert [taken[outcome.handle].kind for outcome in pending] == [OutcomeKind.FOUND, OutcomeKind.MISS]
    assert running.sandbox.desk.webhooks.tries == 3


async def test_deliveries_are_given_up_after_the_documented_tries(running: SandboxThread) -> None:
    webhooks = running.sandbox.desk.webhooks
    webhooks.retry_s = 0.0
    async with receiving(refusals=6) as (url, receiver), started("fullenrich", running, webhook_url=url) as provider:
        await provider.ask(asked(JOHN))
        await receiver.has_refused.wait()
        ended = asyncio.run_coroutine_threadsafe(webhooks._tasks.close(grace_s=5.0), running._loop)
        await asyncio.wrap_future(ended)
    assert (webhooks.tries, webhooks.delivered, webhooks.given_up) == (6, 0, 1)


async def test_the_terms_of_an_account_can_be_changed_while_it_runs(running: SandboxThread) -> None:
    async with Transport(slots=1, deadline_s=2.0) as control:
        for target, body in (
            ("accounts/fullenrich", b'{"ready_after_s":7.5,"job_status":"CANCELED"}'),
            ("webhooks", b'{"retry_s":0.5}'),
        ):
            assert (await control.send("PUT", f"{running.sandbox.url}/sandbox/{target}", body=body)).status == 200
    book = running.sandbox.desk.books["fullenrich"]
    assert (book.ready_after_s, book.job_status, running.sandbox.desk.webhooks.retry_s) == (7.5, "CANCELED", 0.5)
