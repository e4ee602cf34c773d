"""Hunter's e-mail verifier: one address a call.

From the vendor's API reference (https://hunter.io/api-documentation/v2, read in a stored copy of 2026-08):

- 10 requests a second and 300 a minute, of its own beside those of the finder; the statuses are those of `hunter`.
- 202: the vendor is still looking, and the same request gives the answer later. The address is the handle.
- `status` is one of `valid`, `invalid`, `accept_all`, `webmail`, `disposable`, `unknown`.

Unchecked, and taken to be so: the path `/v2/email-verifier?email=`, `score` (0-100) beside the status, and that each
answer costs `price`, a credit by default, but for `unknown`, which costs nothing.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from des.clock import Clock
from des.config_providers import HunterVerifierConfig
from des.providers.account import Account
from des.providers.contract import MISS, VERDICT, Outcome, OutcomeKind, Question, Traits, Value, Verification
from des.providers.dialects import hunter
from des.providers.dialects.dialect import Billing, ChargedOn, Dialect
from des.providers.fault import CallFailed
from des.providers.transport import Reply, Transport
from des.providers.verdict import failed_call, refused, unreadable

DIALECT = Dialect(
    gives=frozenset({VERDICT}),
    statuses=hunter.DIALECT.statuses,
    replay=hunter.DIALECT.replay,
    verifications=hunter.DIALECT.verifications,
    billing=Billing(ChargedOn.VALUE),
    operation="email_verifier",
)
LATER = 202
_PATH = "/v2/email-verifier"


class _Verified(msgspec.Struct):
    status: str | None = None
    score: float | None = None


class _Answer(msgspec.Struct):
    data: _Verified


class HunterVerifier:
    """Asks Hunter whether an address is right."""

    def __init__(self, name: str, config: HunterVerifierConfig, clock: Clock) -> None:
        """Take the provider's name and settings."""
        self._traits = DIALECT.traits(name, config, prices={VERDICT: config.price})
        self._url = config.url.rstrip("/") + _PATH
        self._price = config.price
        self._poll_after_s = config.poll_after_s
        self._clock = clock
        self._decoder = msgspec.json.Decoder(_Answer)
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"x-api-key": config.api_key.get_secret_value(), "accept": "application/json"},
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"HunterVerifier({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """One address a call, paid."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for a key or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One call for each address, in their order."""
        return [
            await self._verify(question.contact.email) if VERDICT in question.fields else MISS for question in questions
        ]

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """Ask the same again, of addresses that the vendor was still looking at."""
        return [await self._verify(address) for address in handles]

    async def _verify(self, address: str) -> Outcome:
        if not address:
            return Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS an address")
        try:
            reply = await self._transport.send("GET", f"{self._url}?{urlencode({'email': address})}")
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        return self._judge(reply, address)

    def _judge(self, reply: Reply, address: str) -> Outcome:
        if reply.status == LATER:
            return Outcome(OutcomeKind.PENDING, handle=address, poll_at=self._clock.time() + self._poll_after_s)
        kind = DIALECT.statuses.kind(reply.status)
        if kind is OutcomeKind.MISS:
            return MISS
        if kind is not OutcomeKind.FOUND:
            return refused(kind, reply, self._clock.time())
        try:
            said = self._decoder.decode(reply.body).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        word = DIALECT.verifications.get(said.status or "", Verification.UNKNOWN.value)
        value = Value(word, hunter.confidence(said.score, word), evidence=(said.status or "NO_STATUS").upper())
        return Outcome(OutcomeKind.FOUND, {VERDICT: value}, cost=0.0 if word == Verification.UNKNOWN else self._price)
