"""Gives actors their turns: one after the other on the event loop, each turn synchronous and undivided.

An actor with mail stands in line once, however much mail it has, so that load makes its turns larger and not more. A
turn that raises ends that actor only: the supervisor hears of it and the next actor has its turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from des.clock import Clock

TURNS_S_MAX = 0.02
"""Longest run of turns before the event loop may look at its sockets again."""


class Actor(Protocol):
    """Something with a mailbox that takes turns."""

    queued: bool

    def turn(self, now: float) -> None:
        """Read the mail that is there, change state, perform the effects; `now` in seconds since the epoch."""


class Turns:
    """The line of actors that have mail."""

    def __init__(self, clock: Clock, on_failure: Callable[[Actor, Exception], None]) -> None:
        """Take the clock, and whom to tell of an actor whose turn raised."""
        self._clock = clock
        self._on_failure = on_failure
        self._line: deque[Actor] = deque()
        self._scheduled = False
        self.taken = 0

    def ready(self, actor: Actor) -> None:
        """Put an actor in line, unless it stands there already."""
        if actor.queued:
            return
        actor.queued = True
        self._line.append(actor)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """Give a turn to everyone who stands in line now; who comes meanwhile is next."""
        now = self._clock.time()
        until = self._clock.monotonic() + TURNS_S_MAX
        for _ in range(len(self._line)):
            actor = self._line.popleft()
            actor.queued = False
            self.taken += 1
            try:
                actor.turn(now)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is this actor's alone
                self._on_failure(actor, error)
            if self._clock.monotonic() > until:
                break
        self._scheduled = bool(self._line)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._run)
