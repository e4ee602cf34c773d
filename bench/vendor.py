"""A vendor of the sandbox in a process of its own, how DES is told of it, and what its account book says."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import msgspec

from bench.harness import Rig
from bench.processes import running
from des.contact import Contact
from des.v1.contact_pb2 import ContactBatch
from tests.faults.money_books import keys_of, vendor_key
from tests.faults.money_buyers import MoneyBatch, people_of

VENDOR = "pdl"
FIELD = "professional_email"
PEOPLE = 20_000


class Book(msgspec.Struct, frozen=True):
    """What the vendor has counted: `requests` answered, `calls` (people they were about), and how many people."""

    requests: int
    calls: int
    charged: float
    unique_people: int


class Vendor:
    """The vendor by its control routes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        """Take its address."""
        self.url = url
        self._session = session

    async def book(self) -> Book:
        """Read its account book."""
        async with self._session.get(f"{self.url}/sandbox/bill", params={"people": "false"}) as answer:
            bill = msgspec.json.decode(await answer.read(), type=dict[str, Book])
        return bill[VENDOR]

    async def prepare(self, latency_s: float) -> None:
        """Begin a book without entries, permit any rate, answer after this long."""
        await self._put(f"accounts/{VENDOR}", {"windows": []})
        await self._put("faults", {"latency": {"mean_s": latency_s}})
        async with self._session.delete(f"{self.url}/sandbox/bill") as answer:
            answer.raise_for_status()

    async def _put(self, path: str, document: Mapping[str, Any]) -> None:
        async with self._session.put(f"{self.url}/sandbox/{path}", data=json.dumps(document)) as answer:
            answer.raise_for_status()


@contextlib.asynccontextmanager
async def vendor(rig: Rig) -> AsyncIterator[Vendor]:
    """Run the sandbox for the length of the block."""
    arguments = ["--people", str(PEOPLE)]
    async with running("des.sandbox", arguments, {}, rig.folder) as process, aiohttp.ClientSession() as session:
        yield Vendor(process.ready["url"], session)


def settings(url: str, batch_max: int, concurrency: int) -> dict[str, Any]:
    """Settings under which the field is asked of the vendor and of nobody else, so many people in one request."""
    provider = {
        "kind": VENDOR,
        "url": url,
        "api_key": "k",
        "rate": [],
        "batch_max": batch_max,
        "concurrency": concurrency,
        "price": 1.0,
    }
    return {"providers": {VENDOR: provider}, "fields": {FIELD: {"type": "email", "waterfall": [VENDOR]}}}


def people(count: int) -> Sequence[Contact]:
    """So many people of the sandbox, of whom the vendor and DES have the same view who is who."""
    contacts = people_of(PEOPLE)
    keys = keys_of(contacts)
    distinct = {vendor_key(one): one for one in contacts if vendor_key(one) in keys}
    return list(distinct.values())[:count]


def batch(erid: UUID, contacts: Sequence[Contact]) -> MoneyBatch:
    """Make a batch for any door."""
    batch_id = uuid4()
    message = ContactBatch(erid=str(erid), batch_id=str(batch_id), fields_to_be_enriched=(FIELD,))
    for one in contacts:
        message.contact_list.add(first_name=one.first_name, last_name=one.last_name, company_domain=one.company_domain)
    return MoneyBatch(erid, batch_id, str(batch_id), (FIELD,), (), message)
