"""Ends calls that their provider does not end: one timer for all calls of a dispatcher instead of one for each.

A provider bounds its own calls; this is for the one that does not. `asyncio.timeout` around each call does the same for
10 µs a call, a seventh of what a call to a fast vendor costs in all.
"""

import asyncio
from typing import Any


class Overdue:
    """Which tasks are in a call, since when; whoever is in one for longer than the limit is cancelled."""

    def __init__(self, limit_s: float) -> None:
        """Take the seconds a call may last."""
        self._limit_s = limit_s
        self._began: dict[asyncio.Task[Any], float] = {}
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Enter a call with the current task; it is in one call at a time."""
        loop = asyncio.get_running_loop()
        self._began[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look)

    def end(self, task: asyncio.Task[Any]) -> None:
        """Leave the call, however it ended."""
        del self._began[task]
        self._cancelled.discard(task)

    def is_cause(self, task: asyncio.Task[Any]) -> bool:
        """Whether the cancellation that arrived in the call is of the limit alone: then it is over with that."""
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        return task.uncancel() == 0

    @property
    def newest_s(self) -> float:
        """Seconds since the last of the calls that are out began; 0 where none is."""
        began = next(reversed(self._began.values()), None)
        return 0.0 if began is None else asyncio.get_running_loop().time() - began

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Cancel what is over the limit; the oldest call comes first, since each enters at the end."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, began in self._began.items():
            left_s = began + self._limit_s - loop.time()
            if left_s > 0:
                self._timer = loop.call_later(left_s, self._look)
                return
            if task not in self._cancelled:
                self._cancelled.add(task)
                task.cancel()


def current_task() -> asyncio.Task[Any]:
    """The task that runs this, which a slot asks for once: Python 3.11 takes 3 µs to tell."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a call is made by a task")
    return task
