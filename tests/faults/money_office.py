"""An engine in this process that buys from a vendor of the sandbox: what the ledger promises, without a broker.

Several offices on one database are several workers; one that is closed and opened again is a worker that ended and its
successor. The vendor's book, the ledger and the receipts are read as in the campaign (money_books.py).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec

from des.actors.engine import Engine
from des.clock import SystemClock
from des.config_providers import ApolloConfig, FullEnrichConfig, HunterConfig, PdlConfig
from des.contact import Contact, ContactBatch, FieldResult
from des.ledger import Claim, Decision, Ledger
from des.lifecycle import Services
from des.limits import PARTITIONS
from des.providers.claimer import Claimer
from des.providers.contract import Provider
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.fullenrich import FullEnrich
from des.providers.dialects.hunter import Hunter
from des.providers.dialects.pdl import Pdl
from des.providers.dispatcher import Dispatcher
from des.providers.paid import PaidDispatcher
from des.providers.paying import Terms
from des.providers.values import Values
from des.providers.waterfall import Waterfall
from des.sandbox.faults import FaultPlan
from des.sandbox.population import Population as Sandboxed
from des.sandbox.server import Sandbox
from des.sandbox.vendors import hunter as hunter_desk
from des.sandbox.vendors import pdl as pdl_desk
from des.store.contract import Commit
from des.store.ledger import Caps, PostgresLedger
from des.store.postgres import Database
from des.store.work import PostgresWorkStore
from des.wire.document import decode_json
from tests.faults.money_books import Books, keys_of, read_books, vendor_key
from tests.faults.money_buyers import people_of

PEOPLE = 400
SEED = 1
WITHIN_S = 20.0
LOOK_S = 0.02
POLL_S = 0.05

Ways = Callable[[Provider, Ledger, Terms], Dispatcher]


def pays(provider: Provider, ledger: Ledger, terms: Terms) -> Dispatcher:
    """Make the dispatcher as the service does."""
    return PaidDispatcher(provider, SystemClock(), ledger=ledger, terms=terms)


class Counting:
    """A ledger that counts what it is asked."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger that decides."""
        self._ledger = ledger
        self.claims = 0

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Decision]:
        """See Ledger."""
        self.claims += len(claims)
        return await self._ledger.claim(claims)


class Office:
    """One worker: engine, dispatcher, ledger. A Service: `start`, `stop`."""

    name = "office"

    def __init__(
        self,
        database: Database,
        sandbox: Sandbox,
        provider: Provider,
        ledger: Callable[[Database, UUID], Ledger],
        *,
        terms: Terms | None = None,
        ways: Ways = pays,
        epoch: int = 1,
        partitions: Sequence[int] = range(PARTITIONS),
    ) -> None:
        """Take the database, the vendor and how it is asked; `ledger` makes the ledger for this worker's id.

        `epoch`: later than that of whoever held these `partitions` before.
        """
        self.owner = uuid4()
        self.database = database
        self.sandbox = sandbox
        self.traits = provider.traits
        self.epoch = epoch
        self._partitions = partitions
        self.store = PostgresWorkStore(database, self.owner)
        claimer = Claimer(ledger(database, self.owner))
        self.ledger = Counting(claimer)
        self.dispatcher = ways(provider, self.ledger, terms or Terms())
        self._people: list[Contact] = []
        self._changed = asyncio.Event()
        self.committed = 0
        name, gives = provider.traits.name, provider.traits.gives
        waterfall = Waterfall(dict.fromkeys(gives, (name,)), {name: gives}, {name})
        clock = SystemClock()
        self.engine = Engine(self.store, clock, waterfall, [self.dispatcher], on_committed=self._on_committed)
        self._services = Services([claimer, self.engine])

    async def start(self) -> None:
        """Take the leases, and begin with what an earlier worker left."""
        await self.execute(
            "update lease set owner = $1, epoch = $2 where partition = any($3)",
            self.owner,
            self.epoch,
            list(self._partitions),
        )
        await self._services.start()
        self.take_leases()

    async def stop(self) -> None:
        """End: what is in work is left as it stands in Postgres."""
        self.lose_leases()
        await self._services.stop()

    async def ask(self, erid: UUID, people: Sequence[Contact], fields: Sequence[str] = ("professional_email",)) -> None:
        """Accept a batch, as the acceptor does."""
        self._people += people
        acceptance = await self.store.accept([_batch(erid, people, fields)], [], self._partitions)
        self.engine.router.accepted(acceptance.new)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking whenever a commit has landed."""
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def finished(self, contacts: int) -> None:
        """Wait until so many contacts are committed by this worker."""
        await self.until(lambda: self.committed >= contacts)

    async def fetched(self, query: str, expected: Any, *arguments: object) -> None:
        """Wait until a query's first value is this: what another task commits sets no event here."""
        clock = SystemClock()
        async with asyncio.timeout(WITHIN_S):
            while await self.value(query, *arguments) != expected:
                await clock.sleep(LOOK_S)

    async def holds(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that no commit tells of."""
        clock = SystemClock()
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                await clock.sleep(LOOK_S)

    async def value(self, query: str, *arguments: object) -> Any:
        """First value of the first row."""
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, statement: str, *arguments: object) -> None:
        """Change something by hand."""
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def results(self, field: str = "professional_email") -> list[FieldResult]:
        """Receipts of all contacts, in order of the ERID and the position."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select fields from contact order by erid, batch_id, position")
        return [msgspec.json.decode(row["fields"], type=dict[str, FieldResult])[field] for row in rows]

    async def books(self, cap: float | None = None, price: float | None = None) -> Books:
        """Read the vendor's book, the ledger and the receipts."""
        report = self.sandbox.desk.books[self.traits.name].report(people=True)
        price = self.traits.price_max(("professional_email",)) if price is None else price
        async with self.database.connection() as connection:
            return await read_books(connection, report, self.keys, price, cap)

    @property
    def keys(self) -> Mapping[str, str]:
        """Our key of each person asked for, by the vendor's."""
        return keys_of(self._people)

    def fail(self, plan: FaultPlan) -> None:
        """Have the vendor fail from now on; `FaultPlan()` ends it."""
        self.sandbox.desk.plan(plan)

    def lose_leases(self) -> None:
        """Have all aggregators die, as where another worker has taken the partitions."""
        self.engine.router.lost(self._partitions)

    def take_leases(self) -> None:
        """Work its partitions, from what Postgres holds."""
        self.engine.router.gained(dict.fromkeys(self._partitions, self.epoch))

    def _on_committed(self, _: Commit, contacts: int) -> None:
        self.committed += contacts
        self._changed.set()


def plain_ledger(database: Database, owner: UUID, caps: Caps | None = None) -> Ledger:
    """Make the ledger as the service does, but that a call without an answer may be sent again at once."""
    return PostgresLedger(database, owner, caps or Caps(), replay_after_s=0.01)


def hunter(sandbox: Sandbox) -> Provider:
    """A vendor that charges for a person once, however often it is asked."""
    config = HunterConfig.model_validate({"kind": "hunter", "url": sandbox.url, "api_key": "k", "rate": ()})
    return Hunter("hunter", config, Values(), SystemClock())


def pdl(sandbox: Sandbox) -> Provider:
    """A vendor that charges each time."""
    config = PdlConfig.model_validate({"kind": "pdl", "url": sandbox.url, "api_key": "k", "rate": (), "batch_max": 1})
    return Pdl("pdl", config, Values(), SystemClock())


def apollo(sandbox: Sandbox) -> Provider:
    """A vendor that gives phone numbers later."""
    config = ApolloConfig.model_validate({"kind": "apollo", "url": sandbox.url, "api_key": "k", "rate": ()})
    return Apollo("apollo", config, Values(), SystemClock())


def fullenrich(sandbox: Sandbox, webhook_url: str | None = None) -> Provider:
    """A vendor that answers later, looked at every moment, and that delivers where it is told where to."""
    config = {"kind": "fullenrich", "url": sandbox.url, "api_key": "k", "rate": (), "poll_after_s": POLL_S}
    settings = FullEnrichConfig.model_validate(config | {"webhook_url": webhook_url})
    return FullEnrich("fullenrich", settings, Values(), SystemClock())


def known_to(vendor: str, people: int) -> list[Contact]:
    """So many people of the sandbox whom the vendor knows."""
    shares = {"hunter": hunter_desk.KNOWN_SHARE, "pdl": pdl_desk.KNOWN_SHARE}
    known = {
        (one.first_name, one.last_name, one.company.domain)
        for one in Sandboxed(SEED, PEOPLE).people
        if one.known_to(vendor, shares[vendor]) and not one.erased
    }
    plain = [one for one in people_of(PEOPLE) if (one.first_name, one.last_name, one.company_domain) in known]
    keys = keys_of(plain)
    return [one for one in plain if vendor_key(one) in keys][:people]


def _batch(erid: UUID, people: Sequence[Contact], fields: Sequence[str]) -> ContactBatch:
    contacts = [{name: value for name, value in msgspec.structs.asdict(person).items() if value} for person in people]
    body = {"erid": str(erid), "batch_id": str(uuid4()), "contact_list": contacts}
    document = msgspec.json.encode(body | {"fields_to_be_enriched": list(fields)})
    return decode_json(document, "default", frozenset(fields))
