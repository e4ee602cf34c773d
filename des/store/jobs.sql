-- Jobs: calls whose vendor answers later. Their handle is in the call's row; what vendors deliver waits in `delivery`.

-- name: deliver
-- What a vendor has sent by itself. The same again changes nothing.
insert into delivery (provider, handle, outcome) values ($1, $2, $3::jsonb) on conflict (provider, handle) do nothing;

-- name: hasten
-- Its call is looked at now. Where there is none the handle has not been kept yet: it is found when it is looked for.
update call set poll_at = now() where provider = $1 and handle = $2 and state = 'pending';

-- name: announce_delivery
-- Wakes the workers, with the commit: the one that holds the call's partition looks.
select pg_notify('des_delivered', $1);

-- name: overdue
-- Of the partitions that this worker holds: jobs that are due and that nobody waits for in its memory ($3), and all that
-- were delivered.
select c.id, c.tenant, c.provider, c.operation, c.person, c.handle, c.replayed, d.outcome::text as outcome
from lease l
join call c on c.partition = l.partition and c.state = 'pending' and c.provider = $2
left join delivery d on d.provider = c.provider and d.handle = c.handle
where l.owner = $1 and (d.handle is not null or c.poll_at <= now() and not c.id = any($3::uuid[]))
order by c.poll_at
limit $4;

-- name: forget_deliveries
-- Deliveries that have been taken, and those that nobody will take any more.
delete from delivery d
where d.delivered_at < now() - make_interval(secs => $1)
    or not exists (select from call c where c.provider = d.provider and c.handle = d.handle and c.state = 'pending')
        and d.delivered_at < now() - make_interval(secs => $2);
