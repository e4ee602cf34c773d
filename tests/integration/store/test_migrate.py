"""The runner applies each migration once, whoever runs it, and the service refuses any schema but its own."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from des.errors import ConfigError, SchemaMismatch, StoreUnavailable
from des.store import migrate as runner
from des.store.migrate import check, migrate, migrations
from des.store.postgres import Database
from des.store.schema import SCHEMA_PATH, dumped

ALL = [migration.name for migration in migrations()]


async def execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the real migrations, to which a test adds its own."""
    for path in SCHEMA_PATH.parent.glob("[0-9]*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(runner, "_folder", lambda: tmp_path)
    return tmp_path


async def test_everything_is_applied_once(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == ALL
    assert await migrate(empty_database_url) == []


async def test_runners_at_once_apply_everything_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(name for names in applied for name in names) == ALL


async def test_the_own_schema_passes(database: Database) -> None:
    await check(database)


async def test_an_empty_database_is_refused_with_the_remedy(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    await database.start()
    with pytest.raises(SchemaMismatch, match=f"{ALL[0]}.*run `des migrate`"):
        await check(database)
    await database.stop()


async def test_a_newer_database_is_refused(database: Database, database_url: str) -> None:
    await execute(database_url, "insert into schema_migrations values ('99990101000000')")
    with pytest.raises(SchemaMismatch, match="99990101000000"):
        await check(database)
    with pytest.raises(SchemaMismatch, match="99990101000000"):
        await migrate(database_url)


async def test_a_migration_that_fails_leaves_nothing(database_url: str, extra: Path) -> None:
    broken = "-- migrate:up\ncreate table half (id int);\nselect 1/0;\n-- migrate:down\n"
    (extra / "29990101000000_broken.sql").write_text(broken)
    with pytest.raises(SchemaMismatch, match="29990101000000_broken failed: division by zero"):
        await migrate(database_url)
    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(database_url, "select * from half")


async def test_a_statement_that_cannot_run_in_a_transaction(database_url: str, extra: Path) -> None:
    concurrent = "-- migrate:up transaction:false\ncreate index concurrently extra on batch (accepted_at);\n"
    (extra / "29990101000000_concurrent.sql").write_text(concurrent)
    assert await migrate(database_url) == ["29990101000000_concurrent"]
    await execute(database_url, "drop index extra")


async def test_a_table_in_use_is_not_waited_for(
    database_url: str, extra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runner._SESSION, "lock_timeout", "50ms")
    (extra / "29990101000000_lock.sql").write_text("-- migrate:up\nalter table batch add column extra int;\n")
    holder = await asyncpg.connect(database_url)
    await holder.execute("begin; select * from batch")
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        await migrate(database_url)
    await holder.close()
    assert await migrate(database_url) == ["29990101000000_lock"]


def test_a_file_without_a_way_up_is_named(tmp_path: Path) -> None:
    (tmp_path / "20260101000000_odd.sql").write_text("create table odd (id int);\n")
    with pytest.raises(ConfigError, match=r"20260101000000_odd\.sql"):
        migrations(tmp_path)


async def test_schema_sql_is_what_the_migrations_make(
    empty_database_url: str, database_url: str, servers_folder: Path
) -> None:
    await execute(empty_database_url, SCHEMA_PATH.read_text(encoding="utf-8"))
    written = await dumped(empty_database_url, servers_folder)
    migrated = await dumped(database_url, servers_folder)
    assert written == migrated, "run: python -m des.store.schema"
    database = Database(empty_database_url)
    await database.start()
    await check(database)
    await database.stop()
