"""Calls out: one HTTP request, one bounded reply, or what is known of why there is none.

The cost of a call is that of reqwest (half of aiohttp's); the price is that its exception classes do not tell what was
sent: a request that left and timed out is a `ConnectTimeoutError`, a connection reset after the send a `ConnectError`.
Only the chain of causes does: `client error (Connect)` in it proves that no byte of the request left this machine.
`classify` reads that chain, and is the only place that does. Redirects are not followed (a paid call is sent where it
was configured to go), cookies are not kept, and the environment's proxy settings are not read.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Self

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BodyDecodeError, BuilderError, DecodeError, DetailedPyreqwestError, PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest

from des.errors import ConfigError
from des.providers.account import Account
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent

BODY_BYTES_MAX = 1024 * 1024
"""Bytes of one reply, decompressed; the largest documented one of any dialect (a page of 100 people) has 1 MB."""
CONNECT_DEADLINE_S = 5.0
"""Name resolution, TCP and TLS together; at most half of the call's deadline, because only a timeout of its own proves
that a call was not sent."""
IDLE_CONNECTION_S = 30.0
"""A kept connection is dropped after this long: shorter than the 60 s of common load balancers."""
USER_AGENT = "data-enrichment-service"

_NOTHING_LEFT = "client error (Connect)"


class Reply(msgspec.Struct, frozen=True):
    """What came back, whatever the status. `body` is complete and decompressed."""

    status: int
    headers: HeaderMap
    body: bytes

    def header(self, name: str) -> str | None:
        """First value of a header, by its name in any case."""
        return self.headers.get(name)


class Transport:
    """HTTP calls of one provider, over connections of its own.

    At most `slots` connections are kept; how many calls run at once is the dispatcher's to bound. `deadline_s` covers a
    call from name resolution to the last byte of the body. `headers` go with every request (keys belong here). Each
    request takes a permit of the `account`, and each reply tells the account what it says of the permitted rate.
    """

    def __init__(
        self,
        *,
        slots: int,
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
        proxy: str | None = None,
        account: Account | None = None,
    ) -> None:
        """Take the bounds; nothing is opened before `start`."""
        self._slots = slots
        self._deadline_s = deadline_s
        self._headers = dict(headers or {})
        self._body_bytes_max = body_bytes_max
        self._proxy = proxy
        self._account = account
        self._client: Client | None = None

    def __repr__(self) -> str:
        """Bounds, and whether it is open."""
        state = "open" if self._client else "closed"
        return f"Transport({state}, slots={self._slots}, deadline_s={self._deadline_s})"

    async def start(self) -> None:
        """Open the pool (no connection yet). Raises ConfigError for a header or a proxy that cannot be used."""
        if self._client is None:
            # Off the loop: the first client of a process reads the system's certificates.
            self._client = await asyncio.to_thread(self._build)

    def _build(self) -> Client:
        builder = (
            ClientBuilder()
            .user_agent(USER_AGENT)
            .timeout(timedelta(seconds=self._deadline_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_DEADLINE_S, self._deadline_s / 2)))
            .pool_max_idle_per_host(self._slots)
            .pool_idle_timeout(timedelta(seconds=IDLE_CONNECTION_S))
            .follow_redirects(False)
            .referer(False)
        )
        try:
            builder = builder.default_headers(self._headers)
            builder = builder.proxy(ProxyBuilder.all(self._proxy)) if self._proxy else builder.no_proxy()
            return builder.build()
        except (PyreqwestError, ValueError) as error:
            raise ConfigError("a header or the proxy of a provider cannot be used: see its settings") from error

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Send once and read the whole reply.

        Raises NotSent where nothing left this machine (also where no permit could be had soon), else MaybeSent. When
        cancelled, the call is dropped wherever it stands: what was sent is then not known.
        """
        if self._client is None:
            raise NotSent(Fault.CONNECT)
        try:
            request = self._client.request(method, url)
            if headers:
                request = request.headers(headers)
            if body is not None:
                request = request.body_bytes(body)
            call = request.build_streamed()
        except ValueError as error:
            raise NotSent(Fault.UNSENDABLE) from error
        if self._account is None:
            return await self._exchange(call)
        permit = self._account.permit_now() or await self._account.permit()
        if permit is None:
            raise NotSent(Fault.NO_PERMIT)
        heard = False
        try:
            reply = await self._exchange(call)
            heard = True
        finally:
            if not heard:
                self._account.limiter.lost()
        self._account.replied(permit, reply.status, reply.headers)
        return reply

    async def _exchange(self, call: StreamRequest) -> Reply:
        """Send and read. Raises CallFailed."""
        try:
            async with call as response:
                # Fills until the amount or the end is reached; one byte more than allowed tells that there is more.
                read = await response.body_reader.read(self._body_bytes_max + 1)
                status, received = response.status, response.headers
        except PyreqwestError as error:
            raise classify(error) from error
        content = b"" if read is None else bytes(read)
        if len(content) > self._body_bytes_max:
            raise MaybeSent(Fault.BODY_TOO_LARGE)
        return Reply(status, received, content)

    async def stop(self) -> None:
        """Close every connection; calls in flight end as MaybeSent. Harmless when never started and when repeated."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()


def classify(error: PyreqwestError) -> CallFailed:
    """What a failed call proves; everything that proves nothing is MaybeSent."""
    if isinstance(error, BuilderError):
        return NotSent(Fault.UNSENDABLE)
    details = error.details if isinstance(error, DetailedPyreqwestError) else None
    causes = {cause["message"] for cause in (details and details["causes"]) or ()}
    if _NOTHING_LEFT in causes:
        if "dns error" in causes:
            return NotSent(Fault.DNS)
        return NotSent(Fault.CONNECT_TIMEOUT if "operation timed out" in causes else Fault.CONNECT)
    if isinstance(error, TimeoutError):
        return MaybeSent(Fault.TIMEOUT)
    if isinstance(error, BodyDecodeError):
        return MaybeSent(Fault.CUT_BODY)
    if isinstance(error, DecodeError):
        return MaybeSent(Fault.NOT_HTTP)
    return MaybeSent(Fault.CONNECTION_LOST)
