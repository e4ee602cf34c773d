-- What serving reads. Every statement names the tenant (design, P8): as `tenant collate "C"`
-- where it goes by an order rather than by a key, which only the indexes made for that order answer (see migrations).

-- name: enrichment
-- The object of one ERID without its contacts, and what it costs.
select e.*, b.reserved, b.reserved_money, b.spent, b.spent_money, b.saved, b.saved_money,
    (select s.stalls from stalled s where s.tenant = e.tenant and s.erid = e.erid) as stalls
from enrichment e
left join budget b on b.tenant = e.tenant and b.scope = 'erid' and b.name = e.erid::text
where e.tenant = $1 and e.erid = $2;

-- name: watched
-- All watched objects at once: one primary key look-up each, however many watchers there are.
select e.*, b.reserved, b.reserved_money, b.spent, b.spent_money, b.saved, b.saved_money,
    (select s.stalls from stalled s where s.tenant = e.tenant and s.erid = e.erid) as stalls
from unnest($1::text[], $2::uuid[]) as w (tenant, erid)
join enrichment e on e.tenant = w.tenant and e.erid = w.erid
left join budget b on b.tenant = e.tenant and b.scope = 'erid' and b.name = e.erid::text;

-- name: newest_enrichments
-- The first page of a tenant's objects.
select e.*, b.reserved, b.reserved_money, b.spent, b.spent_money, b.saved, b.saved_money,
    (select s.stalls from stalled s where s.tenant = e.tenant and s.erid = e.erid) as stalls
from enrichment e
left join budget b on b.tenant = e.tenant and b.scope = 'erid' and b.name = e.erid::text
where e.tenant collate "C" = $1
order by e.created_at desc, e.erid
limit $2;

-- name: older_enrichments
-- The next page, by the key of the last object of the page before. The first condition is the one the index takes.
select e.*, b.reserved, b.reserved_money, b.spent, b.spent_money, b.saved, b.saved_money,
    (select s.stalls from stalled s where s.tenant = e.tenant and s.erid = e.erid) as stalls
from enrichment e
left join budget b on b.tenant = e.tenant and b.scope = 'erid' and b.name = e.erid::text
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
-- Those that are reopened come too: a page shows what they have.
select s.seq, c.batch_id, c.position, c.input, c.fields, c.reopened
from unnest($3::bigint[], $4::uuid[], $5::integer[], $6::integer[]) as s (seq, batch_id, first, last)
cross join lateral (
    select k.batch_id, k.position, k.input, k.fields, k.reopened
    from contact k
    where
        k.tenant = $1 and k.erid = $2 and k.batch_id = s.batch_id and k.position between s.first and s.last
    offset 0
) c
order by s.seq, c.position;

-- name: parts
-- Parts with contacts that are finished, or were and are outstanding once more. A part never turns up below a number that
-- was seen: accept.sql locks the object before it draws numbers, so within an ERID their order is that of the commits.
select b.seq, b.batch_id, b.first_position, b.contacts, b.contacts_done, b.reopened
from batch b
where b.tenant collate "C" = $1 and b.erid = $2 and b.seq > $3 and (b.contacts_done > 0 or b.reopened > 0)
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
