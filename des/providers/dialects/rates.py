"""When a vendor that refused a call for its rate may be asked again, from the headers of its reply."""

from collections.abc import Sequence

from des.providers.rate_headers import Window, ends_at, reset_at, spent
from des.providers.transport import Reply
from des.providers.verdict import retry_at


def reopens_at(reply: Reply, windows: Sequence[Window], now: float) -> float | None:
    """Time (seconds since the epoch) at which every spent window is open again; None where no header tells.

    Retry-After counts where it is given. A window is spent when its header says that no request is left; where no
    header of a window with a reset says how many are left, the shortest such window is taken to be the spent one.
    """
    told = retry_at(reply, now)
    if told is not None:
        return told
    headers = reply.headers
    ends = [end for window in spent(headers, windows) if (end := ends_at(headers, window, now)) is not None]
    if ends:
        return max(ends)
    if any(headers.get(window.left) is not None for window in windows):
        return None
    resets = [reset_at(headers, window, now) for window in sorted(windows, key=lambda window: window.per_s)]
    return next((reset for reset in resets if reset is not None), None)
