"""Claimed questions on their way into calls: put together to loads, which go out full or when they have lingered."""

from collections import deque
from collections.abc import Iterator, Sequence

from des.clock import Clock
from des.providers.ahead import Ahead
from des.providers.ask import Asker
from des.providers.contract import Traits
from des.providers.paying import Paying


class Loads:
    """Questions of any ERID in the order of their claims. A load is what one call carries, `batch_max` of them."""

    def __init__(self, traits: Traits, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._load_max = traits.batch_max
        self._linger_s = traits.linger_s
        self._ready: deque[Paying] = deque()
        self._due_at = 0.0
        self._ahead = Ahead(traits)

    def __len__(self) -> int:
        """Questions waiting for their call."""
        return len(self._ready)

    def __iter__(self) -> Iterator[Paying]:
        """Those questions."""
        return iter(self._ready)

    def room(self, idle: int) -> int:
        """Questions to be claimed now, where so many slots have nothing to do."""
        return self._ahead.room(idle, len(self._ready))

    def put(self, claimed: Sequence[Paying], sent: int, seconds: float) -> int:
        """Take what was claimed in so long, while so many questions were sent; answer how many loads there are."""
        self._ahead.decided(sent, seconds)
        if not self._ready:
            self._due_at = self._clock.monotonic() + self._linger_s
        self._ready.extend(claimed)
        return -(-len(self._ready) // self._load_max)

    def delay_s(self) -> float:
        """Seconds until what is there goes out though it fills no load; 0 where it does, or has lingered."""
        return 0.0 if len(self._ready) >= self._load_max else max(0.0, self._due_at - self._clock.monotonic())

    def take(self) -> list[Paying]:
        """Questions for one request; those that are left linger anew.

        What is sent again rides alone: a request's cost is shared out over its people, and those who were charged the
        first time are free in it, and would take a share of what the others cost.
        """
        is_replay = self._ready[0].is_replay
        load: list[Paying] = []
        others: list[Paying] = []
        while self._ready and len(load) < self._load_max:
            one = self._ready.popleft()
            (load if one.is_replay is is_replay else others).append(one)
        self._ready.extendleft(reversed(others))
        self._due_at = self._clock.monotonic() + self._linger_s
        return load

    def withdraw(self, asker: Asker | None = None) -> list[Paying]:
        """Take out those of an asker, or all of them."""
        out = [one for one in self._ready if asker is None or one.ask.asker is asker]
        if out:
            self._ready = deque([one for one in self._ready if asker is not None and one.ask.asker is not asker])
        return out
