"""Writes the contacts of one enrichment: as they arrive, in bounded memory, alike to what HTTP gives."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import assert_never
from uuid import UUID

from des.cli.enrichment import ResultsFormat
from des.cli.output import Output, encoded
from des.cli.received import contact_of, enrichment_of
from des.client import Client
from des.contact import FieldResult, FieldState
from des.serving.document import contact_document, enrichment_document
from des.serving.formats import Csv, Ndjson
from des.store.reading import EnrichedContact, Enrichment

GROUP_CONTACTS = 500
"""Contacts written at once."""
TABLE_ROWS_MAX = 100
"""Rows for people; nobody reads more, and a table has to be known whole before its columns are."""


async def write_results(client: Client, erid: UUID, form: ResultsFormat, output: Output, *, follow: bool) -> None:
    """Write them in the form that was chosen. Raises RemoteError."""
    enrichment = enrichment_of((await client.get(erid, page_size=1)).enrichment)
    match form:
        case ResultsFormat.TABLE:
            await _write_table(client, enrichment, output)
        case ResultsFormat.JSON:
            await _write_object(client, enrichment, output)
        case ResultsFormat.NDJSON:
            await _write_groups(client, erid, Ndjson(), output, follow=follow)
        case ResultsFormat.CSV:
            await _write_groups(client, erid, Csv(enrichment.fields), output, follow=follow)
        case _:
            assert_never(form)


async def _write_groups(client: Client, erid: UUID, form: Ndjson | Csv, output: Output, *, follow: bool) -> None:
    """Write finished contacts; followers get each as it finishes."""
    output.text(form.head())
    async with aclosing(_groups(client, erid, 1 if follow else GROUP_CONTACTS, follow=follow)) as groups:
        async for group in groups:
            output.text(form.group(group))


async def _groups(
    client: Client, erid: UUID, contacts_max: int, *, follow: bool
) -> AsyncGenerator[Sequence[EnrichedContact], None]:
    group: list[EnrichedContact] = []
    async with aclosing(client.results(erid, follow=follow)) as contacts:
        async for message in contacts:
            group.append(contact_of(message))
            if len(group) == contacts_max:
                yield group
                group = []
    if group:
        yield group


async def _write_object(client: Client, enrichment: Enrichment, output: Output) -> None:
    """Write the single object with all its contacts, finished or not, on one line that is never held as a whole."""
    head = encoded(enrichment_document(enrichment)).removesuffix("}")
    output.text(f'{head},"contact_list":['.encode())
    separator = ""
    async with aclosing(client.contacts(enrichment.erid)) as contacts:
        async for message in contacts:
            output.text(f"{separator}{encoded(contact_document(contact_of(message)))}".encode())
            separator = ","
    output.text(b"]}\n")


# ---- for people ------------------------------------------------------------------------------------------------------


async def _write_table(client: Client, enrichment: Enrichment, output: Output) -> None:
    rows: list[list[str]] = []
    more = False
    async with aclosing(client.contacts(enrichment.erid)) as contacts:
        async for message in contacts:
            if len(rows) == TABLE_ROWS_MAX:
                more = True
                break
            rows.append(_row(contact_of(message), enrichment.fields))
    output.table(["contact", "company", *enrichment.fields], rows)
    if more:
        output.note(f"the first {TABLE_ROWS_MAX} of {enrichment.progress.contacts:,}; all of them: --format ndjson")


def _row(contact: EnrichedContact, fields: Sequence[str]) -> list[str]:
    sent = contact.contact
    name = sent.full_name or f"{sent.first_name} {sent.last_name}".strip() or sent.email or sent.linkedin_url
    return [name, sent.company_name or sent.company_domain, *(_cell(contact.enriched.get(field)) for field in fields)]


def _cell(result: FieldResult | None) -> str:
    if result is None:
        return ""
    if result.state is FieldState.FOUND:
        return f"{result.value} ({result.provider}, {result.confidence:.0%})"
    return f"{result.state.replace('_', ' ')}{f': {result.reason}' if result.reason else ''}"
