"""`des directory`: the user's own people."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from des.cli.options import ConfigFile, JsonFlag, Tenant
from des.cli.output import Output
from des.contact import TENANT_DEFAULT

if TYPE_CHECKING:
    from des.providers.directory_import import ImportReport
    from des.store.directory import DirectorySize

_PROBLEMS_SHOWN = 20


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header.", exists=True, dir_okay=False)],
    tenant: Tenant = TENANT_DEFAULT,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """Put the people of a CSV file into the directory; importing it again changes nothing.

    Columns are found by their names (first_name, Company, E-Mail, Vorname, …); one that is called like a configured
    field is kept as its value. Rows that cannot be taken are named by line and the others go in; exit code 1 then.
    """
    output = Output(as_json)
    report = asyncio.run(_import(file, tenant, config))
    output.document(report)
    output.say(
        f"imported {report.imported:,} people, rejected {report.rejected:,} rows, dropped {report.dropped:,} values"
    )
    for problem in report.problems[:_PROBLEMS_SHOWN]:
        output.note(f"  line {problem.line}: {problem.reason}: {problem.message}")
    if report.rejected:
        raise typer.Exit(1)


async def _import(file: Path, tenant: str, config: Path | None) -> "ImportReport":
    from des.cli.database import connected
    from des.config import load_settings
    from des.providers.directory_import import import_people
    from des.store.directory import Directory

    fields = {name: field.type for name, field in load_settings(config).fields.items()}
    async with connected(config) as database:
        with await asyncio.to_thread(file.open, "rb") as stream:
            return await import_people(stream, tenant, fields, Directory(database), source=file.name)


def stats(tenant: Tenant = TENANT_DEFAULT, as_json: JsonFlag = False, config: ConfigFile = None) -> None:
    """Count the people, companies and domains that the directory knows."""
    output = Output(as_json)
    size = asyncio.run(_size(tenant, config))
    output.document(size)
    output.say(f"{size.people:,} people of {size.companies:,} companies")
    output.say(f"{size.domains_with_patterns:,} domains whose address patterns are known")


async def _size(tenant: str, config: Path | None) -> "DirectorySize":
    from des.cli.database import connected
    from des.store.directory import Directory

    async with connected(config) as database:
        return await Directory(database).size(tenant)
