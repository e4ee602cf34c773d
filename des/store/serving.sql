-- What serving reads and the little it writes. Every statement names the tenant (design, P8): as `tenant collate "C"`
-- where it goes by an order rather than by a key, which only the indexes made for that order answer (see migrations).

-- name: enrichment
-- The object of one ERID without its contacts.
select e.* from enrichment e where e.tenant = $1 and e.erid = $2;

-- name: watched
-- All watched objects at once: one primary key look-up each, however many watchers there are.
select e.*
from unnest($1::text[], $2::uuid[]) as w (tenant, erid)
join enrichment e on e.tenant = w.tenant and e.erid = w.erid;

-- name: newest_enrichments
-- The first page of a tenant's objects.
select e.* from enrichment e where e.tenant collate "C" = $1 order by e.created_at desc, e.erid limit $2;

-- name: older_enrichments
-- The next page, by the key of the last object of the page before. The first condition is the one the index takes.
select e.*
from enrichment e
where e.tenant collate "C" = $1 and e.created_at <= $3 and (e.created_at < $3 or e.erid > $4)
order by e.created_at desc, e.erid
limit $2;

-- name: page_parts
-- The parts that hold the next $5 contacts after position $4 of part $3, and one contact more, which tells whether
-- another page follows. The payload, which may be megabytes, comes only with parts that are on the page and unfinished.
with ahead as (
    select
        b.seq,
        case when b.seq = $3 then b.first_position + b.contacts - 1 - $4 else b.contacts end as remaining
    from batch b
    where b.tenant collate "C" = $1 and b.erid = $2 and b.seq >= $3
    order by b.seq
    limit $5 + 2
),
placed as (
    select a.seq, a.remaining, sum(a.remaining) over (order by a.seq) - a.remaining as before from ahead a
)
select
    b.seq,
    b.batch_id,
    b.first_position,
    b.contacts,
    b.fields,
    case when p.before < $5 then b.payload end as payload
from placed p
join batch b on b.tenant collate "C" = $1 and b.erid = $2 and b.seq = p.seq
where p.before <= $5 and p.remaining > 0
order by b.seq;

-- name: finished_contacts
-- Finished contacts of some spans of positions: one range of the primary key for each span. `offset 0` keeps it so:
-- before the first ANALYZE of a big object the planner would otherwise compare every span with every contact of it.
select s.seq, c.batch_id, c.position, c.input, c.fields
from unnest($3::bigint[], $4::uuid[], $5::integer[], $6::integer[]) as s (seq, batch_id, first, last)
cross join lateral (
    select k.batch_id, k.position, k.input, k.fields
    from contact k
    where
        k.tenant = $1 and k.erid = $2 and k.batch_id = s.batch_id and k.position between s.first and s.last
    offset 0
) c
order by s.seq, c.position;

-- name: parts
-- Parts with finished contacts. A part never turns up below a number that was seen: accept.sql locks the object
-- before it draws numbers, so within an ERID their order is that of the commits.
select b.seq, b.batch_id, b.first_position, b.contacts, b.contacts_done
from batch b
where b.tenant collate "C" = $1 and b.erid = $2 and b.seq > $3 and b.contacts_done > 0
order by b.seq
limit $4;

-- name: finished_up_to
-- Just below the oldest unfinished part, found by the partial index of what is unfinished; else the newest part.
select coalesce(
    (
        select min(b.seq) - 1
        from batch b
        where b.partition = $3 and b.tenant = $1 and b.erid = $2 and b.finished_at is null
    ),
    (select max(b.seq) from batch b where b.tenant collate "C" = $1 and b.erid = $2),
    0
);

-- name: create
-- A second time, or after the first batch, it changes nothing.
insert into enrichment (tenant, erid, partition) values ($1, $2, $3) on conflict do nothing;

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
returning e.*;

-- name: cancel
-- What is completed has nothing left to cancel and keeps its state.
update enrichment e
set cancelled = true, sealed = true, updated_at = now()
where e.tenant = $1 and e.erid = $2 and not e.cancelled and not e.completed
returning e.*;

-- name: announce_cancel
-- Heard by every worker when the transaction commits; the one that owns the ERID acts.
select pg_notify('des_cancel', $1);

-- name: announce
-- An event of this transaction, for the relay.
insert into outbox (id, type, tenant, erid, payload) values ($1, $2, $3, $4, $5);
