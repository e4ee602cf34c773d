"""The database of the settings, for commands that work on it themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from des.config import load_settings
from des.errors import ConfigError
from des.logs import configure_logging
from des.store.postgres import Database

CONNECTIONS_MAX = 2


def database_url(config: Path | None) -> str:
    """Return the URL of the database. Raises ConfigError where none is set."""
    url = load_settings(config).database_url.get_secret_value()
    if not url:
        raise ConfigError("database_url is not set; set DES_DATABASE_URL to postgresql://user:password@host:port/name")
    return url


@asynccontextmanager
async def connected(config: Path | None) -> AsyncIterator[Database]:
    """Lend a pool on the database of the settings. Raises ConfigError and StoreUnavailable.

    What the parts below log goes to stderr from warnings up: a command's stdout is its result.
    """
    configure_logging(level="warning")
    database = Database(database_url(config), connections_max=CONNECTIONS_MAX)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
