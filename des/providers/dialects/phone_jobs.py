"""Apollo's phone numbers, which come minutes after the call that asked for them.

A handle is `REQUEST_ID`, a space, and in JSON what the first reply had given: the phone number is added to it, so that
an address which was paid for is not lost while the number is looked for, nor when it is never found. The cost of both
is that of the outcome which ends the question. What keeps a poll from its answer costs time and nothing else: the
question stays `pending` until the vendor says that there is a result, or will never be one.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from des.clock import Clock
from des.contact import FieldType
from des.providers.contract import Outcome, OutcomeKind, Value
from des.providers.fault import CallFailed
from des.providers.rate_headers import RETRY_AFTER_S_MAX
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import retry_at

PHONE = "phone_number"
CONFIDENCE_PHONE = 0.7
"""The vendor gives no number for a phone; it comes from a profile that it matched, and nobody has called it."""
POLL_AGAIN_S = 60.0
POLLS_AT_ONCE = 8
TERMINAL = {
    (400, "invalid_request_id"): "INVALID_REQUEST_ID",
    (404, "request_id_unknown"): "REQUEST_ID_UNKNOWN",
    (410, "request_id_expired"): "REQUEST_ID_EXPIRED",
}
"""Answers after which there will never be a result, by status and code; 410 needs no code."""
PENDING = (404, "result_pending")

_PATH = "/api/v1/webhook_result/"


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A phone number that is being looked for: whose, and what is known already."""

    request_id: str
    person_id: str = ""
    country: str = ""
    values: dict[str, Value] = {}
    cost: float = 0.0

    @property
    def handle(self) -> str:
        """The job as text. Holds personal data, as the values do: never write it to a log."""
        return f"{self.request_id} {msgspec.json.encode(self).decode()}"


class _Number(msgspec.Struct):
    sanitized_number: str | None = None
    raw_number: str | None = None


class _Person(msgspec.Struct):
    id: str | None = None
    phone_numbers: list[_Number] | None = None


class _Result(msgspec.Struct):
    people: list[_Person]


class _Refusal(msgspec.Struct):
    error_code: str = ""
    retry_after_seconds: float | None = None


class PhoneJobs:
    """Makes handles, and collects what has become of them."""

    def __init__(self, url: str, transport: Transport, values: Values, clock: Clock, price: float) -> None:
        """Take where the vendor is, how to reach it, who normalises values, and the credits of one phone number."""
        self._url = url + _PATH
        self._transport = transport
        self._values = values
        self._clock = clock
        self._price = price
        self._at_once = asyncio.Semaphore(POLLS_AT_ONCE)
        self._jobs = msgspec.json.Decoder(Job)
        self._results = msgspec.json.Decoder(_Result)

    def pending(self, job: Job, poll_at: float, reason: str = "") -> Outcome:
        """The outcome of a question whose phone number comes later; `poll_at` in seconds since the epoch."""
        return Outcome(OutcomeKind.PENDING, reason=reason, reference=job.person_id, handle=job.handle, poll_at=poll_at)

    async def collect(self, handles: Sequence[str]) -> list[Outcome]:
        """One outcome for each handle, in order; one request for each request id, however many people it was about."""
        jobs = [self._read(handle) for handle in handles]
        request_ids = {job.request_id for job in jobs if job is not None}
        async with asyncio.TaskGroup() as polls:
            tasks = {request_id: polls.create_task(self._fetch(request_id)) for request_id in request_ids}
        replies = {request_id: task.result() for request_id, task in tasks.items()}
        return [
            Outcome(OutcomeKind.UNKNOWN, reason="INVALID_HANDLE") if job is None else self._judge(job, replies)
            for job in jobs
        ]

    def _read(self, handle: str) -> Job | None:
        number, _, rest = handle.partition(" ")
        if not number.removeprefix("-").isdecimal():
            return None
        try:
            return self._jobs.decode(rest) if rest else Job(number)
        except msgspec.DecodeError:
            return None

    async def _fetch(self, request_id: str) -> Reply | CallFailed:
        async with self._at_once:
            try:
                return await self._transport.send("GET", self._url + request_id)
            except CallFailed as failed:
                return failed

    def _judge(self, job: Job, replies: Mapping[str, Reply | CallFailed]) -> Outcome:
        now = self._clock.time()
        reply = replies[job.request_id]
        if isinstance(reply, CallFailed):
            return self.pending(job, now + POLL_AGAIN_S, reply.fault.value)
        if reply.status == 200:
            return self._finished(job, reply, now)
        refusal = _refusal(reply)
        ended = "REQUEST_ID_EXPIRED" if reply.status == 410 else TERMINAL.get((reply.status, refusal.error_code), "")
        if ended:
            return self._without(job, OutcomeKind.UNKNOWN, ended)
        again = retry_at(reply, now) or now + POLL_AGAIN_S
        if (reply.status, refusal.error_code) == PENDING:
            after_s = refusal.retry_after_seconds
            again = now + min(max(after_s, 0.0), RETRY_AFTER_S_MAX) if after_s is not None else again
            return self.pending(job, again)
        return self.pending(job, again, f"HTTP_{reply.status}")

    def _finished(self, job: Job, reply: Reply, now: float) -> Outcome:
        try:
            people = self._results.decode(reply.body).people
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.pending(job, now + POLL_AGAIN_S, "UNEXPECTED_BODY")
        mine = [person for person in people if person.id == job.person_id]
        if not job.person_id and len(people) == 1:
            mine = people
        if not mine:
            return self._without(job, OutcomeKind.UNKNOWN, "NOT_IN_RESULT")
        for number in (number for person in mine for number in person.phone_numbers or []):
            raw = number.sanitized_number or number.raw_number or ""
            phone = raw and self._values.normalise(FieldType.PHONE, raw, job.country)
            if phone:
                values = job.values | {PHONE: Value(phone, CONFIDENCE_PHONE)}
                return Outcome(OutcomeKind.FOUND, values, reference=job.person_id, cost=job.cost + self._price)
        return self._without(job, OutcomeKind.MISS, "NO_PHONE")

    def _without(self, job: Job, kind: OutcomeKind, reason: str) -> Outcome:
        """The end of a job that gave no number: what the first reply had given, if it had given anything."""
        kind = OutcomeKind.FOUND if job.values else kind
        return Outcome(kind, job.values, reason=reason, reference=job.person_id, cost=job.cost)


def _refusal(reply: Reply) -> _Refusal:
    try:
        return msgspec.json.decode(reply.body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Refusal()
