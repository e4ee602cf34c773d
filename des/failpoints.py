"""Named places at which a test may have this process killed: each line of the design's table of deaths.

Compiled in, and a comparison with None unless one was armed. The composition root arms what `DES_FAILPOINT`
names.
"""

import enum
import os
import signal

from des.errors import ConfigError


class Failpoint(enum.StrEnum):
    """Where the process can die; the comment says what the world looks like at that moment."""

    BEFORE_CONFIRM = "before_confirm"
    """A batch was written to the broker's socket, its confirm was not seen."""
    CONFIRMED_NOT_ANSWERED = "confirmed_not_answered"
    """The broker has confirmed, the client has no answer."""
    ACCEPT_BEFORE_COMMIT = "accept_before_commit"
    """The statements of an accept group ran, COMMIT was not sent; where one statement is all, that was not sent."""
    ACCEPT_COMMITTED_NOT_ACKED = "accept_committed_not_acked"
    """An accept group is committed, its deliveries are not acknowledged."""
    CLAIM_BEFORE_COMMIT = "claim_before_commit"
    """A paid call is about to be claimed; the claim is not committed and nothing was sent."""
    CLAIM_COMMITTED_NOT_SENT = "claim_committed_not_sent"
    """A paid call is claimed, its request has not left."""
    CALL_SENT = "call_sent"
    """A request has left for a provider, no answer came."""
    CALL_ANSWERED_NOT_COMMITTED = "call_answered_not_committed"
    """A provider has answered, nothing of it is in Postgres."""
    COMMIT_BEFORE = "commit_before"
    """The statements of a commit group ran, COMMIT was not sent."""
    COMMIT_AFTER = "commit_after"
    """A commit group is committed, nobody in this process knows yet."""
    UPDATE_BEFORE_COMMIT = "update_before_commit"
    """Options are changed and contacts resumed, COMMIT was not sent."""
    UPDATE_COMMITTED_NOT_ANSWERED = "update_committed_not_answered"
    """They are committed, the caller has no answer and no worker has heard of it."""
    OUTBOX_BEFORE_PUBLISH = "outbox_before_publish"
    """The relay holds events of committed changes, none is published."""
    EVENT_PUBLISHED_NOT_REMOVED = "event_published_not_removed"
    """Events are confirmed by the broker, their outbox rows are still there."""
    DRAIN_STARTED = "drain_started"
    """SIGTERM came, intake is closed, mail is still being drained."""


class _Armed:
    """The one point that is armed and how many hits it still lets pass."""

    def __init__(self, point: Failpoint, count: int) -> None:
        self._point = point
        self._hits_left = count

    def hit(self, point: Failpoint) -> None:
        if point is not self._point:
            return
        self._hits_left -= 1
        if self._hits_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


_armed: _Armed | None = None  # a process dies as a whole, so this is the process's and not an object's


def hit(point: Failpoint) -> None:
    """Die here if this point is armed and its turn has come."""
    if _armed is not None:
        _armed.hit(point)


def is_armed() -> bool:
    """Whether any point is armed, for a place that has to prepare for its hit."""
    return _armed is not None


def arm(point: Failpoint | None, count: int = 1) -> None:
    """Make the `count`-th hit of `point` kill this process with SIGKILL; None disarms."""
    global _armed  # noqa: PLW0603 - see _armed
    _armed = _Armed(point, count) if point is not None else None


def parse(text: str) -> tuple[Failpoint, int]:
    """Read `accept_before_commit` or `accept_before_commit:3` (the third hit). Raises ConfigError."""
    name, _, count = text.partition(":")
    count = count or "1"
    if name not in Failpoint.__members__.values() or not count.isdecimal() or int(count) < 1:
        names = ", ".join(Failpoint)
        raise ConfigError.at("failpoint", f"{text!r} is not NAME or NAME:COUNT (COUNT from 1); names: {names}")
    return Failpoint(name), int(count)
