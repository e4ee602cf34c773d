-- Commit: whatever finished, from all actors, in one transaction. Rows are touched in order of their key.

-- name: hold_leases
-- The epochs this worker holds, held until the commit: a takeover waits for it, and a zombie finds nothing here.
select partition, epoch from lease where partition = any($1::smallint[]) and owner = $2 for share;

-- name: insert_contacts
-- Used when an earlier try may have landed, or for few rows: says which rows are new.
insert into contact (tenant, erid, batch_id, position, input, fields)
select u.tenant, u.erid, u.batch_id, u.position, u.input::jsonb, u.fields::jsonb
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[])
    as u (tenant, erid, batch_id, position, input, fields)
on conflict (tenant, erid, batch_id, position) do nothing
returning tenant, erid, batch_id, position;

-- name: hold_parts
-- Every part of these batches, before any of them is counted: where contacts are resumed or written once more, parts are
-- touched more than once, and whoever holds one already waits for none that comes before it.
select from unnest($1::text[], $2::uuid[], $3::uuid[]) as u (tenant, erid, batch_id)
join batch b on b.tenant = u.tenant and b.erid = u.erid and b.batch_id = u.batch_id
order by b.tenant, b.erid, b.batch_id, b.part
for no key update of b;

-- name: count_off
-- Progress of each batch part, of which a finished one lets go of its payload, and with it of each object: one statement
-- for both, to spare a round trip. The last outstanding contact settles the object: a new revision; if it is sealed, it
-- is completed where all parts of its batches are here (steering.sql, `seal`): what is cancelled waits for no more.
-- `finished` are its batches that are whole and finished with this, `in_parts` those of which a part is. Grouped rather
-- than joined: without hash joins (postgres.py) two hundred objects of a commit would be held against each other.
with counted as (
    update batch b
    set contacts_done = b.contacts_done + u.n,
        finished_at = case when b.contacts_done + u.n = b.contacts then now() end,
        payload = case when b.contacts_done + u.n = b.contacts then null else b.payload end
    from unnest($10::text[], $11::uuid[], $12::uuid[], $13::integer[], $14::integer[]) as u (tenant, erid, batch_id, part, n)
    where b.tenant = u.tenant and b.erid = u.erid and b.batch_id = u.batch_id and b.part = u.part
    returning b.tenant, b.erid, b.batch_id, b.parts, b.contacts, b.finished_at
)
update enrichment e
set contacts_done = e.contacts_done + d.contacts,
    batches_done = e.batches_done + d.batches,
    fields_found = e.fields_found + d.found,
    fields_not_found = e.fields_not_found + d.not_found,
    fields_failed = e.fields_failed + d.failed,
    fields_suppressed = e.fields_suppressed + d.suppressed,
    fields_over_budget = e.fields_over_budget + d.over_budget,
    fields_cancelled = e.fields_cancelled + d.cancelled,
    revision = e.revision + case when e.contacts_done + d.contacts = e.contacts then 1 else 0 end,
    completed = e.completed or case
        when not e.sealed or e.contacts_done + d.contacts < e.contacts then false
        else e.cancelled or not exists (
            select from batch b
            where b.tenant = e.tenant and b.erid = e.erid and b.parts > 1
            group by b.batch_id
            having count(*) < max(b.parts)
        )
    end,
    updated_at = now()
from (
    select tenant, erid, sum(contacts)::bigint as contacts, sum(found)::bigint as found,
        sum(not_found)::bigint as not_found, sum(failed)::bigint as failed, sum(suppressed)::bigint as suppressed,
        sum(over_budget)::bigint as over_budget, sum(cancelled)::bigint as cancelled,
        count(*) filter (where parts = 1) as batches,
        array_agg(batch_id) filter (where parts = 1) as finished,
        array_agg(batch_contacts) filter (where parts = 1) as finished_contacts,
        array_agg(batch_id) filter (where parts > 1) as in_parts
    from (
        select *, null::uuid as batch_id, null::integer as parts, null::integer as batch_contacts
        from unnest(
            $1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[]
        ) as a (tenant, erid, contacts, found, not_found, failed, suppressed, over_budget, cancelled)
        union all
        select tenant, erid, null, null, null, null, null, null, null, batch_id, parts, contacts
        from counted
        where finished_at is not null
    ) as x
    group by tenant, erid
    order by tenant, erid
) as d
where e.tenant = d.tenant and e.erid = d.erid
returning e.tenant, e.erid, e.revision, e.completed, e.fields, e.contacts, e.contacts_done, e.batches, e.batches_done,
    e.fields_found, e.fields_not_found, e.fields_failed, e.fields_suppressed, e.fields_over_budget, e.fields_cancelled,
    d.finished, d.finished_contacts, d.in_parts;

-- name: count_batches_in_parts
-- Of batches in several parts: those of which every part is here and finished count as done.
with whole as (
    select b.tenant, b.erid, b.batch_id, sum(b.contacts) as contacts
    from unnest($1::text[], $2::uuid[], $3::uuid[]) as u (tenant, erid, batch_id)
    join batch b on b.tenant = u.tenant and b.erid = u.erid and b.batch_id = u.batch_id
    group by b.tenant, b.erid, b.batch_id
    having count(*) = max(b.parts) and bool_and(b.finished_at is not null)
), by_object as (
    select tenant, erid, count(*) as batches, array_agg(batch_id) as finished, array_agg(contacts) as finished_contacts
    from whole
    group by tenant, erid
)
update enrichment e
set batches_done = e.batches_done + w.batches
from by_object w
where e.tenant = w.tenant and e.erid = w.erid
returning e.tenant, e.erid, e.batches_done, w.finished, w.finished_contacts;

-- name: insert_events
-- Events of what this transaction changed; the relay takes them from here.
insert into outbox (id, type, tenant, erid, payload)
select u.id, u.type, u.tenant, u.erid, u.payload::jsonb
from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[]) as u (id, type, tenant, erid, payload);
