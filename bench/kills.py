"""Does anything get lost, doubled or made up when the service is killed N times?

    python -m bench kills --count 1000 [--seed S] [--json]

Rounds of up to 50 deaths under load, each on a database and a virtual host of its own: at a named point of the path, at
any moment, now and then together with Postgres or RabbitMQ; then everything sent is brought to its end and audited, as
in tests/faults. The ratio is that of kills whose round stood its audit; it has to be 1. The first audit that fails ends
the campaign, keeps the folder with the logs and says where it is.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.figures import Figure, Result
from des.stack import PrivatePostgres, PrivateRabbitMQ
from des.stack.process import private_folder
from des.store.migrate import migrate
from tests.faults.campaign import Deaths, round_of_kills
from tests.faults.trial import Servers, trial

KILLS_PER_ROUND = 50


class Campaign:
    """Rounds on servers of its own, and what they add up to."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Take a folder of its own and the seed."""
        self._folder = folder
        self._postgres = PrivatePostgres(folder / "postgres")
        self._rabbitmq = PrivateRabbitMQ(folder / "rabbitmq")
        self._random = random.Random(seed)
        self.how: Counter[str] = Counter()
        self.audited = 0
        self.rounds = 0
        self.sums: Counter[str] = Counter()

    async def run(self, count: int) -> None:
        """Run rounds until `count` deaths are audited. Raises AssertionError where an audit fails."""
        try:
            await asyncio.gather(self._postgres.start(), self._rabbitmq.start())
            while self.audited < count:
                await self._round(min(KILLS_PER_ROUND, count - self.audited))
        finally:
            await asyncio.gather(self._postgres.kill(), self._rabbitmq.kill())

    async def _round(self, kills: int) -> None:
        servers = await self._fresh_servers(f"round{self.rounds}")
        folder = self._folder / f"round{self.rounds}"
        folder.mkdir()
        deaths = Deaths(self._random.getrandbits(32), (self._postgres, self._rabbitmq))
        async with trial(servers, folder, self._random.getrandbits(32)) as life:
            await round_of_kills(life, deaths, kills, self._told)
            self.sums["batches"] += len(life.batches)
            self.sums["contacts"] += sum(len(batch.numbers) for batch in life.batches)
            self.sums["resends_of_acknowledged"] += life.load.resends
            self.sums["pushes_not_acknowledged"] += life.load.failures
            self.sums["events"] += len(life.announced.events)
            self.sums["events_again"] += life.announced.times.total() - len(life.announced.times)
        self.audited += kills
        self.rounds += 1
        print(f"round {self.rounds}: {self.audited} kills, audit clean, {self.sums['contacts']:,} contacts", flush=True)

    async def _fresh_servers(self, name: str) -> Servers:
        connection = await asyncpg.connect(self._postgres.url)
        try:
            await connection.execute(f"create database {name}")
        finally:
            await connection.close()
        database_url = urlunsplit(urlsplit(self._postgres.url)._replace(path=f"/{name}"))
        await migrate(database_url)
        await self._rabbitmq.add_vhosts([name])
        return Servers(database_url, self._rabbitmq.url + name)

    def _told(self, how: str) -> None:
        self.how[how] += 1


def main(arguments: Sequence[str]) -> int:
    """Run from the command line; 0 where every audit was clean."""
    parser = argparse.ArgumentParser(prog="bench kills", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="deaths, all in all")
    parser.add_argument("--seed", type=int, default=1, help="chooses them and the load")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it tells of every connection that a kill breaks
    folder = private_folder("des-kills-")
    campaign = Campaign(folder, options.seed)
    began = time.monotonic()
    try:
        asyncio.run(campaign.run(options.count))
    except AssertionError as error:
        print(f"AUDIT FAILED after {campaign.how.total()} kills; logs are in {folder}\n{error}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    result = _result(campaign, options.count, time.monotonic() - began)
    print(result.as_json() if options.json else result.as_text())
    return 0 if result.met else 1


def _result(campaign: Campaign, count: int, seconds: float) -> Result:
    figures: dict[str, Figure] = {
        "kills": campaign.how.total(),
        "kills_audited": campaign.audited,
        "rounds": campaign.rounds,
        **campaign.sums,
        "seconds": seconds,
        **{f"killed_{how.replace(' ', '_')}": times for how, times in sorted(campaign.how.items())},
    }
    return Result("kills", campaign.audited / count, 1.0, figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
