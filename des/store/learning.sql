-- What calls show of providers. Counted in the transaction that settles them, so that each counts once.

-- name: count_lessons
-- Adds what this group of calls showed. Beyond $8 calls the counts are halved: what a provider does now outweighs what it
-- did. In order of the key, so that two workers never deadlock.
insert into provider_stat as s (tenant, provider, field, segment, asked, found, confidence_sum)
select u.tenant, u.provider, u.field, u.segment, u.asked, u.found, u.confidence_sum
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[])
    as u (tenant, provider, field, segment, asked, found, confidence_sum)
order by u.tenant, u.provider, u.field, u.segment
on conflict (tenant, provider, field, segment) do update
set asked = (s.asked + excluded.asked) / case when s.asked + excluded.asked > $8 then 2 else 1 end,
    found = (s.found + excluded.found) / case when s.asked + excluded.asked > $8 then 2 else 1 end,
    confidence_sum = (s.confidence_sum + excluded.confidence_sum)
        / case when s.asked + excluded.asked > $8 then 2 else 1 end;

-- name: standings
-- All there is, read by each worker every so often: a row for each field, provider and segment of a tenant.
select tenant, provider, field, segment, asked, found, confidence_sum
from provider_stat
order by tenant, provider, field, segment;
