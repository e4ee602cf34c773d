"""The described provider and the dialects keep the contract of providers, whatever the sandbox does to them."""

from collections.abc import Callable, Iterator

import pytest

from des.clock import SystemClock
from des.config_providers import ApolloConfig, HttpProviderConfig, HunterConfig, PdlConfig, ProspeoConfig
from des.contact import Contact, FieldType
from des.providers.contract import Provider, Question
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.hunter import Hunter
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.http import HttpProvider
from des.providers.values import Values
from des.testing.provider import PROVIDER_CHECKS, Check, ProviderCase
from des.testing.sandbox import SandboxThread, sandbox_thread

FIELDS = ("professional_email", "phone_number")
TYPES = {"professional_email": FieldType.EMAIL, "phone_number": FieldType.PHONE}
DEADLINE_S = 0.4

JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")
JANE = Contact(full_name="Jane Doe", first_name="Jane", last_name="Doe", company_domain="SayPrimer.com")
STRANGERS = (
    Contact(first_name="Nemo", last_name="Outis", company_domain="sayprimer.com"),
    Contact(first_name="John", last_name="Doe", company_name="Nowhere Ltd"),
)


def described(url: str, **changes: object) -> Provider:
    described = {
        "kind": "http",
        "request": {
            "url": f"{url}/lookup",
            "query": {
                "first_name": "{first_name!}",
                "last_name": "{last_name!}",
                "company": "{domain,company_name!}",
            },
        },
        "values": {
            "professional_email": {"path": "data.email", "confidence_path": "data.score", "confidence_scale": 100},
            "phone_number": {"path": "data.phone", "confidence": 0.7},
        },
        "reference_path": "id",
        "deadline_s": DEADLINE_S,
        "concurrency": 8,
    }
    config = HttpProviderConfig.model_validate(described | changes)
    return HttpProvider("described", config, TYPES, Values(), SystemClock())


def hunter(url: str) -> Provider:
    config = HunterConfig.model_validate(
        {"kind": "hunter", "api_key": "k", "url": url, "deadline_s": DEADLINE_S, "concurrency": 8, "rate": []}
    )
    return Hunter("hunter", config, Values(), SystemClock())


def keyed(kind: str, url: str) -> Provider:
    """A vendor's dialect that needs a key and an address."""
    settings = {"kind": kind, "api_key": "k", "url": url, "deadline_s": DEADLINE_S, "concurrency": 8, "rate": []}
    match kind:
        case "pdl":
            return Pdl(kind, PdlConfig.model_validate(settings), Values(), SystemClock())
        case "apollo":
            return Apollo(kind, ApolloConfig.model_validate(settings), Values(), SystemClock())
        case _:
            return Prospeo(kind, ProspeoConfig.model_validate(settings), Values(), SystemClock())


MAKERS: dict[str, Callable[[str], Provider]] = {
    "http": described,
    "http paid": lambda url: described(url, paid=True),
    "hunter": hunter,
    "pdl": lambda url: keyed("pdl", url),
    "apollo": lambda url: keyed("apollo", url),
    "prospeo": lambda url: keyed("prospeo", url),
}
FIELDS_OF = {"apollo": ("professional_email",)}
"""Fields that are answered at once, where that is not all of them."""


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with sandbox_thread() as running:
        yield running


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MAKERS)
async def test_contract(name: str, check: Check, sandbox: SandboxThread) -> None:
    make, fields = MAKERS[name], FIELDS_OF.get(name, FIELDS)
    case = ProviderCase(
        make=lambda: make(sandbox.sandbox.url),
        known=[Question("default", contact, fields) for contact in (JOHN, JANE)],
        unknown=[Question("default", contact, fields) for contact in STRANGERS],
        troubles=sandbox.troubles(),
    )
    await check(case)
