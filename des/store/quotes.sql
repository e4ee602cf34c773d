-- What a quote reads. Nothing here writes.

-- name: answers_at_hand
-- Answers that are believed: one look by the primary key for each person and operation.
select a.provider, a.operation, a.person, a.cost, array(select jsonb_object_keys(a.fields)) as found
from unnest($2::text[], $3::text[]) as o (provider, operation)
cross join unnest($4::text[]) as p (person)
join answer a on a.tenant = $1 and a.provider = o.provider and a.operation = o.operation and a.person = p.person
where a.expires_at > now() and a.answered_at >= now() - make_interval(secs => $5);

-- name: receipts_seen
-- What the newest receipts show of providers, field by field: a hundred contacts of each of the fifty newest objects at most.
with newest as (
    select e.erid from enrichment e where e.tenant collate "C" = $1 order by e.created_at desc, e.erid limit 50
),
receipt as (
    select f.key as field, f.value as result
    from newest n
    cross join lateral (select k.fields from contact k where k.tenant = $1 and k.erid = n.erid limit 100) c
    cross join lateral jsonb_each(c.fields) f
),
line as (
    select r.field, r.result ->> 'provider' as provider, true as found,
        coalesce((r.result ->> 'cost')::float8, 0) + coalesce((r.result ->> 'saved')::float8, 0) as cost
    from receipt r
    where r.result ->> 'state' = 'found'
    union all
    select r.field, a.value ->> 'provider', false,
        coalesce((a.value ->> 'cost')::float8, 0) + coalesce((a.value ->> 'saved')::float8, 0)
    from receipt r
    cross join lateral jsonb_array_elements(coalesce(r.result -> 'attempts', '[]')) a
    where a.value ->> 'outcome' = 'miss'
)
select l.provider, l.field, count(*) as asked, count(*) filter (where l.found) as found, sum(l.cost) as cost
from line l
group by l.provider, l.field
order by l.provider, l.field;
