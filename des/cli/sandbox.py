"""`des sandbox`: the rehearsal provider for itself."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from des.cli.options import JsonFlag
from des.cli.output import Output

if TYPE_CHECKING:
    from des.sandbox.server import Sandbox

DIRECTORY_SHARE = 0.4
"""Part of the population that `--population-csv` writes: the people a user would know already."""


def sandbox(
    as_json: JsonFlag = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port on loopback; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the population: the same people each time.")] = 1,
    people: Annotated[int, typer.Option("--people", min=2, max=1_000_000, help="How many people exist.")] = 10_000,
    population_csv: Annotated[
        Path | None,
        typer.Option("--population-csv", metavar="FILE", help="Write the people a directory would know, and end."),
    ] = None,
) -> None:
    """Run a provider server that talks the vendors' dialects, fails on demand and counts the bills.

    It answers for a seeded population; GET /sandbox/bill shows what it billed, PUT /sandbox/faults makes it fail.
    """
    output = Output(as_json)
    if population_csv is not None:
        _write_people(output, population_csv, seed, people)
        return
    from des.logs import configure_logging
    from des.sandbox.server import Sandbox

    configure_logging()
    asyncio.run(_serve(output, Sandbox(port=port, seed=seed, people=people)))


def _write_people(output: Output, path: Path, seed: int, people: int) -> None:
    from des.sandbox.population import population_csv

    text = population_csv(seed, people, DIRECTORY_SHARE)
    path.write_text(text, encoding="utf-8")
    count = text.count("\n") - 1
    output.document({"file": str(path), "people": count})
    output.say(f"wrote {count:,} people to {path}")


async def _serve(output: Output, server: "Sandbox") -> None:
    from des.lifecycle import Services, run_until_signal

    def announce() -> None:
        output.document({"url": server.url})
        output.say(f"the sandbox listens at {server.url}; Ctrl-C stops it")

    await run_until_signal(Services([server]), on_ready=announce)
