"""Puts a CSV file of people into a tenant's directory, in transactions of some thousand rows.

Importing a file again changes nothing; an import that was cut off is finished by importing the file again.
"""

import asyncio
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from des.people import PeopleStore, Person
from des.providers.contract import FieldTypes
from des.providers.people_csv import PeopleCsv, Problem

ROWS_PER_TRANSACTION = 5_000
PROBLEMS_MAX = 1_000
"""Problems reported one by one; the rest are only counted."""


class ImportReport(msgspec.Struct):
    """What became of a file: rows imported, rows rejected, single values dropped, and the problems by line."""

    imported: int = 0
    rejected: int = 0
    dropped: int = 0
    problems: list[Problem] = msgspec.field(default_factory=list)

    def note(self, problem: Problem) -> None:
        """Count a problem, and keep it where there is room."""
        if problem.rejected:
            self.rejected += 1
        else:
            self.dropped += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


async def import_people(
    file: BinaryIO, tenant: str, fields: FieldTypes, people: PeopleStore, source: str = "csv"
) -> ImportReport:
    """Read the file (opened for bytes) to its end; `source` is noted with every row. Raises StoreUnavailable."""
    report = ImportReport()
    rows = iter(PeopleCsv(file, fields))
    while chunk := await asyncio.to_thread(_chunk, rows, report):
        report.imported += await people.save(tenant, chunk, source)
    if report.imported:
        await people.renew_statistics()
    return report


def _chunk(rows: Iterator[Person | Problem], report: ImportReport) -> list[Person]:
    people: list[Person] = []
    for row in rows:
        if isinstance(row, Problem):
            report.note(row)
        else:
            people.append(row)
        if len(people) == ROWS_PER_TRANSACTION:
            break
    return people
