"""`des quarantine`: what could not be accepted, with the reason; looked at, sent again, or let go."""

import asyncio
import enum
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output, counted, encoded

if TYPE_CHECKING:
    from des.broker.contract import Publisher
    from des.config import Settings
    from des.store.contract import Quarantined

LIMIT_DEFAULT = 50
PAGE_ROWS = 500
ROW_ID_MAX = 2**63 - 1
"""Postgres numbers rows by bigint."""


class State(enum.StrEnum):
    """What became of a row."""

    HELD = "held"
    RETRIED = "retried"
    DISCARDED = "discarded"


Ids = Annotated[
    list[int], typer.Argument(metavar="ID…", min=1, max=ROW_ID_MAX, help="Numbers of rows, as `list` shows them.")
]


def list_(
    state: Annotated[State, typer.Option("--state", help="Rows in this state.")] = State.HELD,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Rows of this tenant; all where left out.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=ROW_ID_MAX, help="Rows at most, newest first.")
    ] = LIMIT_DEFAULT,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """List what is in quarantine, newest first; with --json one row a line."""
    asyncio.run(_list(Output(as_json), config, state=state, tenant=tenant, limit=limit))


async def _list(output: Output, config: Path | None, *, state: State, tenant: str | None, limit: int) -> None:
    from des.cli.database import connected
    from des.store.quarantine import Quarantine

    shown: list[list[str]] = []
    async with connected(config) as database:
        quarantine = Quarantine(database)
        before: int | None = None
        while limit > 0:
            page = await quarantine.page(state=state.value, tenant=tenant, before=before, limit=min(limit, PAGE_ROWS))
            if not page:
                break
            before, limit = page[-1].id, limit - len(page)
            for row in page:
                output.document(_row_document(row))
            shown += [_row(row) for row in page if not output.as_json]
    if shown:
        output.table(["id", "since", "seen", "tenant", "erid", "stage", "reason", "message"], shown)
    else:
        output.say(f"nothing is {state.value}")


def show(
    row_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=ROW_ID_MAX, help="Number of the row.")],
    payload: Annotated[
        bool, typer.Option("--payload", help="Write what was sent, byte for byte, and only that.")
    ] = False,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
) -> None:
    """Show one row: the reason, every wrong place, and what was sent."""
    row, sent = asyncio.run(_read(row_id, config))
    output = Output(as_json)
    if payload:
        output.text(sent)
        return
    document = _row_document(row)
    output.document({**document, "payload_base64": b64encode(sent).decode()})
    output.say(encoded(document, pretty=True))
    output.say(f"what was sent ({counted(len(sent), 'byte', 'bytes')}): des quarantine show {row_id} --payload")


async def _read(row_id: int, config: Path | None) -> "tuple[Quarantined, bytes]":
    from des.cli.database import connected
    from des.store.quarantine import Quarantine

    async with connected(config) as database:
        return await Quarantine(database).show(row_id)


def retry(row_ids: Ids, as_json: JsonFlag = False, config: ConfigFile = None) -> None:
    """Send rows through the front door again, after their cause is gone; refused again, they are held again.

    Each row that cannot be sent is named and the others go on; exit code 1 then.
    """
    if not asyncio.run(_retry(row_ids, Output(as_json), config)):
        raise typer.Exit(1)


async def _retry(row_ids: Sequence[int], output: Output, config: Path | None) -> bool:
    """Publish rows again and tell of each; return whether all of them were."""
    from des.cli.database import connected
    from des.config import load_settings
    from des.errors import DesError
    from des.ingest.quarantine import retry as send_again
    from des.store.quarantine import Quarantine

    settings = load_settings(config)
    failures = 0
    async with connected(config) as database, _publisher(settings) as publisher:
        for row_id in row_ids:
            try:
                row = await send_again(Quarantine(database), publisher, row_id, frozenset(settings.fields))
            except DesError as error:
                failures += 1
                output.error(error)
            else:
                output.document({"id": row.id, "erid": row.erid, "retried": True})
                output.say(f"{row.id} of ERID {row.erid or '?'} was sent again")
    return not failures


@asynccontextmanager
async def _publisher(settings: "Settings") -> "AsyncIterator[Publisher]":
    """Lend a publisher on the broker of the settings. Raises ConfigError and BrokerUnavailable."""
    from des.broker.publisher import AmqpPublisher

    settings.require_servers()
    publisher = AmqpPublisher(settings.amqp_url.get_secret_value(), name="quarantine publisher")
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


def discard(row_ids: Ids, as_json: JsonFlag = False, config: ConfigFile = None) -> None:
    """Mark rows as not wanted; they are kept, and the same thing coming again stays discarded."""
    output = Output(as_json)
    discarded = asyncio.run(_discard(row_ids, config))
    output.document({"discarded": discarded})
    output.say(f"discarded {counted(discarded, 'row', 'rows')} that had been held")


async def _discard(row_ids: Sequence[int], config: Path | None) -> int:
    from des.cli.database import connected
    from des.store.quarantine import Quarantine

    async with connected(config) as database:
        return await Quarantine(database).discard(row_ids)


def _row_document(row: "Quarantined") -> dict[str, Any]:
    import msgspec

    return {**msgspec.structs.asdict(row), "violations": msgspec.json.decode(row.violations)}


def _row(row: "Quarantined") -> list[str]:
    since = f"{row.created_at:%Y-%m-%d %H:%M:%S}"
    return [str(row.id), since, str(row.seen), row.tenant, row.erid, row.stage, row.reason, row.message]
