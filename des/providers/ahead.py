"""How many questions are claimed before there is a call for them.

A call waits for its claim, and a claim is a transaction: claimed one by one, calls to a fast vendor would wait most of
the time. So while calls are under way the next are claimed, together, and only as many as are sent in a moment: what is
claimed and not sent when the process dies is `unknown` afterwards, as if it had been sent.
"""

from des.providers.contract import Traits

AHEAD_S = 0.05
"""Claims stand ready for so many seconds of sending, beside those in which the next are decided."""
AHEAD_LOADS = 8
"""And for so many calls of each slot at most."""
PACE_KEPT = 0.9
"""What a slower round leaves of the pace that was seen before."""
RATE_AHEAD_S = 0.02
"""Of a vendor that permits so many calls a second, what it permits in this long is claimed at once."""


class Ahead:
    """The pace at which questions are sent, and what follows from it."""

    __slots__ = ("_load", "_most", "_pace", "_takes_s")

    def __init__(self, traits: Traits) -> None:
        """Take slots, questions a call, and the permitted rates."""
        self._load = traits.batch_max
        loads = traits.slots
        for calls, per_s in traits.rate_windows:
            loads = min(loads, max(1, int(calls / per_s * RATE_AHEAD_S)))
        self._most = loads * traits.batch_max
        self._pace = self._takes_s = 0.0

    def decided(self, sent: int, seconds: float) -> None:
        """Hear how long it took to decide claims, and how many questions were sent meanwhile."""
        self._takes_s = seconds
        self._pace = max(sent / seconds if seconds > 0 else 0.0, self._pace * PACE_KEPT)

    def room(self, idle: int, ready: int) -> int:
        """Questions to be claimed now, where so many slots have nothing to do and so many claimed questions wait.

        Nothing while enough stand ready until others can be: a large transaction costs less than many small ones.
        """
        wanted = min(idle * self._load, self._most)
        if ready >= max(1, wanted) + 1.5 * self._pace * self._takes_s:
            return 0
        ahead = self._pace * (AHEAD_S + 2 * self._takes_s)
        return wanted + min(int(ahead), AHEAD_LOADS * self._most) - ready
