"""How many questions are claimed before there is a call for them.

A call waits for its claim, and a claim is a transaction: claimed one by one, calls to a fast vendor would wait most of
the time. So while calls are under way the next are claimed, together, and only as many as are sent before another claim
could be decided: what is claimed and not sent when the process dies is `unknown` afterwards, as if it had been sent.
"""

from des.providers.contract import Traits

CLAIMS_AHEAD = 6.0
"""Claims that stand ready, in multiples of what is sent while one transaction of claims is decided."""
PACE_KEPT = 0.9
"""What a slower round leaves of the pace that was seen before."""
RATE_AHEAD_S = 0.02
"""Of a vendor that permits so many calls a second, what it permits in this long is claimed at once."""


class Ahead:
    """The pace at which questions are sent, and what follows from it."""

    __slots__ = ("_load", "_most", "_pace")

    def __init__(self, traits: Traits) -> None:
        """Take slots, questions a call, and the permitted rates."""
        self._load = traits.batch_max
        loads = traits.slots
        for calls, per_s in traits.rate_windows:
            loads = min(loads, max(1, int(calls / per_s * RATE_AHEAD_S)))
        self._most = loads * traits.batch_max
        self._pace = 0.0

    def decided(self, sent: int) -> None:
        """Hear how many questions were sent while claims were being decided."""
        self._pace = max(float(sent), self._pace * PACE_KEPT)

    def room(self, idle: int, ready: int) -> int:
        """Questions to be claimed now, where so many slots have nothing to do and so many claimed questions wait.

        Nothing while enough stand ready: a few large transactions cost less than many small ones.
        """
        ahead = min(int(self._pace * CLAIMS_AHEAD), 4 * self._most)
        wanted = min(idle * self._load, self._most) + ahead
        return wanted - ready if ready <= self._pace * 1.5 + idle * self._load - (idle > 0) else 0
