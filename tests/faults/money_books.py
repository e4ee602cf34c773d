"""The books: what a vendor billed, what the ledger says, what the receipts say; and what must be true of all three.

Every check is a function of the `Books` alone and names what it finds, so that tests, the campaign and the mutations
use the same ones. Amounts are whole millionths, as in the ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from des.contact import Contact, FieldResult, FieldState
from des.ledger import CallState, millionths
from des.providers.names import person_key
from des.sandbox.inquiry import Inquiry

COMMIT_S = 1.0
"""A settlement may have begun so long before it showed: `settled_at` is the beginning of its transaction."""
OPEN = frozenset({CallState.CLAIMED, CallState.PENDING, CallState.UNKNOWN})

_CALLS = """select id, provider, person, erid, state, reserved, charged, replayed,
        extract(epoch from settled_at)::float8 as settled_at from call"""
_BUDGETS = "select scope, name, reserved, spent, cap from budget"
_FIELDS = "select erid, fields from contact"


class Bill(NamedTuple):
    """What a vendor's own book has of one person: questions answered, and credits kept for them."""

    calls: int
    charged: int


class Call(NamedTuple):
    """A row of the ledger."""

    id: UUID
    provider: str
    person: str
    erid: UUID
    state: CallState
    reserved: int
    charged: int
    replayed: bool = False
    settled_at: float | None = None
    """In seconds since the epoch."""


class Budget(NamedTuple):
    """A row of table `budget`."""

    scope: str
    name: str
    reserved: int
    spent: int
    cap: int | None = None
    """Of an ERID; those of tenants and providers are settings."""


class Charge(NamedTuple):
    """A cost on a receipt: for a value, or for an attempt that found nothing."""

    erid: UUID
    provider: str
    call_id: UUID | None
    cost: int


@dataclass(frozen=True)
class Books:
    """One vendor's bill by person, the ledger, and every cost that stands on a receipt.

    `price`: the most that one question costs. `cap`: the most the tenant may spend at the provider, None for no bound.
    `no_room_at`: when the last contact ended for want of room in it, in seconds since the epoch.
    """

    bills: Mapping[str, Bill]
    calls: Sequence[Call]
    budgets: Sequence[Budget]
    receipts: Sequence[Charge]
    price: int
    cap: int | None = None
    no_room_at: float = 0.0

    @property
    def billed(self) -> int:
        """Credits of all bills."""
        return sum(bill.charged for bill in self.bills.values())

    @property
    def charged(self) -> int:
        """Credits of all settled calls."""
        return sum(call.charged for call in self.calls)

    @property
    def won_back_last(self) -> int:
        """Credits that counted as spent, for want of an answer, until everybody had ended for want of them.

        Those calls cost nothing when they were asked again; it was when nobody was told any more that there is no room.
        """
        return sum(
            call.reserved - call.charged
            for call in self.calls
            if call.replayed and call.settled_at is not None and call.settled_at > self.no_room_at - COMMIT_S
        )

    @property
    def unknown(self) -> Sequence[Call]:
        """Calls that got no answer."""
        return [call for call in self.calls if call.state is CallState.UNKNOWN]


Check = Callable[[Books], list[str]]


def bills_are_charged(books: Books) -> list[str]:
    """The vendor has of each person what the ledger has, but for each call listed unknown: that may be billed, once."""
    charged: Counter[str] = Counter()
    unsure: Counter[str] = Counter()
    for call in books.calls:
        charged[call.person] += call.charged
        unsure[call.person] += call.reserved if call.state is CallState.UNKNOWN else 0
    people = charged.keys() | books.bills.keys()
    bills = {person: books.bills.get(person, Bill(0, 0)).charged for person in people}
    return [
        f"{person}: billed {bills[person]}, charged {charged[person]}, unknown {unsure[person]}"
        for person in sorted(people)
        if not charged[person] <= bills[person] <= charged[person] + unsure[person]
    ]


def nobody_is_paid_for_twice(books: Books) -> list[str]:
    """No person cost more than one question does."""
    return [f"{person}: {bill}" for person, bill in books.bills.items() if bill.charged > books.price]


def nothing_is_sent_unclaimed(books: Books) -> list[str]:
    """Whoever the vendor was asked about stands in the ledger."""
    claimed = {call.person for call in books.calls}
    return [f"{person}: {bill}" for person, bill in books.bills.items() if person not in claimed]


def a_question_is_open_once(books: Books) -> list[str]:
    """No person has two open calls at a provider."""
    open_ = Counter((call.provider, call.person) for call in books.calls if call.state in OPEN)
    return [f"{key}: {count} open calls" for key, count in open_.items() if count > 1]


def budgets_are_their_calls(books: Books) -> list[str]:
    """Each budget has reserved what its open calls hold, and spent what its settled ones cost."""
    sums: dict[tuple[str, str], list[int]] = {(one.scope, one.name): [0, 0] for one in books.budgets}
    for call in books.calls:
        for scope in (("tenant", ""), ("provider", call.provider), ("erid", str(call.erid))):
            of = sums.setdefault(scope, [0, 0])
            of[0] += call.reserved if call.state in OPEN else 0
            of[1] += call.charged
    found = {(one.scope, one.name): [one.reserved, one.spent] for one in books.budgets}
    return [f"{scope}: {found.get(scope)} instead of {of}" for scope, of in sums.items() if found.get(scope) != of]


def the_cap_holds(books: Books) -> list[str]:
    """Neither the ledger nor the vendor has passed the cap, by any amount."""
    if books.cap is None:
        return []
    used = max((one.reserved + one.spent for one in books.budgets if one.scope == "provider"), default=0)
    over = [f"{what} {amount} of {books.cap}" for what, amount in (("used", used), ("billed", books.billed))
            if amount > books.cap]  # fmt: skip
    return [*over, *_beyond_the_ledger(books)] if over else []


def the_caps_of_erids_hold(books: Books) -> list[str]:
    """No ERID has used more than its cap."""
    return [f"{one}" for one in books.budgets if one.cap is not None and one.reserved + one.spent > one.cap]


def _beyond_the_ledger(books: Books) -> list[str]:
    """Whoever was billed more than the ledger holds for them, with their calls: where to look first."""
    held: Counter[str] = Counter()
    for call in books.calls:
        held[call.person] += call.charged + (call.reserved if call.state in OPEN else 0)
    beyond = {person for person, bill in books.bills.items() if bill.charged > held[person]}
    return [f"{call}" for call in books.calls if call.person in beyond]


def receipts_are_charged(books: Books) -> list[str]:
    """Each charge stands on one receipt, of the ERID that is charged, whether it bought a value or a miss."""
    shown: defaultdict[UUID | None, list[Charge]] = defaultdict(list)
    for charge in books.receipts:
        shown[charge.call_id].append(charge)
    wrong = [f"of no call: {charge}" for charge in shown.pop(None, ())]
    for call in books.calls:
        expected = [Charge(call.erid, call.provider, call.id, call.charged)] if call.charged else []
        found = shown.pop(call.id, [])
        if found != expected:
            wrong.append(f"{call}: on its receipts stands {found}")
    return [*wrong, *(f"of no call: {found}" for found in shown.values())]


def nothing_is_left_open(books: Books) -> list[str]:
    """Every call has ended: settled, released, or listed unknown."""
    left = [call for call in books.calls if call.state in {CallState.CLAIMED, CallState.PENDING}]
    return [f"{call.person}: {call.state.value} {call.id}" for call in left]


ALWAYS: Sequence[Check] = (
    nobody_is_paid_for_twice,
    nothing_is_sent_unclaimed,
    a_question_is_open_once,
    budgets_are_their_calls,
    the_cap_holds,
    the_caps_of_erids_hold,
)
"""What holds at every moment, whatever has just died."""
AT_REST: Sequence[Check] = (*ALWAYS, bills_are_charged, receipts_are_charged, nothing_is_left_open)
"""What holds when everything has come to its end."""


def violations(books: Books, checks: Sequence[Check] = AT_REST) -> dict[str, list[str]]:
    """What is wrong, by the name of the check; empty when nothing is."""
    found = {check.__name__: check(books) for check in checks}
    return {name: wrong for name, wrong in found.items() if wrong}


async def read_books(
    database: asyncpg.Connection,
    report: Mapping[str, Any],
    people: Mapping[str, str],
    price: float,
    cap: float | None = None,
) -> Books:
    """Read the ledger and the receipts beside a vendor's report; `people`: our key of each person by the vendor's."""
    bills = {people[key]: Bill(bill["calls"], millionths(bill["charged"])) for key, bill in report["people"].items()}
    calls = [Call(*row)._replace(state=CallState(row["state"])) for row in await database.fetch(_CALLS)]
    budgets = [Budget(*row) for row in await database.fetch(_BUDGETS)]
    results = [
        (row["erid"], result)
        for row in await database.fetch(_FIELDS)
        for result in msgspec.json.decode(row["fields"], type=dict[str, FieldResult]).values()
    ]
    receipts = [
        Charge(erid, one.provider, one.call_id, millionths(one.cost))
        for erid, result in results
        for one in result.lines
        if one.cost
    ]
    no_room_at = max((result.at for _, result in results if result.state is FieldState.OVER_BUDGET), default=0.0)
    cap_ = None if cap is None else millionths(cap)
    return Books(bills, calls, budgets, receipts, millionths(price), cap_, no_room_at)


def vendor_key(contact: Contact) -> str:
    """Under which the vendor has a contact that is asked for by name and domain."""
    return Inquiry(f"{contact.first_name} {contact.last_name}".strip(), contact.company_domain).key


def keys_of(contacts: Sequence[Contact]) -> dict[str, str]:
    """Our key of each contact, by the vendor's; those are left out whom one of the two takes for another."""
    pairs = {(vendor_key(contact), person_key(contact)) for contact in contacts}
    theirs, ours = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
    return {vendor: person for vendor, person in pairs if theirs[vendor] == 1 and ours[person] == 1}
