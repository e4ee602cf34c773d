"""Prepares the sandbox of a local stack: no rate limit to wait for, and a directory that knows some of its people."""

import csv
import io
from typing import Final

import aiohttp

from des.cli.dev_settings import REHEARSAL
from des.config import Settings
from des.contact import TENANT_DEFAULT
from des.errors import TransientError
from des.providers.directory_import import import_people
from des.store.directory import Directory
from des.store.postgres import Database

SHARE: Final = 0.4
"""Part of the population that the user of a local stack knows already."""
LEFT_TO_THE_VENDOR: Final = "jane.doe@sayprimer.com"
"""The second contact of the demo, whom only the vendor knows: a waterfall that goes on is then to be seen."""


async def lift_rate_limits(sandbox_url: str) -> None:
    """Let the sandbox's vendor answer as fast as it is asked; at the real one's 500 a minute nobody would try much.

    Raises TransientError where the sandbox does not answer.
    """
    url = f"{sandbox_url}/sandbox/accounts/{REHEARSAL}"
    try:
        async with aiohttp.ClientSession() as http, http.put(url, json={"windows": []}) as answer:
            answer.raise_for_status()
    except aiohttp.ClientError as error:
        raise TransientError(f"the sandbox does not change its limits: {error}") from error


async def load_people(settings: Settings, sandbox_url: str) -> int:
    """Import the sandbox's people where the default tenant's directory is empty; return how many were imported.

    Raises StoreUnavailable, and TransientError where the sandbox does not answer.
    """
    database = Database(settings.database_url.get_secret_value(), connections_max=2)
    await database.start()
    try:
        directory = Directory(database)
        if (await directory.size(TENANT_DEFAULT)).people:
            return 0
        fields = {name: field.type for name, field in settings.fields.items()}
        file = io.BytesIO(_without_one(await _population(sandbox_url)).encode())
        return (await import_people(file, TENANT_DEFAULT, fields, directory, source="sandbox")).imported
    finally:
        await database.stop()


async def _population(sandbox_url: str) -> str:
    url = f"{sandbox_url}/sandbox/population.csv"
    try:
        async with aiohttp.ClientSession() as http, http.get(url, params={"share": str(SHARE)}) as answer:
            answer.raise_for_status()
            return await answer.text()
    except aiohttp.ClientError as error:
        raise TransientError(f"the sandbox does not give its people: {error}") from error


def _without_one(population: str) -> str:
    text = io.StringIO()
    rows = csv.reader(io.StringIO(population))
    csv.writer(text).writerows(row for row in rows if LEFT_TO_THE_VENDOR not in row)
    return text.getvalue()
