-- Contacts that are outstanding once more, with some of their fields. Their rows stand, marked, with those fields as pending
-- until they have ended again; `batch.reopened` counts them.

-- name: resume
-- Contacts with fields that are over budget are outstanding again: those fields are pending, with whom they were asked of;
-- what was found stays. $3 names the batches, null all of them: looked up one by one in either case. All in one statement:
-- the counts are those of its rows.
with over as (
    select k.batch_id, k.position, count(*) as fields_over,
        jsonb_object_agg(
            f.key, jsonb_strip_nulls(jsonb_build_object('state', 'pending', 'attempts', f.value -> 'attempts'))
        ) as fields
    from unnest(
        coalesce($3::uuid[], (select array_agg(distinct b.batch_id) from batch b where b.tenant = $1 and b.erid = $2))
    ) as u (batch_id)
    cross join lateral (
        select k.batch_id, k.position, k.fields
        from contact k
        where k.tenant = $1 and k.erid = $2 and k.batch_id = u.batch_id and not k.reopened
        offset 0 -- a batch at a time, however few contacts the planner believes the object to have
    ) k
    cross join lateral jsonb_each(k.fields) f
    where f.value ->> 'state' = 'over_budget'
    group by k.batch_id, k.position
),
reopened as (
    update contact c
    set reopened = true, fields = c.fields || o.fields
    from over o
    where c.tenant = $1 and c.erid = $2 and c.batch_id = o.batch_id and c.position = o.position
    returning c.batch_id, c.position, o.fields_over
),
parts as (
    select b.batch_id, b.part, count(*)::integer as contacts, sum(r.fields_over)::bigint as fields_over
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
    fields_over_budget = e.fields_over_budget - s.fields_over,
    completed = false,
    updated_at = now()
from (select sum(p.contacts)::bigint as contacts, sum(p.fields_over)::bigint as fields_over from parts p) s
where e.tenant = $1 and e.erid = $2 and s.contacts > 0
returning s.contacts;

-- name: newer_options
-- Of these objects those whose options have changed since the given revision; none that is cancelled is resumed.
select e.tenant, e.erid
from unnest($1::text[], $2::uuid[], $3::integer[]) as u (tenant, erid, revision)
join enrichment e on e.tenant = u.tenant and e.erid = u.erid
where e.options_revision > u.revision and not e.cancelled;

-- name: reopened_contacts
-- The marked contacts of these parts, by spans of their positions.
select u.ordinal, c.position, c.input, c.fields
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[])
    with ordinality as u (tenant, erid, batch_id, first, last, ordinal)
cross join lateral (
    select k.position, k.input, k.fields
    from contact k
    where k.tenant = u.tenant and k.erid = u.erid and k.batch_id = u.batch_id and k.position between u.first and u.last
        and k.reopened
    offset 0
) c
order by u.ordinal, c.position;

-- name: rewrite_contacts
-- Those that have ended again: the fields that were outstanding join those that stood. One that is not marked any more was
-- written by an earlier try.
update contact c
set fields = c.fields || u.fields::jsonb, revision = c.revision + 1, reopened = false, finished_at = now()
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[]) as u (tenant, erid, batch_id, position, fields)
where c.tenant = u.tenant and c.erid = u.erid and c.batch_id = u.batch_id and c.position = u.position and c.reopened
returning c.tenant, c.erid, c.batch_id, c.position;

-- name: count_off_reopened
-- They are outstanding once more no longer; that they are done is counted next, as of any other.
update batch b
set reopened = b.reopened - u.n
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[]) as u (tenant, erid, batch_id, part, n)
where b.tenant = u.tenant and b.erid = u.erid and b.batch_id = u.batch_id and b.part = u.part;
