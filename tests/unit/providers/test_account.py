"""What replies tell of the permitted rate, in every vendor's way: real requests to a server that answers so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from des.clock import SystemClock
from des.providers.account import Account
from des.providers.dialects import apollo, dropcontact, fullenrich, hunter, pdl, prospeo
from des.providers.fault import Fault, NotSent
from des.providers.rate_headers import COMMON, Window
from des.providers.transport import Transport
from tests.integration.broker.waiting import one_turn
from tests.unit.providers.raw_server import Behaviour, RawServer, raw_server

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class StoppedClock:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return NOW + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await one_turn()


def telling(status: int, headers: Mapping[str, str]) -> Callable[[RawServer], Behaviour]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reply = f"HTTP/1.1 {status} Said\r\n{lines}content-length: 2\r\n\r\n{{}}".encode(errors="surrogateescape")

    def behave(server: RawServer) -> Behaviour:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await server.request(reader)
                writer.write(reply)

        return answer

    return behave


@contextlib.asynccontextmanager
async def vendor(
    status: int, headers: Mapping[str, str], account: Account
) -> AsyncIterator[tuple[RawServer, Transport]]:
    async with (
        raw_server(telling(status, headers)) as server,
        Transport(slots=4, deadline_s=5.0, account=account) as transport,
    ):
        yield server, transport


def date(after_s: float) -> datetime:
    return datetime.fromtimestamp(NOW + after_s, UTC)


@pytest.mark.parametrize(
    ("windows", "status", "headers", "delay_s"),
    [
        (
            pdl.DIALECT.windows,
            200,
            {"x-ratelimit-remaining.minute": "0", "x-ratelimit-reset": date(30).isoformat()},
            30,
        ),
        (pdl.DIALECT.windows, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000020"}, 20),
        (pdl.DIALECT.windows, 200, {"x-ratelimit-remaining.day": "0"}, 3_600),
        (apollo.DIALECT.windows, 200, {"x-minute-requests-left": "0"}, 60),
        (apollo.DIALECT.windows, 200, {"x-minute-requests-left": "9", "x-24-hour-requests-left": "0"}, 3_600),
        (apollo.DIALECT.windows, 429, {"retry-after": "17"}, 17),
        (prospeo.DIALECT.windows, 200, {"x-minute-request-left": "0", "x-minute-reset-seconds": "12"}, 12),
        (prospeo.DIALECT.windows, 200, {"x-daily-request-left": "0", "x-daily-reset-seconds": "700"}, 700),
        (hunter.DIALECT.windows, 403, {}, 0),
        (dropcontact.DIALECT.windows, 429, {"retry-after": "3"}, 3),
        (fullenrich.DIALECT.windows, 429, {"retry-after": format_datetime(date(40), usegmt=True)}, 40),
        (COMMON, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, 5),
        (COMMON, 200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1790000007"}, 7),
        (COMMON, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000008000"}, 8),
        (COMMON, 200, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": date(9).isoformat()}, 9),
        (COMMON, 200, {"ratelimit-remaining": "0", "ratelimit-reset": "11"}, 11),
        (COMMON, 503, {"retry-after": "120"}, 120),
        (COMMON, 200, {"retry-after": "120"}, 0),
        (COMMON, 200, {"x-ratelimit-remaining": "0"}, 0),
        (COMMON, 200, {"x-ratelimit-remaining": "none", "x-ratelimit-reset": "5"}, 0),
        (COMMON, 200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "5"}, 0),
    ],
)
async def test_what_a_reply_tells_is_believed(
    windows: Sequence[Window], status: int, headers: Mapping[str, str], delay_s: float
) -> None:
    clock = StoppedClock()
    account = Account(clock, (), windows)
    async with vendor(status, headers, account) as (server, transport):
        await transport.send("GET", server.url)
    assert account.limiter.delay_s(clock.monotonic()) == pytest.approx(delay_s)


async def test_what_is_left_counts_down_without_another_word() -> None:
    clock = StoppedClock()
    account = Account(clock, ((100, 60.0),), COMMON)
    async with vendor(200, {"x-ratelimit-remaining": "2", "x-ratelimit-reset": "5"}, account) as (server, transport):
        await transport.send("GET", server.url)
    for _ in range(2):
        assert account.limiter.delay_s(0.0) == 0
        account.limiter.send(0.0)
    assert account.limiter.delay_s(0.0) == pytest.approx(5.0)


async def test_our_own_windows_hold_where_the_vendor_says_nothing_or_more() -> None:
    clock = StoppedClock()
    account = Account(clock, ((2, 10.0),), COMMON)
    headers = {"x-ratelimit-remaining": "99", "x-ratelimit-reset": "5"}
    async with vendor(200, headers, account) as (server, transport):
        await transport.send("GET", server.url)
        await transport.send("GET", server.url)
        with pytest.raises(NotSent) as refused:
            await transport.send("GET", server.url)
        assert refused.value.fault is Fault.NO_PERMIT
        assert len(server.requests) == 2
        clock.now = 10.0
        await transport.send("GET", server.url)
        assert len(server.requests) == 3


async def test_a_request_waits_a_moment_for_its_permit() -> None:
    clock = StoppedClock()
    account = Account(clock, ((1, 0.5),), COMMON)
    async with vendor(200, {}, account) as (server, transport):
        await transport.send("GET", server.url)
        await transport.send("GET", server.url)
    assert len(server.requests) == 2
    assert clock.now >= 0.5


async def test_a_request_that_got_no_answer_counts_and_is_no_longer_in_flight() -> None:
    account = Account(SystemClock(), ((1, 60.0),), COMMON)

    def behave(server: RawServer) -> Behaviour:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)

        return hang_up

    async with raw_server(behave) as server, Transport(slots=1, deadline_s=5.0, account=account) as transport:
        with pytest.raises(Exception, match="CONNECTION_LOST"):
            await transport.send("GET", server.url)
    assert account.limiter.in_flight == 0
    assert account.limiter.delay_s(SystemClock().monotonic()) > 50


@pytest.mark.parametrize("text", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "9999-12-31T23:59:59-23:59", "\udcff", "now"])
@pytest.mark.parametrize("status", [200, 429])
async def test_a_header_that_cannot_be_read_costs_no_reply(status: int, text: str) -> None:
    account = Account(SystemClock(), ((1_000, 60.0),), COMMON)
    headers = {"x-ratelimit-remaining": "9", "x-ratelimit-reset": text, "retry-after": text}
    for _ in range(12):  # more than are left, were they thought to be in flight still
        async with vendor(status, headers, account) as (server, transport):
            assert (await transport.send("GET", server.url)).status == status
    assert account.limiter.delay_s(SystemClock().monotonic()) == 0
