-- The audit: the ledger, the budgets and the receipts held against each other, all in one snapshot. These read whole tables.

-- name: whole_tables
-- Of the settings that keep every other statement to its key (see postgres.py), for this transaction only.
select set_config(name, value, true)
from (values
    ('enable_seqscan', 'on'), ('enable_hashjoin', 'on'), ('enable_mergejoin', 'on'), ('statement_timeout', '0'),
    ('plan_cache_mode', 'force_custom_plan') -- of one tenant, or of all
) as s (name, value);

-- name: balances
-- By tenant and provider: what the budgets say was charged, what the calls were settled at, what the receipts show.
with calls as (
    select c.tenant, c.provider, count(*) as calls,
        count(*) filter (where c.state in ('claimed', 'pending', 'unknown')) as open,
        count(*) filter (where c.state = 'unknown') as unknown,
        coalesce(sum(c.reserved) filter (where c.state in ('claimed', 'pending', 'unknown')), 0)::bigint as reserved,
        coalesce(sum(c.reserved) filter (where c.state = 'unknown'), 0)::bigint as reserved_unknown,
        sum(c.charged)::bigint as settled,
        sum(case when c.receipted then 0 else c.charged end)::bigint as without_receipt
    from call c
    where $1::text is null or c.tenant = $1
    group by c.tenant, c.provider
),
lines as (
    select k.tenant, r.value as line
    from contact k
    cross join lateral jsonb_each(k.fields) r
    where $1::text is null or k.tenant = $1
    union all
    select k.tenant, a.value
    from contact k
    cross join lateral jsonb_each(k.fields) r
    cross join lateral jsonb_array_elements(r.value -> 'attempts') a
    where $1::text is null or k.tenant = $1
),
receipts as (
    select l.tenant, l.line ->> 'provider' as provider, sum(round((l.line ->> 'cost')::numeric * 1000000))::bigint as receipts
    from lines l
    where l.line ? 'cost'
    group by l.tenant, l.line ->> 'provider'
),
answers as (
    select a.tenant, a.provider, count(*) as answers
    from answer a
    where ($1::text is null or a.tenant = $1) and a.outcome <> 'transient'
    group by a.tenant, a.provider
),
budgets as (
    select b.tenant, b.name as provider, b.spent as charged
    from budget b
    where b.scope = 'provider' and ($1::text is null or b.tenant = $1)
)
select tenant, provider, coalesce(c.calls, 0) as calls, coalesce(c.open, 0) as open, coalesce(c.unknown, 0) as unknown,
    coalesce(a.answers, 0) as answers, coalesce(c.reserved, 0) as reserved,
    coalesce(c.reserved_unknown, 0) as reserved_unknown, coalesce(b.charged, 0) as charged,
    coalesce(c.settled, 0) as settled, coalesce(r.receipts, 0) as receipts,
    coalesce(c.without_receipt, 0) as without_receipt
from calls c
full join budgets b using (tenant, provider)
full join receipts r using (tenant, provider)
full join answers a using (tenant, provider)
order by tenant, provider;

-- name: held
-- Calls that may have been sent and got no answer, oldest first.
select c.id, c.tenant, c.provider, c.erid, c.fields, c.reserved, c.claimed_at as since, c.reason,
    (select count(*) from awaiting w where w.call_id = c.id) as contacts
from call c
where c.state = 'unknown' and ($1::text is null or c.tenant = $1)
order by c.claimed_at, c.id;

-- name: without_receipt
-- Charges that stand on no receipt, and why: settled by hand or given up, the contact still in work, or cancelled. One
-- without a reason is an error of the books.
select c.id, c.tenant, c.provider, c.erid, c.charged, c.settled_at as since,
    case
        when c.resolution <> '' then c.resolution
        when e.cancelled then 'the enrichment was cancelled before its contact had the answer'
        when e.contacts_done < e.contacts then 'its contact is in work'
        when exists (select from awaiting w where w.call_id = c.id) then 'its contact will be in work again'
        else ''
    end as why
from call c
left join enrichment e on e.tenant = c.tenant and e.erid = c.erid
where c.state = 'settled' and c.charged > 0 and not c.receipted and ($1::text is null or c.tenant = $1)
order by c.settled_at, c.id;

-- name: budget_differences
-- Budgets that are not the sum of their calls.
with sums as (
    select c.tenant, s.scope, s.name,
        sum(case when c.state in ('claimed', 'pending', 'unknown') then c.reserved else 0 end)::bigint as reserved,
        sum(case when c.state in ('claimed', 'pending', 'unknown') then c.reserved_money else 0 end)::bigint as reserved_money,
        sum(c.charged)::bigint as spent, sum(c.charged_money)::bigint as spent_money
    from call c
    cross join lateral (values ('tenant', ''), ('provider', c.provider), ('erid', c.erid::text)) as s (scope, name)
    where $1::text is null or c.tenant = $1
    group by c.tenant, s.scope, s.name
)
select tenant, scope, name, d.what, d.expected, d.found
from sums s
full join (select * from budget where $1::text is null or tenant = $1) b using (tenant, scope, name)
cross join lateral (values
    ('reserved', coalesce(s.reserved, 0), coalesce(b.reserved, 0)),
    ('reserved_money', coalesce(s.reserved_money, 0), coalesce(b.reserved_money, 0)),
    ('spent', coalesce(s.spent, 0), coalesce(b.spent, 0)),
    ('spent_money', coalesce(s.spent_money, 0), coalesce(b.spent_money, 0))
) as d (what, expected, found)
where d.expected <> d.found
order by tenant, scope, name, d.what;

-- name: receipt_differences
-- Calls whose charge is not what stands on receipts under their id, and costs on receipts that are no call's.
with lines as (
    select k.tenant, k.erid, r.value as line
    from contact k
    cross join lateral jsonb_each(k.fields) r
    where $1::text is null or k.tenant = $1
    union all
    select k.tenant, k.erid, a.value
    from contact k
    cross join lateral jsonb_each(k.fields) r
    cross join lateral jsonb_array_elements(r.value -> 'attempts') a
    where $1::text is null or k.tenant = $1
),
shown as (
    select l.tenant, l.erid, (l.line ->> 'call_id')::uuid as id,
        sum(round((l.line ->> 'cost')::numeric * 1000000))::bigint as cost
    from lines l
    where l.line ? 'cost'
    group by l.tenant, l.erid, l.line ->> 'call_id'
),
charged as (
    select c.tenant, c.erid, c.id, c.charged
    from call c
    where c.receipted and c.charged > 0 and ($1::text is null or c.tenant = $1)
)
select tenant, erid, id, coalesce(c.charged, 0) as expected, coalesce(s.cost, 0) as found
from charged c
full join shown s using (tenant, erid, id)
where coalesce(c.charged, 0) <> coalesce(s.cost, 0)
order by tenant, erid, id;
