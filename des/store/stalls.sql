-- Why contacts wait, as their worker tells it when a stall begins, changes or ends; never on the way of a contact.

-- name: tell
-- What has ended is removed, what is new or changed is written. Nothing is written for a worker whose row is gone: its
-- leases are gone too.
with ended as (
    delete from stall s
    using unnest($8::text[], $9::uuid[], $10::text[], $11::text[]) as u (tenant, erid, provider, reason)
    where s.owner = $1 and s.tenant = u.tenant and s.erid = u.erid and s.provider = u.provider and s.reason = u.reason
)
insert into stall (owner, tenant, erid, provider, reason, until, contacts)
select $1, u.tenant, u.erid, u.provider, u.reason, to_timestamp(u.until), u.contacts
from unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::double precision[], $7::bigint[])
    as u (tenant, erid, provider, reason, until, contacts)
where exists (select from worker w where w.owner = $1)
order by u.tenant, u.erid, u.provider, u.reason
on conflict (tenant, erid, provider, reason, owner) do update set until = excluded.until, contacts = excluded.contacts;
