"""Brings a database's schema to the one this version works with, and refuses to work with any other.

Migrations are SQL files in dbmate's format, applied in the order of their names, each in a transaction of its own:

    -- migrate:up [transaction:false]
    …
    -- migrate:down
    …

`transaction:false` is for the one statement that cannot run in a transaction (CREATE INDEX CONCURRENTLY); such a file
holds nothing else. The way down is for developers with dbmate; this runner only goes up.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec

import des
from des.errors import ConfigError, SchemaMismatch, StoreUnavailable
from des.store.postgres import Database, mapped_errors
from des.store.statements import statements

LOCK_WAIT_S = 120.0
LOCK_POLL_S = 0.2

# A migration that waits for a lock makes everybody wait who comes after it: rather fail and be run again.
_SESSION = {"application_name": "des migrate", "lock_timeout": "5s", "statement_timeout": "0"}
_SQL = statements("migrate")
_UP = re.compile(r"^-- migrate:up(?P<options>[^\n]*)\n(?P<sql>.*?)(?=^-- migrate:down|\Z)", re.MULTILINE | re.DOTALL)


class Migration(msgspec.Struct, frozen=True):
    """One file: its version (the digits its name begins with), its name and its way up."""

    version: str
    name: str
    up: str
    in_transaction: bool


def migrations(folder: Path | None = None) -> list[Migration]:
    """Migrations of this version of DES, oldest first. Raises ConfigError where a file is not in dbmate's format."""
    paths = sorted((folder or _folder()).glob("[0-9]*.sql"))
    return [_parsed(path) for path in paths]


async def migrate(url: str) -> list[str]:
    """Apply what is pending and return the names, oldest first; any number of processes may do so at once.

    Raises SchemaMismatch where a migration fails or the database is of a newer version, StoreUnavailable otherwise.
    """
    known = migrations()
    applied: list[str] = []
    async with _locked(url) as connection:
        await connection.execute(_SQL["create_versions"])
        present = await _versions(connection)
        _refuse_unknown(present, known)
        for migration in known:
            if migration.version not in present:
                await _apply(connection, migration)
                applied.append(migration.name)
    return applied


async def check(database: Database) -> None:
    """Raise SchemaMismatch unless the schema is exactly this version's, StoreUnavailable where nobody answers."""
    known = migrations()
    async with database.connection() as connection:
        present = await _versions(connection)
    _refuse_unknown(present, known)
    pending = [migration.name for migration in known if migration.version not in present]
    if pending:
        raise SchemaMismatch(f"the database lacks {', '.join(pending)}; run `des migrate`")


def _folder() -> Path:
    package = Path(des.__file__).parent
    for folder in (package / "migrations", package.parent / "migrations"):  # in a wheel; in a checkout
        if folder.is_dir():
            return folder
    raise ConfigError(f"no migrations beside {package}; install data-enrichment-service anew")


def _parsed(path: Path) -> Migration:
    match = _UP.search(path.read_text(encoding="utf-8"))
    version = re.match(r"\d+", path.stem)
    if match is None or version is None:
        raise ConfigError(f"{path.name} has no `-- migrate:up`")
    return Migration(
        version=version[0],
        name=path.stem,
        up=match["sql"].strip(),
        in_transaction="transaction:false" not in match["options"],
    )


@contextlib.asynccontextmanager
async def _locked(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection that holds the lock of the one runner; closing it lets the lock go."""
    with mapped_errors():
        connection = await asyncpg.connect(url, server_settings=_SESSION, timeout=10)
        try:
            await _wait_for_lock(connection)
            yield connection
        finally:
            await connection.close(timeout=5)


async def _wait_for_lock(connection: asyncpg.Connection) -> None:
    deadline = asyncio.get_running_loop().time() + LOCK_WAIT_S
    while not await connection.fetchval(_SQL["try_lock"]):
        if asyncio.get_running_loop().time() > deadline:
            raise StoreUnavailable(f"another process has been migrating this database for {LOCK_WAIT_S:.0f} s")
        await asyncio.sleep(LOCK_POLL_S)


async def _versions(connection: asyncpg.Connection) -> frozenset[str]:
    if not await connection.fetchval(_SQL["versions_exist"]):
        return frozenset()
    return frozenset(row["version"] for row in await connection.fetch(_SQL["versions"]))


def _refuse_unknown(present: frozenset[str], known: list[Migration]) -> None:
    unknown = sorted(present - {migration.version for migration in known})
    if unknown:
        raise SchemaMismatch(
            f"the database has migrations this version of DES does not know: {', '.join(unknown)}; "
            "run the version of DES that made them, or a newer one"
        )


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        if migration.in_transaction:
            async with connection.transaction():
                await connection.execute(migration.up)
                await connection.execute(_SQL["record"], migration.version)
        else:
            await connection.execute(migration.up)
            await connection.execute(_SQL["record"], migration.version)
    except asyncpg.LockNotAvailableError:
        raise  # becomes StoreUnavailable: the table was busy, running it again helps
    except asyncpg.PostgresError as error:
        raise SchemaMismatch(f"migration {migration.name} failed: {error}") from error
