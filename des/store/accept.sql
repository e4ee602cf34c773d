-- Accept: a group of batches in one transaction. The rows of `enrichment` are locked first, in order of their key, so
-- that everything about one ERID is decided by one acceptor at a time; then reading which batches are known is enough,
-- no insert can race.

-- name: accept_new
-- A group of which every batch is new, as nearly all are, in one statement in place of three: each object is opened or
-- locked, in key order, with its totals and the union of the fields asked for, and behind all of them the batches are
-- written, in the order given, which becomes the order of `seq` (drawn behind the locks: see `parts` in serving.sql). One
-- that is there violates the key of `batch`; where an object is sealed, they have no tenant, which it does not take either:
-- the statement may be a transaction of its own. Answers the `seq`s, and in rows without one the objects with options.
with totals as (
    insert into enrichment as e (tenant, erid, partition, contacts, batches, fields)
    select u.tenant, u.erid, u.partition, u.contacts, u.batches, string_to_array(u.fields, ',')
    from unnest($12::text[], $13::uuid[], $14::smallint[], $15::bigint[], $16::bigint[], $17::text[])
        as u (tenant, erid, partition, contacts, batches, fields)
    order by u.tenant, u.erid
    on conflict (tenant, erid) do update set
        contacts = e.contacts + excluded.contacts,
        batches = e.batches + excluded.batches,
        fields = case
            when e.fields @> excluded.fields then e.fields
            else array(select distinct f from unnest(e.fields || excluded.fields) f order by f)
        end,
        updated_at = now()
    returning e.tenant, e.erid, e.sealed, e.options, e.options_revision
), added as (
    insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields, contacts, payload)
    select case when not locked.sealed then u.tenant end, u.erid, u.batch_id, u.part, u.parts, u.first_position,
        u.partition, u.content_hash, string_to_array(u.fields, ','), u.contacts, u.payload
    from (select bool_or(sealed) as sealed from totals) as locked
    cross join unnest(
        $1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[], $8::bytea[],
        $9::text[], $10::integer[], $11::bytea[]
    ) with ordinality as u (
        tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields, contacts, payload, ordinal
    )
    order by u.ordinal
    returning seq
)
select seq, null as tenant, null::uuid as erid, null::jsonb as options, null::integer as options_revision
from added
union all
select null, tenant, erid, options, options_revision
from totals
where options_revision > 0
order by seq;

-- name: lock_enrichments
-- Opens the objects that are new and locks those that are there, in key order: two acceptors never deadlock. One
-- statement, since each more is a round trip within a lock; its price is a row version an object and group. Options
-- come along, which are mostly null: batches that have some are compared with them.
insert into enrichment as e (tenant, erid, partition)
select u.tenant, u.erid, u.partition
from unnest($1::text[], $2::uuid[], $3::smallint[]) as u (tenant, erid, partition)
order by u.tenant, u.erid
on conflict (tenant, erid) do update set partition = excluded.partition
returning e.tenant, e.erid, e.sealed, e.completed, e.cancelled, e.contacts, e.options, e.options_given, e.options_revision;

-- name: known_batches
-- What is there already of these batch ids, with all parts: a duplicate has the same content, a conflict has not.
select b.tenant, b.erid, b.batch_id, b.part, b.parts, b.content_hash
from unnest($1::text[], $2::uuid[], $3::uuid[]) as u (tenant, erid, batch_id)
join batch b on b.tenant = u.tenant and b.erid = u.erid and b.batch_id = u.batch_id;

-- name: insert_batches
-- New batches, in the order given, which becomes the order of `seq`; with the totals of each object and the union of the
-- fields asked for. One statement for both, to spare a round trip within the lock. Fields travel joined by commas.
with counted as (
    update enrichment e
    set contacts = e.contacts + u.contacts,
        batches = e.batches + u.batches,
        fields = case
            when e.fields @> string_to_array(u.fields, ',') then e.fields
            else array(select distinct f from unnest(e.fields || string_to_array(u.fields, ',')) f order by f)
        end,
        updated_at = now()
    from unnest($12::text[], $13::uuid[], $14::bigint[], $15::bigint[], $16::text[])
        as u (tenant, erid, contacts, batches, fields)
    where e.tenant = u.tenant and e.erid = u.erid
)
insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields, contacts, payload)
select u.tenant, u.erid, u.batch_id, u.part, u.parts, u.first_position, u.partition, u.content_hash,
    string_to_array(u.fields, ','), u.contacts, u.payload
from unnest(
    $1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[], $8::bytea[], $9::text[],
    $10::integer[], $11::bytea[]
) with ordinality as u (
    tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields, contacts, payload, ordinal
)
order by u.ordinal
returning seq;

-- name: tell_owners
-- Wakes the workers that hold these partitions; sent with the commit.
select pg_notify('des_batch', $1);
