"""What `des demo` shows: the mission's batch goes in once and again, and comes out as one object."""

import asyncio
import re
import time
from typing import Any, Final

import aiohttp
import msgspec

from des.cli.local_stack import Addresses
from des.cli.output import Output, counted, encoded
from des.errors import DesError, TransientError

ERID: Final = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1"
MISSION: Final = {
    "erid": ERID,
    "contact_list": [
        {"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"},
        {"first_name": "Jane", "last_name": "Doe", "company_name": "sayprimer.com"},
    ],
    "fields_to_be_enriched": ["professional_email", "phone_number"],
}
DEADLINE_S: Final = 30.0
"""Longest wait for the batch to settle, and for its duplicate to be recognised: a thousand times what they take."""
POLL_S: Final = 0.02

_DUPLICATES = re.compile(r'^des_stage_done_total\{(?=.*outcome="duplicate_batches").*\} (\S+)$', re.MULTILINE)
_UNDER = "\n" + " " * 14
_PASSWORD = re.compile(r"(?<=:)[^:/@]+(?=@)")


class Demonstration(msgspec.Struct, frozen=True):
    """What was seen.

    `accepted`: the answer to the first sending. `enrichment`: the object it became, `seconds` after it was sent.
    `resent`: the object's progress after the batch was sent again. `bill`: what the rehearsal vendor charged.
    """

    addresses: Addresses
    accepted: dict[str, Any]
    enrichment: dict[str, Any]
    seconds: float
    resent: dict[str, Any]
    bill: dict[str, Any]


async def demonstrate(addresses: Addresses, output: Output) -> Demonstration:
    """Send the mission's batch, wait, read the object, send it again, read again, ask for the bill; tell of each.

    Raises TransientError where one of them does not happen within DEADLINE_S.
    """
    url = f"{addresses.http}/v1/enrichments"
    try:
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as http:
            began = time.monotonic()
            accepted = await _answer(http.post(url, json=MISSION), status=202)
            enrichment = await _settled(http, f"{url}/{ERID}")
            seconds = round(time.monotonic() - began, 3)
            await _answer(http.post(url, json=MISSION), status=202)
            await _duplicate_seen(http, addresses)
            again = await _answer(http.get(f"{url}/{ERID}"))
            bill = await _answer(http.get(f"{addresses.sandbox}/sandbox/bill"))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TransientError(f"the demonstration was cut short: {str(error) or 'it took too long'}") from error
    seen = Demonstration(addresses, accepted, enrichment, seconds, again["progress"], _billed(bill))
    _tell(seen, output)
    return seen


async def _answer(call: Any, status: int = 200) -> dict[str, Any]:
    """Return the JSON of an answer. Raises DesError where it has another status."""
    async with call as response:
        body = await response.read()
        if response.status != status:
            raise DesError(f"{response.method} {response.url} was answered with {response.status}: {body.decode()}")
        return dict(msgspec.json.decode(body))


async def _settled(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Return the object once nothing of it is outstanding; before it is accepted there is none."""
    while True:
        async with http.get(url) as response:
            body = await response.read()
        if response.status == 200 and (enrichment := dict(msgspec.json.decode(body)))["state"] == "settled":
            return enrichment
        await asyncio.sleep(POLL_S)


async def _duplicate_seen(http: aiohttp.ClientSession, addresses: Addresses) -> None:
    """Wait until the acceptor has counted a duplicate: from then on a change would have been made."""
    while True:
        async with http.get(f"{addresses.http}/metrics") as response:
            count = _DUPLICATES.search(await response.text())
        if count is not None and float(count[1]) >= 1:
            return
        await asyncio.sleep(POLL_S)


def _billed(bill: dict[str, Any]) -> dict[str, Any]:
    """Leave out vendors that were not called."""
    return {vendor: book for vendor, book in bill.items() if book["calls"]}


# ---- for people ------------------------------------------------------------------------------------------------------


def _tell(seen: Demonstration, output: Output) -> None:
    output.say(encoded(seen.enrichment, pretty=True))
    output.say(f"\nThis object was made in {seen.seconds:.3f} s:\n")
    for number, (stage, what) in enumerate(_steps(seen), start=1):
        output.say(f"  {number} {stage:<10}{what}")
    progress = seen.resent
    output.say(
        f"\nThe same batch was sent again and recognised as a duplicate: still"
        f" {counted(progress['batches'], 'batch', 'batches')}, {counted(progress['contacts'], 'contact', 'contacts')}."
    )
    for vendor, book in seen.bill.items():
        calls = counted(book["calls"], "call", "calls")
        output.say(f"The bill of the rehearsal vendor {vendor}: {calls}, credits charged: {book['charged']:g}.")


def _steps(seen: Demonstration) -> list[tuple[str, str]]:
    at, progress = seen.addresses, seen.enrichment["progress"]
    address = f"{at.http}/v1/enrichments/{ERID}"
    return [
        ("ingest", f"POST {at.http}/v1/enrichments: validated, named batch {seen.accepted['batch_id']}"),
        ("broker", f"published to des.ingest at {_shown(at.amqp)}; the 202 came after the confirm"),
        ("accept", f"written to {_shown(at.database)} in one transaction, then acknowledged to the broker"),
        ("actors", f"the aggregator of ERID {ERID} led each contact down its waterfall"),
        ("providers", _UNDER.join(_finds(seen.enrichment))),
        ("commit", f"{progress['contacts_done']} contacts, their receipts and the progress in one transaction"),
        ("relay", "events published to des.events, removed from the outbox after the confirm"),
        ("serving", f"GET {address}; by gRPC at {at.grpc}"),
    ]


def _finds(enrichment: dict[str, Any]) -> list[str]:
    """Say who found what for whom, and who was asked before."""
    finds: list[str] = []
    for contact in enrichment["contact_list"]:
        for field, result in contact["enriched"].items():
            asked = [attempt["provider"] for attempt in result.get("attempts", ())]
            path = " → ".join([*asked, result.get("provider", "nobody")])
            finds.append(f"{contact['first_name']}'s {field}: {path}")
    return finds


def _shown(url: str) -> str:
    return _PASSWORD.sub("***", url, count=1)
