"""Is anything paid for twice, lost or spent above its cap when the service is killed N times around paid calls?

    python -m bench money --kills 500 [--seed S] [--json]

Rounds of up to 20 deaths under load, each on a database, a virtual host and a sandbox of its own, in turn at a vendor
that answers the same question again for nothing, at one that charges every time, at one that answers later, and under
a cap; the sandbox fails in
every way it knows but by a spent quota, which parks a provider for a minute. After each death and at the end the
vendor's book, the ledger and the receipts are held against each other (tests/faults/money_books.py). The ratio is that
of kills whose round stood its audit; it has to be 1. The first audit that fails ends the campaign, keeps the folder
with the logs and says where it is.
"""

import argparse
import asyncio
import itertools
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, Result
from bench.kills import Campaign
from des.ledger import MILLION
from des.stack.process import private_folder
from tests.faults.money import money_trial
from tests.faults.money_books import Books
from tests.faults.money_campaign import AT_A_POINT, Deaths, round_of_kills

KILLS_PER_ROUND = 20
CAP = 100.0
KINDS: Sequence[tuple[str, float | None]] = (
    ("hunter", None), ("pdl", None), ("fullenrich", None), ("hunter", CAP), ("pdl", CAP)
)  # fmt: skip
"""Vendor and cap in credits of each round, in turn."""


class MoneyCampaign(Campaign):
    """Rounds around paid calls, and what they add up to."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Take a folder of its own and the seed."""
        super().__init__(folder, seed)
        self._kinds = itertools.cycle(KINDS)

    async def run(self, count: int) -> None:
        """Run rounds until `count` deaths are audited. Raises AssertionError where an audit fails."""
        try:
            await asyncio.gather(self._postgres.start(), self._rabbitmq.start())
            while self.audited < count:
                await self._round(min(KILLS_PER_ROUND, count - self.audited))
        finally:
            await asyncio.gather(self._postgres.kill(), self._rabbitmq.kill())

    async def _round(self, kills: int) -> None:
        vendor, cap = next(self._kinds)
        servers = await self._fresh_servers(f"round{self.rounds}")
        folder = self._folder / f"round{self.rounds}"
        folder.mkdir()
        deaths = Deaths(self._random.getrandbits(32), at_a_point=AT_A_POINT if cap is None else 0.0)
        async with money_trial(servers, folder, self._random.getrandbits(32), vendor, cap) as life:
            await round_of_kills(life, deaths, kills, self._told)
            self._add(await life.books())
        self.audited += kills
        self.rounds += 1
        print(f"round {self.rounds}: {vendor}, {self.audited} kills, the books agree", flush=True)

    def _add(self, books: Books) -> None:
        self.sums["people_asked_for"] += len(books.bills)
        self.sums["answers_of_vendors"] += sum(bill.calls for bill in books.bills.values())
        self.sums["calls"] += len(books.calls)
        self.sums["unknown"] += len(books.unknown)
        self.sums["billed_credits"] += books.billed // MILLION
        self.sums["charged_credits"] += books.charged // MILLION


def main(arguments: Sequence[str]) -> int:
    """Run from the command line; 0 where every audit was clean."""
    parser = argparse.ArgumentParser(prog="bench money", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="deaths, all in all")
    parser.add_argument("--seed", type=int, default=1, help="chooses them and the load")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    folder = private_folder("des-money-")
    campaign = MoneyCampaign(folder, options.seed)
    began = time.monotonic()
    try:
        asyncio.run(campaign.run(options.kills))
    except AssertionError as error:
        print(f"AUDIT FAILED after {campaign.how.total()} kills; logs are in {folder}\n{error}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    figures: dict[str, Figure] = {
        "kills": campaign.how.total(),
        "kills_audited": campaign.audited,
        "rounds": campaign.rounds,
        **campaign.sums,
        "seconds": time.monotonic() - began,
        **{f"killed_{how.replace(' ', '_')}": times for how, times in sorted(campaign.how.items())},
    }
    result = Result("money", campaign.audited / options.kills, 1.0, figures)
    print(result.as_json() if options.json else result.as_text())
    return 0 if result.met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
