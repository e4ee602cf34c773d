"""`python -m bench NAME [--json] [--scale F]`: one benchmark of README.md; `./dev bench` is the same, set up.

The last line of output is the result; under --json one JSON object with `bench`, `ratio`, `target` and the figures
behind them. `--scale` makes the counts smaller (or larger): good for trying out, not for judging.
"""

import argparse
import asyncio
import importlib
import sys
from collections.abc import Mapping, Sequence

from bench.figures import Result
from bench.harness import harness

BENCHMARKS = (
    "end_to_end",
    "small_batches",
    "concurrency",
    "http_calls",
    "paid_calls",
    "dedupe",
    "bulk",
    "ingest",
    "latency",
    "backlog",
    "rate_limit",
    "fairness",
)
"""Modules of this package with `async def run(rig, scale) -> Result`."""

CAMPAIGNS: Mapping[str, str] = {"kills": "bench.kills", "money": "bench.money"}
"""What else is run by name: modules with `def main(arguments) -> int`, which have options and servers of their own."""


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark or campaign; 0 where it could be measured, whether or not its target is met (`met` says)."""
    if arguments and arguments[0] in CAMPAIGNS:
        return int(importlib.import_module(CAMPAIGNS[arguments[0]]).main(arguments[1:]))
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=", ".join((*BENCHMARKS, *CAMPAIGNS)))
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the counts")
    options = parser.parse_args(arguments)
    result = asyncio.run(_measure(options.name, options.scale))
    print(result.as_json() if options.json else result.as_text())
    return 0


async def _measure(name: str, scale: float) -> Result:
    benchmark = importlib.import_module(f"bench.{name}")
    async with harness() as rig:
        result: Result = await benchmark.run(rig, scale)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
