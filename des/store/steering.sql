-- What callers change of an enrichment: its options, its seal, its end. Rows are locked in the order of a commit: parts,
-- then the object, then its budget.

-- name: create
-- A second time, or after the first batch, it changes nothing.
insert into enrichment (tenant, erid, partition) values ($1, $2, $3) on conflict do nothing;

-- name: lock_enrichment
-- The options as they stand, held until they are changed, and whether anything can be resumed.
select e.options, e.options_given, e.options_revision, e.cancelled, e.fields_over_budget
from enrichment e
where e.tenant = $1 and e.erid = $2
for update;

-- name: lock_parts
-- Every part of the object: a commit that counts contacts off one comes before, or waits.
select from batch b where b.tenant = $1 and b.erid = $2 order by b.batch_id, b.part for no key update;

-- name: resume
-- Contacts with fields that are over budget are outstanding again; what was found stays in their rows, which are only
-- marked. $3 names the batches, null all of them. All in one statement: the counts are those of the rows it changed.
with reopened as (
    update contact c
    set reopened = true
    where c.tenant = $1 and c.erid = $2 and ($3::uuid[] is null or c.batch_id = any($3)) and not c.reopened
        and c.fields @? '$.*.state ? (@ == "over_budget")'
    returning c.batch_id, c.position, (
        select count(*) from jsonb_each(c.fields) f where f.value ->> 'state' = 'over_budget'
    ) as over_budget
),
parts as (
    select b.batch_id, b.part, count(*)::integer as contacts, sum(r.over_budget)::bigint as over_budget
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
    fields_over_budget = e.fields_over_budget - s.over_budget,
    completed = false,
    updated_at = now()
from (select sum(p.contacts)::bigint as contacts, sum(p.over_budget)::bigint as over_budget from parts p) s
where e.tenant = $1 and e.erid = $2 and s.contacts > 0
returning s.contacts;

-- name: tell_owner
-- Wakes the worker that holds the partition, with the commit: it looks for what is outstanding, and reads the options.
select pg_notify('des_batch', $1);

-- name: seal
-- The row's lock decides between a seal and the commit that finishes the last contact: whichever comes second
-- completes. Returns a row only when it was not sealed before.
update enrichment e
set
    sealed = true,
    completed = e.contacts_done = e.contacts,
    revision = e.revision + case when e.contacts_done = e.contacts then 1 else 0 end,
    updated_at = now()
where e.tenant = $1 and e.erid = $2 and not e.sealed
returning e.completed;

-- name: cancel
-- What is completed has nothing left to cancel and keeps its state.
update enrichment e
set cancelled = true, sealed = true, updated_at = now()
where e.tenant = $1 and e.erid = $2 and not e.cancelled and not e.completed
returning e.erid;

-- name: announce_cancel
-- Heard by every worker when the transaction commits; the one that owns the ERID acts.
select pg_notify('des_cancel', $1);

-- name: announce
-- An event of this transaction, for the relay.
insert into outbox (id, type, tenant, erid, payload) values ($1, $2, $3, $4, $5);
