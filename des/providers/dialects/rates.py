"""When a vendor that refused a call for its rate may be asked again, from the headers of its reply."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from des.providers.dialects.dialect import Window
from des.providers.transport import Reply
from des.providers.verdict import RETRY_AFTER_S_MAX, retry_at

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_EPOCH_S_MIN = 1e9
"""A number at least this large is a time since the epoch (2001-09-09), a smaller one seconds from now."""


def reopens_at(reply: Reply, windows: Sequence[Window], now: float) -> float | None:
    """Time (seconds since the epoch) at which every spent window is open again; None where no header tells.

    Retry-After counts where it is given. A window is spent when its header says that no request is left; where no
    header of a window with a reset says how many are left, the shortest such window is taken to be the spent one.
    """
    told = retry_at(reply, now)
    if told is not None:
        return told
    ends = [end for window in windows if _is_spent(reply, window) for end in (_end(reply, window, now),)]
    if ends:
        return max(ends)
    if any(reply.header(window.left) is not None for window in windows):
        return None
    resets = [_reset(reply, window, now) for window in sorted(windows, key=lambda window: window.per_s)]
    return next((reset for reset in resets if reset is not None), None)


def _is_spent(reply: Reply, window: Window) -> bool:
    text = (reply.header(window.left) or "").strip()
    return bool(_NUMBER.fullmatch(text)) and float(text) == 0.0


def _end(reply: Reply, window: Window, now: float) -> float:
    reset = _reset(reply, window, now)
    return now + min(window.per_s, RETRY_AFTER_S_MAX) if reset is None else reset


def _reset(reply: Reply, window: Window, now: float) -> float | None:
    text = (reply.header(window.reset) or "").strip() if window.reset else ""
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        at = float(text) if float(text) >= _EPOCH_S_MIN else now + float(text)
    else:
        date = _date(text)
        if date is None:
            return None
        at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return min(max(at, now), now + RETRY_AFTER_S_MAX)


def _date(text: str) -> datetime | None:
    """A date as in ISO 8601 or RFC 5322; without a zone it is UTC."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(text)
        except ValueError:
            continue
    return None
