-- What the engine reads: the open work of an ERID, of a partition, of all.

-- name: load
-- Open batches of each wanted ERID in order of acceptance, until the contacts wanted are together, at least one. The
-- first $6 candidates are summed without reading their payload. A batch has contacts that were never finished (`fresh`),
-- contacts that were resumed (`again`), or both, and is left out where the want knows of what it has.
select w.ordinal, o.tenant, o.erid, o.batch_id, o.part, o.parts, o.first_position, o.seq, o.content_hash, o.fields,
    o.contacts, o.contacts_done + o.reopened as written, o.fresh, o.again, o.candidates,
    case when o.fresh then o.payload end as payload
from unnest($1::text[], $2::uuid[], $3::smallint[], $4::integer[]) with ordinality as w (
    tenant, erid, partition, contacts, ordinal
)
cross join lateral (
    select c.*
    from (
        select b.*, count(*) over () as candidates,
            sum(b.contacts) over (order by b.seq rows unbounded preceding) - b.contacts as contacts_before
        from (
            select q.*
            from (
                select *,
                    contacts_done + reopened < contacts and not seq = any($5::bigint[]) as fresh,
                    reopened > 0 and not -seq = any($5::bigint[]) as again
                from batch
                where partition = w.partition and tenant = w.tenant and erid = w.erid and finished_at is null
            ) q
            where q.fresh or q.again
            order by seq
            limit $6
        ) b
    ) c
    where c.contacts_before < w.contacts
) o
order by w.ordinal, o.seq;

-- name: done_positions
-- Positions of these batches that are committed already; an interrupted batch goes on behind them.
select c.tenant, c.erid, c.batch_id, array_agg(c.position) as positions
from unnest($1::text[], $2::uuid[], $3::uuid[]) as u (tenant, erid, batch_id)
join contact c on c.tenant = u.tenant and c.erid = u.erid and c.batch_id = u.batch_id
group by c.tenant, c.erid, c.batch_id;

-- name: outstanding
-- ERIDs with open batches of some partitions, in the order these are given, those of the first after the given ERID. Each
-- is found by a step down the index rather than by reading all its batches, its object by its key, however many of them the
-- planner expects; and what lies behind the limit is not touched.
select l.tenant, l.erid, e.cancelled, e.contacts - e.contacts_done as contacts, e.options, e.options_revision
from (
    select o.tenant, o.erid
    from unnest($1::smallint[], array[$2]::text[], array[$3]::uuid[]) with ordinality as p (partition, tenant, erid, ordinal)
    cross join lateral (
        with recursive o as (
            (
                select b.tenant, b.erid
                from batch b
                where b.partition = p.partition and b.finished_at is null
                    and (b.tenant, b.erid) > (coalesce(p.tenant, ''), coalesce(p.erid, '00000000-0000-0000-0000-000000000000'))
                order by b.tenant, b.erid
                limit 1
            )
            union all
            select n.tenant, n.erid
            from o
            cross join lateral (
                select b.tenant, b.erid
                from batch b
                where b.partition = p.partition and b.finished_at is null and (b.tenant, b.erid) > (o.tenant, o.erid)
                order by b.tenant, b.erid
                limit 1
            ) n
        )
        select tenant, erid from o limit $4
    ) o
    order by p.ordinal, o.tenant, o.erid
    limit $4
) l
cross join lateral (select * from enrichment where tenant = l.tenant and erid = l.erid limit 1) e;

-- name: backlog
-- Contacts accepted and not finished, over all objects; not those that are outstanding once more, which nobody accepts.
select (
    coalesce((select sum(contacts - contacts_done) from enrichment where contacts_done < contacts), 0)
    - coalesce((select sum(reopened) from batch where finished_at is null), 0)
)::bigint;
