"""The sandbox bills as its vendors do, limits as they do, and fails as it is told."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from des.providers.fault import MaybeSent
from des.providers.transport import Transport
from des.sandbox.book import Book
from des.sandbox.faults import BULK_FAULTS, Fault, FaultDraw, FaultPlan, Latency, LatencyKind
from des.testing.sandbox import SandboxThread, sandbox_thread

JOHN = "first_name=John&last_name=Doe&domain=sayprimer.com"


@pytest.fixture
def running() -> Iterator[SandboxThread]:
    with sandbox_thread() as running:
        yield running


class Caller:
    """Calls a sandbox and reads JSON."""

    def __init__(self, url: str, transport: Transport) -> None:
        self._url = url
        self._transport = transport

    async def __call__(
        self, target: str, document: object = None, *, method: str = "GET", key: str = "k", fault: str = ""
    ) -> tuple[int, Any]:
        body = None if document is None else msgspec.json.encode(document)
        headers = {"x-api-key": key} | ({"x-sandbox-fault": fault} if fault else {})
        reply = await self._transport.send(method, self._url + target, headers=headers, body=body)
        is_json = (reply.header("content-type") or "").startswith("application/json")
        return reply.status, msgspec.json.decode(reply.body) if is_json and reply.body else reply.body.decode()


@pytest.fixture
async def call(running: SandboxThread) -> Any:
    async with Transport(slots=4, deadline_s=2.0) as transport:
        yield Caller(running.sandbox.url, transport)


async def bill(call: Caller, vendor: str = "hunter") -> tuple[int, float]:
    _, books = await call("/sandbox/bill")
    return books[vendor]["calls"], books[vendor]["charged"]


async def test_hunter_charges_a_person_once_and_nobody_for_a_miss(call: Caller) -> None:
    for _ in range(3):
        status, answer = await call(f"/v2/email-finder?{JOHN}")
        assert (status, answer["data"]["email"]) == (200, "john.doe@sayprimer.com")
    status, answer = await call("/v2/email-finder?full_name=Nemo%20Outis&company=Nowhere")
    assert (status, answer["data"]["email"]) == (200, None)
    assert await bill(call) == (4, 1.0)
    _, books = await call("/sandbox/bill")
    assert books["hunter"]["people"]["johndoe|sayprimer.com"] == {"calls": 3, "charged": 1.0}
    assert (await call("/sandbox/bill", method="DELETE"))[0] == 204
    assert await bill(call) == (0, 0.0)


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        (f"/v2/email-finder?{JOHN}", "wrong", 401),
        (f"/v2/email-finder?{JOHN}", "", 401),
        ("/v2/email-finder?first_name=John&last_name=Doe", "k", 400),
        ("/v2/email-finder?domain=sayprimer.com&first_name=John", "k", 400),
        (f"/v2/email-finder?{JOHN}&max_duration=99", "k", 400),
        ("/v2/email-finder?linkedin_handle=john-doe", "k", 200),
        ("/v2/account", "k", 200),
        ("/v2/account", "wrong", 401),
        ("/lookup?first_name=John&last_name=Doe", "", 400),
    ],
)
async def test_bad_requests_are_refused_and_free(call: Caller, target: str, key: str, status: int) -> None:
    assert (await call(target, key=key))[0] == status


async def test_a_person_who_asked_not_to_be_processed_is_not(call: Caller, running: SandboxThread) -> None:
    handle = next(person.handle for person in running.sandbox.population.people if person.erased)
    assert (await call(f"/v2/email-finder?linkedin_handle={handle}"))[0] == 451
    assert (await bill(call))[1] == 0.0


async def test_hunter_slows_down_by_403_and_is_spent_by_429(call: Caller) -> None:
    assert (await call("/sandbox/accounts/hunter", {"windows": [[2, 60.0]]}, method="PUT"))[0] == 200
    statuses = [(await call(f"/v2/email-finder?{JOHN}"))[0] for _ in range(3)]
    assert statuses == [200, 200, 403]
    await call("/sandbox/accounts/hunter", {"windows": [], "credits": 0}, method="PUT")
    assert (await call(f"/v2/email-finder?{JOHN}"))[0] == 200  # paid before: free
    assert (await call("/v2/email-finder?first_name=Jane&last_name=Doe&domain=sayprimer.com"))[0] == 429
    assert await bill(call) == (3, 1.0)


@pytest.mark.parametrize("fault", sorted(set(Fault) - BULK_FAULTS - {Fault.HANG, Fault.HANG_AFTER}))
async def test_a_fault_bills_where_it_comes_after_billing(call: Caller, fault: Fault) -> None:
    try:
        status, _ = await call(f"/lookup?{JOHN.replace('domain', 'company')}", fault=fault)
    except (MaybeSent, msgspec.DecodeError):
        status = 0
    before = {Fault.RATE_LIMIT, Fault.QUOTA, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.RESET_BEFORE}
    assert (await bill(call, "plain"))[0] == (0 if fault in before else 1)
    assert (status == 200) == (fault is Fault.SLOW_BODY)


async def test_control_refuses_what_makes_no_sense(call: Caller) -> None:
    assert (await call("/sandbox/faults", {"rates": {"reset_after": 2}}, method="PUT"))[0] == 400
    assert (await call("/sandbox/faults", {"rates": {"fire": 0.1}}, method="PUT"))[0] == 400
    assert (await call("/sandbox/faults", {"vendors": ["nobody"]}, method="PUT"))[0] == 400
    assert (await call("/sandbox/accounts/nobody", {}, method="PUT"))[0] == 404
    assert (await call("/lookup", fault="fire"))[0] == 400
    assert (await call("/sandbox/population.csv?share=much"))[0] == 400


async def test_faults_are_planned_and_taken_back(call: Caller) -> None:
    plan = {"rates": {"server_error": 1.0}, "vendors": ["hunter"], "latency": {"kind": "uniform", "mean_s": 0.001}}
    assert (await call("/sandbox/faults", plan, method="PUT"))[0] == 200
    assert (await call("/sandbox/faults"))[1]["rates"] == {"server_error": 1.0}
    assert (await call(f"/v2/email-finder?{JOHN}"))[0] == 500
    assert (await call(f"/v2/email-finder?{JOHN}", fault="none"))[0] == 200
    assert (await call(f"/lookup?{JOHN.replace('domain', 'company')}"))[0] == 200  # another vendor
    assert (await call("/sandbox/faults", method="DELETE"))[0] == 204
    assert (await call(f"/v2/email-finder?{JOHN}"))[0] == 200


async def test_the_population_can_be_loaded_into_a_directory(call: Caller) -> None:
    _, text = await call("/sandbox/population.csv?share=1")
    assert text.splitlines()[1].startswith("John,Doe,sayprimer.com,sayprimer.com,john.doe@sayprimer.com")


def test_faults_come_in_the_same_order_from_the_same_seed_and_as_often_as_asked() -> None:
    latency = Latency(LatencyKind.EXPONENTIAL, 0.1, 0.2)
    plan = FaultPlan(seed=3, rates={Fault.RESET_AFTER: 0.2, Fault.QUOTA: 0.1}, latency=latency)
    first, second = ([draw.draw("hunter") for _ in range(2_000)] for draw in (FaultDraw(plan), FaultDraw(plan)))
    assert first == second
    faults = [fault for _, fault in first]
    assert 300 < faults.count(Fault.RESET_AFTER) < 500
    assert 140 < faults.count(Fault.QUOTA) < 260
    assert all(0 <= delay_s <= 0.2 for delay_s, _ in first)


@pytest.mark.parametrize("kind", LatencyKind)
def test_latencies_have_the_mean_that_is_asked_for(kind: LatencyKind) -> None:
    draw = FaultDraw(FaultPlan(latency=Latency(kind, 0.1)))
    delays = [draw.draw("hunter")[0] for _ in range(20_000)]
    assert 0.095 < sum(delays) / len(delays) < 0.105
    spread = max(delays) / (sum(delays) / len(delays))
    assert (spread > 6) == (kind in {LatencyKind.EXPONENTIAL, LatencyKind.LOGNORMAL})


def test_windows_slide_and_a_refusal_does_not_count() -> None:
    book = Book(windows=((2, 1.0), (3, 10.0)))
    assert [book.permit(at) for at in (0.0, 0.5)] == [0.0, 0.0]
    assert book.permit(0.75) == 0.25
    assert book.permit(1.0) == 0.0
    assert book.permit(5.0) == 5.0
    assert book.permit(10.0) == 0.0


def test_it_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "des.sandbox", "--people", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
