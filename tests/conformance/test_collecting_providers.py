"""The dialects whose answers come later keep the contract too, whatever the sandbox does to them."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from des.clock import SystemClock
from des.config_providers import DropcontactConfig, FullEnrichConfig
from des.providers.contract import Question
from des.providers.dialects.dropcontact import Dropcontact
from des.providers.dialects.fullenrich import FullEnrich
from des.providers.values import Values
from des.testing.collecting import COLLECTING_CHECKS, CollectingCase, CollectingProvider, Settling
from des.testing.collecting import Check as CollectingCheck
from des.testing.provider import PROVIDER_CHECKS, Check, ProviderCase
from des.testing.sandbox import SandboxThread, sandbox_thread
from tests.conformance.test_http_providers import DEADLINE_S, JANE, JOHN, STRANGERS

FIELDS = ("professional_email", "phone_number")
NAMES = ("dropcontact", "fullenrich")


def make(name: str, url: str) -> CollectingProvider:
    settings: dict[str, Any] = {
        "kind": name,
        "api_key": "k",
        "url": url,
        "deadline_s": DEADLINE_S,
        "concurrency": 8,
        "rate": [],
    }
    settings["poll_after_s"] = 0.01
    if name == "dropcontact":
        return Dropcontact(name, DropcontactConfig.model_validate(settings), Values(), SystemClock())
    return FullEnrich(name, FullEnrichConfig.model_validate(settings), Values(), SystemClock())


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with sandbox_thread() as running:
        for name in NAMES:
            running.sandbox.desk.books[name].ready_after_s = 0.0
        yield running


def questions(*contacts: Any) -> list[Question]:
    return [Question("default", contact, FIELDS) for contact in contacts]


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
async def test_contract(name: str, check: Check, sandbox: SandboxThread) -> None:
    await check(
        ProviderCase(
            make=lambda: Settling(make(name, sandbox.sandbox.url)),
            known=questions(JOHN, JANE),
            unknown=questions(*STRANGERS),
            troubles=sandbox.troubles(),
        )
    )


@pytest.mark.parametrize("check", COLLECTING_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
async def test_answers_come_later(name: str, check: CollectingCheck, sandbox: SandboxThread) -> None:
    @contextlib.asynccontextmanager
    async def unready() -> AsyncIterator[None]:
        book = sandbox.sandbox.desk.books[name]
        book.ready_after_s = 3_600.0
        yield
        book.ready_after_s = 0.0

    # A vendor that went away has forgotten its jobs: that is no trouble of a look.
    lasting = {trouble: made for trouble, made in sandbox.troubles().items() if trouble != "nobody listens"}
    await check(
        CollectingCase(
            make=lambda: make(name, sandbox.sandbox.url),
            known=questions(JOHN, JANE),
            unknown=questions(*STRANGERS),
            unready=unready,
            troubles=lasting,
        )
    )
