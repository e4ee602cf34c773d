"""What the headers of a reply say of the permitted rate: what is left of a window, when it ends, when to come again.

Every vendor spells it in its own way; the names are data of its dialect, the forms of the values are read here: seconds
from now, a time since the epoch in seconds or milliseconds, a date as in ISO 8601 or HTTP.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

RETRY_AFTER_S_MAX = 24 * 3600.0
"""A wait that a vendor asks for is believed up to a day."""

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_EPOCH_S_MIN = 1e9
"""A number at least this large is a time since the epoch (2001-09-09), a smaller one seconds from now."""
_EPOCH_MS_MIN = 1e12
"""One at least this large is a time in milliseconds."""


class Headers(Protocol):
    """Headers of a reply, by name in any case."""

    def get(self, name: str, /) -> str | None:
        """First value of a header."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where replies tell of one window of the permitted rate.

    `per_s`: its length in seconds, 0 where it is not known: then it counts only with a reset. `left`: header with the
    requests left in it. `reset`: header with its end, in seconds from now, since the epoch or as a date; "" where there
    is none, and the window's whole length is waited.
    """

    per_s: float
    left: str
    reset: str = ""


COMMON: Final = (
    Window(0.0, "x-ratelimit-remaining", "x-ratelimit-reset"),
    Window(0.0, "x-rate-limit-remaining", "x-rate-limit-reset"),
    Window(0.0, "ratelimit-remaining", "ratelimit-reset"),
)
"""How most APIs tell it, for one whose own way is not described: GitHub's and Twitter's names, and those of the IETF's
draft (draft-ietf-httpapi-ratelimit-headers, to version 07)."""


def _told(headers: Headers, name: str) -> str:
    """Text of a header; "" where it is not there, or is no text."""
    try:
        return (headers.get(name) or "").strip()
    except ValueError:  # bytes that are no UTF-8
        return ""


def left_in(headers: Headers, window: Window) -> int | None:
    """Requests left in a window; None where it is not told, or is no number."""
    text = _told(headers, window.left)
    return int(float(text)) if _NUMBER.fullmatch(text) else None


def reset_at(headers: Headers, window: Window, now: float) -> float | None:
    """When a window ends, in seconds since the epoch, within a day from `now`; None where it is not told."""
    text = _told(headers, window.reset) if window.reset else ""
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        at = number / 1_000 if number >= _EPOCH_MS_MIN else number if number >= _EPOCH_S_MIN else now + number
    else:
        date = _date(text)
        if date is None:
            return None
        at = date.timestamp()
    return min(max(at, now), now + RETRY_AFTER_S_MAX)


def retry_after(headers: Headers, now: float) -> float | None:
    """Time (seconds since the epoch) that Retry-After names, in seconds or as a date (RFC 9110, 10.2.3)."""
    text = _told(headers, "retry-after")
    if text.isascii() and text.isdigit():
        return now + min(float(text), RETRY_AFTER_S_MAX)
    date = _date(text, [parsedate_to_datetime])
    return None if date is None else min(max(date.timestamp(), now), now + RETRY_AFTER_S_MAX)


def ends_at(headers: Headers, window: Window, now: float) -> float | None:
    """When a window is open again at the latest: its reset, else its length from now; None where neither is known."""
    at = reset_at(headers, window, now)
    if at is None and window.per_s:
        return now + min(window.per_s, RETRY_AFTER_S_MAX)
    return at


def spent(headers: Headers, windows: Sequence[Window]) -> list[Window]:
    """Windows of which nothing is left."""
    return [window for window in windows if left_in(headers, window) == 0]


def _date(
    text: str, ways: Sequence[Callable[[str], datetime]] = (datetime.fromisoformat, parsedate_to_datetime)
) -> datetime | None:
    """A date as in ISO 8601 or RFC 5322, of a year that there is; without a zone it is UTC."""
    for parse in ways:
        try:
            date = parse(text)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            date.timestamp()
        except (ValueError, OverflowError):
            continue
        else:
            return date
    return None
