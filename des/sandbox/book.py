"""The account book of one vendor: what was called and charged, by person; what is left; what is permitted."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

READY_AFTER_S = 0.5
"""Vendors that answer later take half a minute and more; nobody who rehearses wants to wait for that."""


@dataclass(slots=True)
class PersonBill:
    """Calls about one person, and credits charged for them."""

    calls: int = 0
    charged: float = 0.0


@dataclass(slots=True)
class Book:
    """One vendor's account. `credits` left (None: no end); `windows` as (count, seconds).

    `requests` that were answered; `calls`: people they were about, one by one. `charged`: what stayed with the vendor;
    `refunded`: what was taken and given back. `ready_after_s`: seconds from a submission to its answer, at vendors that
    answer later; `job_status`: how their jobs end, in their own word, where that is not by being finished.
    """

    windows: tuple[tuple[int, float], ...] = ()
    credits: float | None = None
    requests: int = 0
    calls: int = 0
    refused: int = 0
    charged: float = 0.0
    refunded: float = 0.0
    ready_after_s: float = READY_AFTER_S
    job_status: str = ""
    people: dict[str, PersonBill] = field(default_factory=dict)
    _recent: dict[float, deque[float]] = field(default_factory=dict)

    def permit(self, now: float) -> float:
        """Count a request against the windows: 0.0, or the seconds after which it would be permitted (`now` monotonic).

        A refused request does not count, as with a sliding window kept by the vendor.
        """
        wait = 0.0
        for count, per_s in self.windows:
            recent = self._recent.setdefault(per_s, deque())
            while recent and recent[0] <= now - per_s:
                recent.popleft()
            if len(recent) >= count:
                wait = max(wait, recent[0] + per_s - now)
        if wait == 0.0:
            for _, per_s in self.windows:
                self._recent[per_s].append(now)
        return wait

    def standing(self, per_s: float, now: float) -> tuple[int, float] | None:
        """Requests left in the window of that length, and seconds until the first of it is forgotten; None for none."""
        counts = [count for count, window_s in self.windows if window_s == per_s]
        if not counts:
            return None
        recent = [at for at in self._recent.get(per_s, ()) if at > now - per_s]
        return max(0, min(counts) - len(recent)), recent[0] + per_s - now if recent else per_s

    def can_pay(self, price: float) -> bool:
        """Whether that many credits are left."""
        return self.credits is None or self.credits >= price

    def bill(self, person_key: str, price: float) -> None:
        """Write one answered question about a person, and what it cost."""
        person = self.people.setdefault(person_key, PersonBill())
        person.calls += 1
        person.charged += price
        self.calls += 1
        self.charged += price
        if self.credits is not None:
            self.credits -= price

    def refund(self, person_key: str, price: float) -> None:
        """Give back what was taken for a question; what was taken before the book was cleared stands in it no more."""
        if self.credits is not None:
            self.credits += price
        person = self.people.get(person_key)
        if person is not None and person.charged >= price:
            person.charged -= price
            self.charged -= price
            self.refunded += price

    def clear(self) -> None:
        """Forget every call and charge, and every request that counts against the windows; credits stay as they are."""
        self.requests, self.calls, self.refused, self.charged, self.refunded = 0, 0, 0, 0.0, 0.0
        self.people.clear()
        self._recent.clear()

    def report(self, *, people: bool) -> dict[str, Any]:
        """The book as JSON; with every person when `people`."""
        report: dict[str, Any] = {
            "requests": self.requests,
            "calls": self.calls,
            "refused": self.refused,
            "charged": self.charged,
            "refunded": self.refunded,
            "credits": self.credits,
            "unique_people": len(self.people),
        }
        if people:
            report["people"] = {
                key: {"calls": bill.calls, "charged": bill.charged} for key, bill in self.people.items()
            }
        return report
