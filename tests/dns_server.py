"""A DNS server of our own on loopback: it answers what it is told to, refuses to, or says nothing at all (RFC 1035)."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import cast

NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
A, CNAME, MX, AAAA = 1, 5, 15, 28
_HEADER = struct.Struct("!6H")

Zone = Mapping[str, "list[tuple[int, str]] | int | None"]
"""By name: its records as (type, text; of MX the exchange), a status without any, or None for no reply."""


class DnsServer(asyncio.DatagramProtocol):
    """Answers by a zone; names that it does not hold do not exist. `asked` counts questions by name and type."""

    def __init__(self, zone: Zone) -> None:
        """Take what there is."""
        self.zone = zone
        self.asked: Counter[tuple[str, int]] = Counter()
        self.address = ""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # which is no subclass before Python 3.12

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        number = _HEADER.unpack_from(data)[0]
        name, end = _name(data, _HEADER.size)
        kind = int.from_bytes(data[end : end + 2], "big")
        question = data[_HEADER.size : end + 4]
        self.asked[name, kind] += 1
        held = self.zone.get(name, NO_SUCH_NAME)
        if held is None or self._transport is None:
            return
        status, records = (held, []) if isinstance(held, int) else (NO_ERROR, held)
        answers = [_record(one, text) for one, text in records if one in {kind, CNAME}]
        head = _HEADER.pack(number, 0x8180 | status, 1, len(answers), 0, 0)
        self._transport.sendto(head + question + b"".join(answers), addr)


@asynccontextmanager
async def dns_server(zone: Zone) -> AsyncIterator[DnsServer]:
    """A server that is up meanwhile."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DnsServer(zone), local_addr=("127.0.0.1", 0)
    )
    server.address = "127.0.0.1:{1}".format(*transport.get_extra_info("sockname"))
    try:
        yield server
    finally:
        transport.close()


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name without compression, and where it ends."""
    labels = []
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _packed(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(kind: int, text: str) -> bytes:
    """A record of the name that was asked for, which stands behind the header."""
    match kind:
        case 15:
            data = struct.pack("!H", 10) + _packed(text)
        case 5:
            data = _packed(text)
        case 1:
            data = IPv4Address(text).packed
        case _:
            raise ValueError(f"no record of type {kind} is made here")
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data
