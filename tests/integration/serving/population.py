"""Enrichments as the engine leaves them in Postgres: rows of the object, its batches and its finished contacts."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import msgspec

from des.contact import Contact, FieldResult, FieldState
from des.store.contract import partition_of
from des.store.postgres import Database
from des.v1 import contact_pb2

EMAIL = "professional_email"
PHONE = "phone_number"


class Population:
    """Writes what acceptor and committer would have written."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        """Take the database, and whose the enrichments are."""
        self._database = database
        self.tenant = tenant

    async def open(self, erid: UUID | None = None) -> UUID:
        """Open an enrichment without batches."""
        erid = erid or uuid4()
        await self._execute(
            "insert into enrichment (tenant, erid, partition, fields) values ($1, $2, $3, $4)",
            self.tenant,
            erid,
            partition_of(self.tenant, erid),
            [EMAIL, PHONE],
        )
        return erid

    async def accept(
        self,
        erid: UUID,
        contacts: Sequence[Contact],
        batch_id: UUID | None = None,
        part: int = 0,
        first: int = 0,
        *,
        parts: int = 1,
    ) -> UUID:
        """Accept a batch, or one of its parts, with nothing finished."""
        batch_id = batch_id or uuid4()
        fields = [EMAIL, PHONE]
        payload = contact_pb2.ContactBatch(
            erid=str(erid),
            contact_list=[contact_pb2.Contact(**msgspec.structs.asdict(contact)) for contact in contacts],
            fields_to_be_enriched=fields,
        ).SerializeToString()
        await self._execute(
            "insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash,"
            " fields, contacts, payload) values ($1, $2, $3, $4, $10, $5, $6, '', $7, $8, $9)",
            self.tenant,
            erid,
            batch_id,
            part,
            first,
            partition_of(self.tenant, erid),
            fields,
            len(contacts),
            payload,
            parts,
        )
        await self._execute(
            "update enrichment set contacts = contacts + $3, batches = batches + 1 where tenant = $1 and erid = $2",
            self.tenant,
            erid,
            len(contacts),
        )
        return batch_id

    async def finish(
        self, erid: UUID, batch_id: UUID, contacts: Sequence[Contact], first: int = 0, part: int = 0
    ) -> None:
        """Finish contacts at positions from `first` on, in one transaction: e-mail found, telephone not."""
        rows = [
            (self.tenant, erid, batch_id, position, encoded(contact), encoded(results(contact)))
            for position, contact in enumerate(contacts, first)
        ]
        async with self._database.transaction() as connection:
            await connection.executemany(
                "insert into contact (tenant, erid, batch_id, position, input, fields) values ($1, $2, $3, $4, $5, $6)",
                rows,
            )
            finished = await connection.fetchval(
                "update batch set contacts_done = contacts_done + $5,"
                " finished_at = case when contacts_done + $5 = contacts then now() end,"
                " payload = case when contacts_done + $5 < contacts then payload end"
                " where tenant = $1 and erid = $2 and batch_id = $3 and part = $4 returning finished_at is not null",
                self.tenant,
                erid,
                batch_id,
                part,
                len(rows),
            )
            await connection.execute(
                "update enrichment set contacts_done = contacts_done + $3, batches_done = batches_done + $4,"
                " fields_found = fields_found + $3, fields_not_found = fields_not_found + $3,"
                " revision = revision + case when contacts_done + $3 = contacts then 1 else 0 end,"
                " completed = completed or (sealed and contacts_done + $3 = contacts), updated_at = now()"
                " where tenant = $1 and erid = $2",
                self.tenant,
                erid,
                len(rows),
                int(finished),
            )

    async def reopen(self, erid: UUID, first: int = 0) -> None:
        """Make every contact from a position on outstanding once more, as a raised budget does."""
        await self._execute("update contact set reopened = true where erid = $1 and position >= $2", erid, first)
        await self._execute(
            "update batch b set finished_at = null, reopened = n.again, contacts_done = contacts_done - n.again"
            " from (select batch_id, count(*) as again from contact where erid = $1 and reopened group by batch_id) n"
            " where b.erid = $1 and b.batch_id = n.batch_id",
            erid,
        )
        await self._execute(
            "update enrichment set completed = false, contacts_done ="
            " contacts - (select count(*) from contact where erid = $1 and reopened) where erid = $1",
            erid,
        )

    async def end_again(self, erid: UUID, after_s: float = 0.0) -> None:
        """End what was reopened, after a while."""
        await self._execute("select pg_sleep($1)", after_s)
        await self._execute("update contact set reopened = false, revision = revision + 1 where erid = $1", erid)
        await self._execute(
            "update batch set finished_at = now(), reopened = 0, contacts_done = contacts where erid = $1", erid
        )
        await self._execute(
            "update enrichment set completed = sealed, contacts_done = contacts, revision = revision + 1"
            " where erid = $1",
            erid,
        )

    async def finished_batch(self, erid: UUID, contacts: Sequence[Contact]) -> UUID:
        """Accept and finish a batch."""
        batch_id = await self.accept(erid, contacts)
        await self.finish(erid, batch_id, contacts)
        return batch_id

    async def outbox(self) -> list[tuple[UUID, str, UUID, str]]:
        """Return id, type, ERID and payload of every outbox row."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("select id, type, erid, payload::text from outbox order by seq")
        return [tuple(row) for row in rows]

    async def _execute(self, statement: str, *values: object) -> None:
        async with self._database.connection() as connection:
            await connection.execute(statement, *values)


def people(count: int, start: int = 0) -> list[Contact]:
    """People with a first name that says which one it is."""
    return [
        Contact(first_name=f"P{number}", last_name="Doe", company_name="Say Primer")
        for number in range(start, start + count)
    ]


def results(contact: Contact) -> dict[str, FieldResult]:
    """What was found for a person."""
    return {
        EMAIL: FieldResult(
            FieldState.FOUND,
            value=f"{contact.first_name.lower()}@example.com",
            provider="directory",
            confidence=0.9,
            at=1_764_000_000.25,
        ),
        PHONE: FieldResult(FieldState.NOT_FOUND, reason="NO_PROVIDER_KNEW", at=1_764_000_000.25),
    }


def encoded(value: object) -> str:
    """JSON as the committer writes it."""
    return msgspec.json.encode(value).decode()
