"""`des migrate`: the database as this version needs it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output


def migrate(
    as_json: JsonFlag = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail where something is pending.")] = False,
    config: ConfigFile = None,
) -> None:
    """Bring the database of DES_DATABASE_URL to the schema of this version; harmless when repeated or run at once.

    A service refuses to start on any other schema, older or newer.
    """
    applied = asyncio.run(_check(config) if check else _apply(config))
    output = Output(as_json)
    output.document({"applied": applied, "current": True})
    for name in applied:
        output.say(f"applied {name}")
    output.say("the schema is the one this version works with")


async def _apply(config: Path | None) -> list[str]:
    """Apply what is pending and return the names."""
    from des.cli.database import database_url
    from des.store.migrate import migrate as apply_pending

    return await apply_pending(database_url(config))


async def _check(config: Path | None) -> list[str]:
    """Raise SchemaMismatch unless the schema is the one of this version."""
    from des.cli.database import connected
    from des.store.migrate import check as check_schema

    async with connected(config) as database:
        await check_schema(database)
    return []
