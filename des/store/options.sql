-- Options of ERIDs. Their rows of `enrichment` are locked before; the ledger takes the row of `budget` alone, so the two
-- are always taken in this order.

-- name: set_options
-- Options that are new or changed; what was given first stays what it is.
update enrichment e
set options = u.options::jsonb,
    options_given = coalesce(e.options_given, u.given::jsonb),
    options_revision = u.revision,
    updated_at = now()
from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::integer[]) as u (tenant, erid, options, given, revision)
where e.tenant = u.tenant and e.erid = u.erid;

-- name: set_caps
-- The caps in these options, null where there is none, in millionths. What is reserved and spent stays as it is.
insert into budget (tenant, scope, name, cap, cap_money)
select u.tenant, 'erid', u.name, u.cap, u.cap_money
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as u (tenant, name, cap, cap_money)
order by u.tenant, u.name
on conflict (tenant, scope, name) do update set cap = excluded.cap, cap_money = excluded.cap_money;
