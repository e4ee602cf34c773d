"""Addresses looked at with a real resolver and a real DNS server: wrong only where DNS says so, and once a domain."""

import asyncio

import pytest

from des.clock import SystemClock
from des.config_providers import EmailCheckConfig
from des.contact import Contact
from des.providers import mail_domains
from des.providers.contract import VERDICT, Outcome, Question
from des.providers.email_check import EmailCheckProvider
from tests.dns_server import MX, SERVER_FAILURE, A, Zone, dns_server

ZONE: Zone = {
    "mail.example": [(MX, "mx1.mail.example")],
    "xn--bcher-kva.example": [(MX, "mx1.mail.example")],
    "address.example": [(A, "192.0.2.1")],
    "nomail.example": [],
    "null.example": [(MX, ".")],
    "broken.example": SERVER_FAILURE,
    "silent.example": None,
    "listed.example": [],
}
TIMEOUT_S = 0.4


class HandClock(SystemClock):
    """A clock that is set by hand, by which domains are forgotten."""

    def __init__(self) -> None:
        self.now = 1.0

    def monotonic(self) -> float:
        return self.now


def config(address: str) -> EmailCheckConfig:
    return EmailCheckConfig.model_validate({
        "kind": "email_check",
        "nameservers": [address],
        "timeout_s": TIMEOUT_S,
        "catch_all_domains": ["Listed.example"],
        "disposable_domains": ["thrown-away.example"],
    })  # fmt: skip


async def ask(provider: EmailCheckProvider, *addresses: str) -> list[tuple[str, str]]:
    """Word and reason for each address."""
    outcomes = await provider.ask([Question("t", Contact(email=one), (VERDICT,)) for one in addresses])
    return [_word(outcome) for outcome in outcomes]


def _word(outcome: Outcome) -> tuple[str, str]:
    value = outcome.values[VERDICT]
    return value.value, value.evidence


@pytest.mark.parametrize(
    ("address", "word", "why"),
    [
        ("a@mail.example", "unknown", "MX"),
        ("a@MAIL.example", "unknown", "MX"),
        ("a@bücher.example", "unknown", "MX"),
        ("a@address.example", "unknown", "NO_MX_BUT_ADDRESS"),
        ("a@nomail.example", "invalid", "NO_MX_NO_ADDRESS"),
        ("a@null.example", "invalid", "NULL_MX"),
        ("a@nobody.example", "invalid", "NO_SUCH_DOMAIN"),
        ("a@broken.example", "unknown", "DNS_GAVE_NO_ANSWER"),
        ("a@silent.example", "unknown", "DNS_GAVE_NO_ANSWER"),
        ("a@listed.example", "catch_all", "DOMAIN_IS_LISTED"),
        ("a@thrown-away.example", "disposable", "DOMAIN_IS_LISTED"),
        ("a.mail.example", "invalid", "NOT_AN_ADDRESS"),
        ("a..b@mail.example", "invalid", "NOT_AN_ADDRESS"),
        ("", "invalid", "NOT_AN_ADDRESS"),
    ],
)
async def test_an_address_is_wrong_only_where_somebody_says_so(address: str, word: str, why: str) -> None:
    async with dns_server(ZONE) as server:
        provider = EmailCheckProvider("email_check", config(server.address), HandClock())
        await provider.start()
        assert await ask(provider, address) == [(word, why)]
        await provider.stop()


async def test_a_domain_is_asked_about_once_however_many_are_in_it() -> None:
    clock = HandClock()
    async with dns_server(ZONE) as server:
        provider = EmailCheckProvider("email_check", config(server.address), clock)
        await provider.start()
        for number in range(3):
            await ask(provider, *[f"a{number}.{each}@mail.example" for each in range(100)], "b@nobody.example")
        assert (server.asked["mail.example", MX], provider.lookups) == (1, 2)
        clock.now += mail_domains.REMEMBERED_S
        await ask(provider, "a@mail.example")
        assert provider.lookups == 3
        await provider.stop()


async def test_what_dns_did_not_say_is_asked_again_soon() -> None:
    clock = HandClock()
    async with dns_server(ZONE) as server:
        provider = EmailCheckProvider("email_check", config(server.address), clock)
        await provider.start()
        await ask(provider, "a@broken.example")
        server.zone = {"broken.example": []}
        assert await ask(provider, "a@broken.example") == [("unknown", "DNS_GAVE_NO_ANSWER")]
        clock.now += mail_domains.UNKNOWN_REMEMBERED_S
        assert await ask(provider, "a@broken.example") == [("invalid", "NO_MX_NO_ADDRESS")]
        await provider.stop()


async def test_all_domains_are_asked_about_at_once() -> None:
    """Forty that never answer take as long as one."""
    silent: Zone = dict.fromkeys([f"silent{number}.example" for number in range(40)])
    async with dns_server(silent) as server:
        provider = EmailCheckProvider("email_check", config(server.address), HandClock())
        await provider.start()
        async with asyncio.timeout(5 * TIMEOUT_S):
            words = await ask(provider, *[f"a@{domain}" for domain in silent])
        assert set(words) == {("unknown", "DNS_GAVE_NO_ANSWER")}
        await provider.stop()


async def test_no_more_domains_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_domains, "REMEMBERED_MAX", 3)
    async with dns_server({}) as server:
        domains = mail_domains.MailDomains(HandClock(), [server.address], TIMEOUT_S)
        await domains.start()
        await domains.of([f"d{number}.example" for number in range(8)])
        assert len(domains) == 3
        await domains.of(["d7.example"])
        assert domains.lookups == 8
        await domains.stop()
