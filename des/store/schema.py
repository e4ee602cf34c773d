"""Writes down what the migrations make: `python -m des.store.schema` refreshes migrations/schema.sql.

Nothing reads the file but people, and the test that holds it against the migrations. It is made by pg_dump from a
private Postgres, without what differs from one pg_dump to the next.
"""

import asyncio
import re
import shutil
from pathlib import Path

import des
from des.stack import PrivatePostgres, programs
from des.stack.process import private_folder, run_to_end
from des.store.migrate import migrate, migrations

SCHEMA_PATH = Path(des.__file__).parent.parent / "migrations" / "schema.sql"

_HEAD = "-- Made by `python -m des.store.schema` from the migrations in this folder. Read it, change them.\n\n"

# Session settings, \restrict tokens and remarks of pg_dump: other in every version and true of none of the tables.
_NOISE = re.compile(r"^(--.*|SET .*;|SELECT pg_catalog\.set_config.*;|\\(un)?restrict .*)\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


async def dumped(url: str, folder: Path) -> str:
    """Schema of a database as SQL, the same whatever version of pg_dump is installed. Raises StackError."""
    command = [str(programs.postgres_folder() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", url]
    text = await run_to_end(command, {"LC_ALL": "C.UTF-8"}, folder)
    return _BLANK_LINES.sub("\n\n", _NOISE.sub("", text)).strip() + "\n"


async def schema() -> str:
    """Schema that the migrations make, in a Postgres made for the purpose."""
    folder = private_folder("des-schema-")
    server = PrivatePostgres(folder / "postgres")
    try:
        await server.start()
        await migrate(server.url)
        tables = await dumped(server.url, folder)
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    versions = ",\n".join(f"    ('{migration.version}')" for migration in migrations())
    return f"{_HEAD}{tables}\nINSERT INTO public.schema_migrations (version) VALUES\n{versions};\n"


if __name__ == "__main__":
    SCHEMA_PATH.write_text(asyncio.run(schema()), encoding="utf-8")
