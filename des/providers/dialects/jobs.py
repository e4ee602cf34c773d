"""Vendors that answer later: what becomes of a question between its submission and its answer.

    submitted ──▶ pending ──poll_after_s──▶ collected ──▶ the answer
                     ▲                          │ not ready, or the poll itself failed
                     └──────────────────────────┘ until `deadline_s` after the submission: then unknown

A poll costs time and nothing else, so nothing that a poll meets ends a question but the vendor's own word or the
deadline. Handles of one request are collected by one poll, and every one of them gets what is its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from des.contact import FREE
from des.providers.contract import Outcome, OutcomeKind
from des.providers.fault import CallFailed
from des.providers.transport import Reply
from des.providers.verdict import retry_at

POLLS_AT_ONCE = 8
INVALID_HANDLE = Outcome(OutcomeKind.UNKNOWN, reason="INVALID_HANDLE")
GIVEN_UP = "GIVEN_UP"


class Job(Protocol):
    """One question of a request: what its handle says."""

    @property
    def request_id(self) -> str:
        """The vendor's id of the request that it rides in."""

    @property
    def sent_at(self) -> float:
        """When it was submitted, in seconds since the epoch."""

    @property
    def handle(self) -> str:
        """The job as text."""


AnyJob = TypeVar("AnyJob", bound=Job)


class Waiting:
    """When to look again, and when to give up. Seconds, and seconds since the epoch."""

    def __init__(self, poll_after_s: float, deadline_s: float) -> None:
        """Take how long to wait before each look, and how long after the submission there is still hope."""
        self._poll_after_s = poll_after_s
        self._deadline_s = deadline_s

    def outcome(
        self, job: Job, now: float, reason: str = "", *, cost: float = FREE, again_at: float | None = None
    ) -> Outcome:
        """Outcome of a job that has no answer: `pending` with its handle, or `unknown` once its time is over.

        `cost`: credits that the vendor holds for it. `again_at`: when the vendor said to come again.
        """
        ends = job.sent_at + self._deadline_s
        if now >= ends:
            reason = f"{GIVEN_UP}: {reason}" if reason else GIVEN_UP
            return Outcome(OutcomeKind.UNKNOWN, reason=reason, reference=job.request_id, cost=cost)
        poll_at = min(again_at or now + self._poll_after_s, ends)
        return Outcome(
            OutcomeKind.PENDING, reason=reason, reference=job.request_id, cost=cost, handle=job.handle, poll_at=poll_at
        )

    def unanswered(self, job: Job, reply: Reply | CallFailed, now: float, *, cost: float = FREE) -> Outcome:
        """Outcome after a poll that was refused, or got no reply: as `outcome`, with why and what Retry-After asks."""
        if isinstance(reply, CallFailed):
            return self.outcome(job, now, reply.fault.value, cost=cost)
        return self.outcome(job, now, f"HTTP_{reply.status}", cost=cost, again_at=retry_at(reply, now))


async def collect(
    handles: Sequence[str],
    read: Callable[[str], AnyJob | None],
    fetch: Callable[[str], Awaitable[Reply | CallFailed]],
    judge: Callable[[Sequence[AnyJob], Reply | CallFailed], Sequence[Outcome]],
) -> list[Outcome]:
    """One outcome for each handle, in order, by one `fetch` for each request.

    `read` makes a job of a handle, or None where it is none: that ends `unknown`, and nobody is asked. `judge` gets the
    jobs of one request and its reply, and answers an outcome for each of them.
    """
    jobs = [read(handle) for handle in handles]
    places: dict[str, list[int]] = {}
    for at, job in enumerate(jobs):
        if job is not None:
            places.setdefault(job.request_id, []).append(at)
    at_once = asyncio.Semaphore(POLLS_AT_ONCE)

    async def poll(request_id: str) -> Reply | CallFailed:
        async with at_once:
            return await fetch(request_id)

    async with asyncio.TaskGroup() as polls:
        tasks = {request_id: polls.create_task(poll(request_id)) for request_id in places}
    outcomes = [INVALID_HANDLE] * len(handles)
    for request_id, mine in places.items():
        together = [job for at in mine if (job := jobs[at]) is not None]
        for at, outcome in zip(mine, judge(together, tasks[request_id].result()), strict=True):
            outcomes[at] = outcome
    return outcomes


def is_id(text: str) -> bool:
    """Whether it can be a vendor's id of a request, and stand in a path and in a handle."""
    return 0 < len(text) <= 128 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
