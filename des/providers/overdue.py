"""Ends calls that their provider does not end: one timer for all calls of a dispatcher instead of one for each.

A provider bounds its own calls; this is for the one that does not. `asyncio.timeout` around each call does the same for
10 µs a call, a seventh of what a call to a fast vendor costs in all.
"""

import asyncio


class Overdue:
    """Which tasks are in a call, since when; whoever is in one for longer than the limit is cancelled."""

    def __init__(self, limit_s: float) -> None:
        """Take the seconds a call may last."""
        self._limit_s = limit_s
        self._began: dict[asyncio.Task[object], float] = {}
        self._cancelled: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[object]:
        """Enter a call with the current task, which is answered: it is in one call at a time."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is made by a task")
        loop = asyncio.get_running_loop()
        self._began[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look)
        return task

    def end(self, task: asyncio.Task[object]) -> None:
        """Leave the call, however it ended."""
        del self._began[task]
        self._cancelled.discard(task)

    def is_cause(self, task: asyncio.Task[object]) -> bool:
        """Whether the cancellation that arrived in the call is of the limit alone: then it is over with that."""
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        return task.uncancel() == 0

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
