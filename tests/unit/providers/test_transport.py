"""One test per fault: what a raw socket does, and what may be concluded from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from des.errors import ConfigError
from des.providers.fault import Fault, MaybeSent, NotSent
from des.providers.transport import Reply, Transport
from tests.unit.providers.raw_server import HEAD, Behaviour, RawServer, raw_server, reset, unused_port

DEADLINE_S = 0.3
BODY_BYTES_MAX = 1_024

Do = Callable[[RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def doing(do: Do) -> Callable[[RawServer], Behaviour]:
    return lambda server: lambda reader, writer: do(server, reader, writer)


async def send(url: str, **bounds: float) -> Reply:
    async with Transport(
        slots=2, deadline_s=bounds.get("deadline_s", DEADLINE_S), body_bytes_max=BODY_BYTES_MAX
    ) as transport:
        return await transport.send("GET", url)


async def fault_of(do: Do) -> tuple[Fault, int]:
    """The fault of a call that may have been sent, and how many requests arrived."""
    async with raw_server(doing(do)) as server:
        with pytest.raises(MaybeSent) as failed:
            await send(server.url)
        return failed.value.fault, len(server.requests)


# ---- nothing left this machine --------------------------------------------------------------------------------------


async def test_refused_was_not_sent() -> None:
    with pytest.raises(NotSent) as failed:
        await send(f"http://127.0.0.1:{unused_port()}/")
    assert failed.value.fault is Fault.CONNECT


async def test_unknown_host_was_not_sent() -> None:
    with pytest.raises(NotSent) as failed:
        await send("http://nobody.invalid/", deadline_s=5.0)
    assert failed.value.fault is Fault.DNS


async def test_a_handshake_that_hangs_was_not_sent() -> None:
    async def say_nothing(_: RawServer, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(doing(say_nothing)) as server:
        with pytest.raises(NotSent) as failed:
            await send(server.url.replace("http://", "https://"))
        assert failed.value.fault is Fault.CONNECT_TIMEOUT


async def test_a_handshake_with_no_tls_was_not_sent() -> None:
    async def speak_http(_: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(doing(speak_http)) as server:
        with pytest.raises(NotSent) as failed:
            await send(server.url.replace("http://", "https://"))
        assert failed.value.fault is Fault.CONNECT


@pytest.mark.parametrize("url", ["no url", "http://", "ftp://127.0.0.1/", "http://a b/"])
async def test_what_is_no_url_was_not_sent(url: str) -> None:
    with pytest.raises(NotSent) as failed:
        await send(url)
    assert failed.value.fault is Fault.UNSENDABLE


async def test_a_header_that_cannot_be_was_not_sent() -> None:
    async with Transport(slots=1, deadline_s=DEADLINE_S) as transport:
        with pytest.raises(NotSent) as failed:
            await transport.send("GET", "http://127.0.0.1/", headers={"x-name": "a\r\nx-injected: 1"})
    assert failed.value.fault is Fault.UNSENDABLE


async def test_before_the_start_and_after_the_stop_nothing_is_sent() -> None:
    transport = Transport(slots=1, deadline_s=DEADLINE_S)
    for _ in range(2):
        with pytest.raises(NotSent):
            await transport.send("GET", "http://127.0.0.1/")
        await transport.stop()


# ---- it may have arrived --------------------------------------------------------------------------------------------


async def test_reset_while_the_request_is_read_may_have_been_sent() -> None:
    async def do(_: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    fault, _ = await fault_of(do)
    assert fault is Fault.CONNECTION_LOST


async def test_reset_after_the_request_was_read_was_sent() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        reset(writer)

    assert await fault_of(do) == (Fault.CONNECTION_LOST, 1)


async def test_closed_after_the_request_was_read_was_sent() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.close()

    assert await fault_of(do) == (Fault.CONNECTION_LOST, 1)


async def test_no_answer_in_time_was_sent() -> None:
    """The library calls this one `ConnectTimeoutError`."""

    async def do(server: RawServer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    assert await fault_of(do) == (Fault.TIMEOUT, 1)


async def test_a_slow_body_ends_at_the_deadline() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(HEAD % 100 + b"{")
        await writer.drain()
        await reader.read()

    assert await fault_of(do) == (Fault.TIMEOUT, 1)


async def test_a_kept_connection_that_is_reset_on_reuse_was_sent() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(HEAD % 2 + b"{}")
        await writer.drain()
        await server.request(reader)
        reset(writer)

    async with (
        raw_server(doing(do)) as server,
        Transport(slots=1, deadline_s=DEADLINE_S) as transport,
    ):
        assert (await transport.send("GET", server.url)).body == b"{}"
        with pytest.raises(MaybeSent) as failed:
            await transport.send("GET", server.url)
        assert failed.value.fault is Fault.CONNECTION_LOST
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (HEAD % 100 + b'{"cut":', Fault.CUT_BODY),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Fault.CUT_BODY),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd", Fault.CUT_BODY),
        (b"\x00\x01 no protocol at all\r\n\r\n", Fault.NOT_HTTP),
        (HEAD % (BODY_BYTES_MAX + 1) + b"x" * (BODY_BYTES_MAX + 1), Fault.BODY_TOO_LARGE),
    ],
    ids=["cut", "bad chunk", "bad gzip", "garbage", "one byte too large"],
)
async def test_an_answer_that_cannot_be_read_was_sent(answer: bytes, fault: Fault) -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()

    assert await fault_of(do) == (fault, 1)


async def test_an_endless_body_is_given_up_at_its_bound() -> None:
    sent = 0

    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.request(reader)
        writer.write(HEAD % (1 << 40))
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with raw_server(doing(do)) as server:
        with pytest.raises(MaybeSent) as failed:
            await send(server.url, deadline_s=5.0)
        assert failed.value.fault is Fault.BODY_TOO_LARGE
    assert sent < 16_000_000  # what fits in buffers on the way, and no more


async def test_calls_under_way_when_it_stops_may_have_been_sent() -> None:
    arrived = asyncio.Event()

    async def do(server: RawServer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await server.request(reader)
        arrived.set()
        await reader.read()

    async with raw_server(doing(do)) as server:
        transport = Transport(slots=1, deadline_s=5.0)
        await transport.start()
        async with asyncio.TaskGroup() as group:
            call = group.create_task(_failure(transport, server.url))
            await arrived.wait()
            await transport.stop()
        assert call.result() == "MaybeSent CONNECTION_LOST"


async def _failure(transport: Transport, url: str) -> str:
    with pytest.raises(MaybeSent) as failed:
        await transport.send("GET", url)
    return f"{type(failed.value).__name__} {failed.value.fault.value}"


async def test_an_error_tells_neither_address_nor_key() -> None:
    url = f"http://127.0.0.1:{unused_port()}/?api_key=secret&first_name=john"
    with pytest.raises(NotSent) as failed:
        await send(url)
    assert "secret" not in str(failed.value)
    assert "john" not in str(failed.value)


# ---- replies --------------------------------------------------------------------------------------------------------


async def test_a_body_that_comes_in_parts_is_whole() -> None:
    body = b"x" * BODY_BYTES_MAX

    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(HEAD % len(body))
        for at in range(0, len(body), 100):
            writer.write(body[at : at + 100])
            await writer.drain()
        await reader.read()

    async with raw_server(doing(do)) as server:
        assert (await send(server.url)).body == body


async def test_redirects_are_not_followed() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(doing(do)) as server:
        reply = await send(server.url)
        assert (reply.status, reply.header("Location"), len(server.requests)) == (302, "/elsewhere", 1)


async def test_constant_and_own_headers_and_body_arrive() -> None:
    async def do(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        server.requests.append(await reader.readexactly(7))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with (
        raw_server(doing(do)) as server,
        Transport(slots=1, deadline_s=DEADLINE_S, headers={"x-api-key": "k"}) as transport,
    ):
        reply = await transport.send("POST", server.url, headers={"x-own": "o"}, body=b'{"a":1}')
        head = server.requests[0].lower()
        assert (reply.status, reply.body, server.requests[1]) == (204, b"", b'{"a":1}')
        assert b"x-api-key: k\r\n" in head
        assert b"x-own: o\r\n" in head


@pytest.mark.parametrize("bounds", [{"headers": {"x": "a\nb"}}, {"proxy": "no proxy"}])
async def test_constant_headers_and_proxies_that_cannot_be_are_refused_at_start(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        await Transport(slots=1, deadline_s=1.0, **bounds).start()
