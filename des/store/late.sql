-- Late: what becomes of contacts whose field ended without the answer of a call, once the call has ended after all. Rows are
-- locked in the order of a commit: calls, parts, the object, its budget.

-- name: expect
-- Contacts that these rows end without an answer of theirs. The call's lock decides: whoever ends it after this sees the
-- contact here, and where it has ended before, the contact can have its answer at once.
insert into awaiting (call_id, tenant, erid, batch_id, position, partition, ready)
select c.id, u.tenant, u.erid, u.batch_id, u.position, u.partition, c.state in ('settled', 'released')
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::integer[], $6::smallint[])
    as u (call_id, tenant, erid, batch_id, position, partition)
join call c on c.id = u.call_id
order by c.id
for share of c
on conflict do nothing;

-- name: hold_call
-- A call that a person has looked up at the vendor, held until what they say of it is written.
select c.id, c.tenant, c.provider, c.erid, c.state, c.reserved, c.reserved_money
from call c
where c.id = $1
for update;

-- name: waiting_for
-- ERIDs with contacts that wait for a call; there will be no others while the call is held.
select distinct tenant, erid from awaiting where call_id = $1;

-- name: end_call
-- The end of a held call by hand.
update call
set state = $2, charged = $3, charged_money = $4, resolution = $5, settled_at = now()
where id = $1;

-- name: ready
-- Whoever waited for these calls need wait no more.
update awaiting set ready = true where call_id = any($1::uuid[]) returning tenant, erid;

-- name: stop_waiting
-- The contacts stay as they ended.
delete from awaiting where call_id = $1;

-- name: add_charge
-- What a call was charged, put on the receipt of the first contact of its ERID that had waited for it.
update contact c
set revision = c.revision + 1,
    fields = jsonb_set(c.fields, array[f.name, 'attempts'], f.attempts || $4::jsonb)
from (
    select k.batch_id, k.position, r.key as name, coalesce(r.value -> 'attempts', '[]') as attempts
    from awaiting a
    join contact k on k.tenant = a.tenant and k.erid = a.erid and k.batch_id = a.batch_id and k.position = a.position
    cross join lateral jsonb_each(k.fields) r
    where a.call_id = $1 and a.tenant = $2 and a.erid = $3 and not k.reopened and r.value ->> 'call_id' = $1::text
    order by k.batch_id, k.position, r.key
    limit 1
) f
where c.tenant = $2 and c.erid = $3 and c.batch_id = f.batch_id and c.position = f.position
returning c.position;

-- name: mark_receipted
-- The charge of this call stands on a receipt now.
update call set receipted = true where id = $1;

-- name: touch
-- The object has changed without anything of it being outstanding.
update enrichment set revision = revision + 1, updated_at = now() where tenant = $1 and erid = $2;

-- name: hold_enrichment
-- Held while contacts of it become outstanding again.
select e.cancelled from enrichment e where e.tenant = $1 and e.erid = $2 for update;

-- name: ready_where_ended
-- Of a worker's partitions: whose call was ended by another enrichment that asked the same and goes no further.
update awaiting a
set ready = true
from lease l, call c
where l.owner = $1 and a.partition = l.partition and not a.ready and c.id = a.call_id
    and c.state in ('settled', 'released');

-- name: waiting_no_more
-- ERIDs of a worker's partitions with contacts that can have an answer now.
select distinct a.tenant, a.erid
from lease l
join awaiting a on a.partition = l.partition and a.ready
where l.owner = $1
limit $2;

-- name: forget_waiting
-- A cancelled object stays as it ended.
delete from awaiting where tenant = $1 and erid = $2 and ready;

-- name: reopen
-- Contacts of an ERID whose call has ended are outstanding again with the fields that had failed for want of it; what was
-- found, and what was tried, stays in their rows. One that is outstanding already comes later.
with wanted as (
    select a.batch_id, a.position, array_agg(a.call_id::text) as calls
    from awaiting a
    where a.tenant = $1 and a.erid = $2 and a.ready
    group by a.batch_id, a.position
),
resumed as (
    select k.batch_id, k.position,
        jsonb_object_agg(
            f.key, jsonb_strip_nulls(jsonb_build_object('state', 'pending', 'attempts', f.value -> 'attempts'))
        ) filter (where f.value ->> 'state' = 'failed' and f.value ->> 'call_id' = any(w.calls)) as fields,
        count(*) filter (where f.value ->> 'state' = 'failed' and f.value ->> 'call_id' = any(w.calls)) as failed
    from wanted w
    join contact k on k.tenant = $1 and k.erid = $2 and k.batch_id = w.batch_id and k.position = w.position and not k.reopened
    cross join lateral jsonb_each(k.fields) f
    group by k.batch_id, k.position
),
forgotten as (
    delete from awaiting a
    using resumed r
    where a.tenant = $1 and a.erid = $2 and a.ready and a.batch_id = r.batch_id and a.position = r.position
),
reopened as (
    update contact c
    set reopened = true, fields = c.fields || r.fields
    from resumed r
    where c.tenant = $1 and c.erid = $2 and c.batch_id = r.batch_id and c.position = r.position and r.failed > 0
    returning c.batch_id, c.position, r.failed
),
parts as (
    select b.batch_id, b.part, count(*)::integer as contacts, sum(r.failed)::bigint as failed
    from reopened r
    join batch b
        on b.tenant = $1 and b.erid = $2 and b.batch_id = r.batch_id
        and r.position >= b.first_position and r.position < b.first_position + b.contacts
    group by b.batch_id, b.part
),
finished as (
    select b.batch_id
    from batch b
    where b.tenant = $1 and b.erid = $2 and b.batch_id in (select p.batch_id from parts p)
    group by b.batch_id
    having count(*) = max(b.parts) and bool_and(b.finished_at is not null)
),
marked as (
    update batch b
    set contacts_done = b.contacts_done - p.contacts, reopened = b.reopened + p.contacts, finished_at = null
    from parts p
    where b.tenant = $1 and b.erid = $2 and b.batch_id = p.batch_id and b.part = p.part
)
update enrichment e
set contacts_done = e.contacts_done - s.contacts,
    batches_done = e.batches_done - (select count(*) from finished),
    fields_failed = e.fields_failed - s.failed,
    completed = false,
    updated_at = now()
from (select sum(p.contacts)::bigint as contacts, sum(p.failed)::bigint as failed from parts p) s
where e.tenant = $1 and e.erid = $2 and s.contacts > 0
returning s.contacts;
