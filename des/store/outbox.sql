-- Outbox: committed events on their way to the broker.

-- name: claim
-- By lock and not by "after the last seen": sequence numbers commit out of order, and a gap may still be filled.
select seq, id, type, tenant, erid, payload::text as payload, created_at
from outbox
order by seq
limit $1
for update skip locked;

-- name: remove
-- After the confirms only: an event that is not removed is published again under the same id.
delete from outbox where seq = any($1::bigint[]);

-- name: waiting
-- For the metrics: how far the relay is behind, in events and in seconds.
select count(*) as events, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest_s from outbox;
