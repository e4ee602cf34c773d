"""The bare provider answers each question with its own answer, pipelined ones in their order."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from bench.bare_provider import answer


@pytest.fixture(params=["0", "5"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.bare_provider", "--delay-ms", request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield urlsplit(json.loads(process.stdout.readline())["url"]).port or 0
        process.terminate()


def test_pipelined_requests_cut_anywhere_are_answered_in_order(port: int) -> None:
    requests = [b"GET /x?f=j%d&l=doe&c=a.example HTTP/1.1\r\nhost: x\r\n\r\n" % at for at in range(20)]
    stream = b"".join(requests)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for at in range(0, len(stream), 37):
            connection.sendall(stream[at : at + 37])
        expected = b"".join(map(answer, requests))
        received = b""
        while len(received) < len(expected):
            received += connection.recv(65_536)
    assert received == expected
    assert b'"email":"j7.doe@a.example"' in received
