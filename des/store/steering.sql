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

-- name: tell_owner
-- Wakes the worker that holds the partition, with the commit: it looks for what is outstanding, and reads the options.
select pg_notify('des_batch', $1);

-- name: seal
-- The row's lock decides between a seal and the commit that finishes the last contact: whichever comes second
-- completes. A batch of which parts are still to come keeps it open. Returns a row only when it was not sealed before.
with held as (
    select e.tenant, e.erid, e.contacts_done = e.contacts as settled
    from enrichment e
    where e.tenant = $1 and e.erid = $2 and not e.sealed
    for update
), ended as (
    select h.tenant, h.erid, h.settled and not exists (
        select from batch b
        where b.tenant = h.tenant and b.erid = h.erid and b.parts > 1
        group by b.batch_id
        having count(*) < max(b.parts)
    ) as completed
    from held h
)
update enrichment e
set sealed = true,
    completed = n.completed,
    revision = e.revision + case when n.completed then 1 else 0 end,
    updated_at = now()
from ended n
where e.tenant = n.tenant and e.erid = n.erid
returning e.completed;

-- name: cancel
-- What is completed has nothing left to cancel and keeps its state; where nothing is outstanding it is completed by this.
update enrichment e
set cancelled = true,
    sealed = true,
    completed = e.contacts_done = e.contacts,
    revision = e.revision + case when e.contacts_done = e.contacts then 1 else 0 end,
    updated_at = now()
where e.tenant = $1 and e.erid = $2 and not e.cancelled and not e.completed
returning e.completed;

-- name: announce_cancel
-- Heard by every worker when the transaction commits; the one that owns the ERID acts.
select pg_notify('des_cancel', $1);

-- name: announce
-- An event of this transaction, for the relay.
insert into outbox (id, type, tenant, erid, payload) values ($1, $2, $3, $4, $5);
