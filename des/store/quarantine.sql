-- Quarantine: what could not be accepted or committed, and what operators do with it.

-- name: add
-- Upsert by fingerprint, in its order so that two groups never deadlock. What was retried and comes back is held again;
-- what was discarded stays discarded.
insert into quarantine (
    fingerprint, tenant, erid, batch_id, stage, reason, message, violations, content_type, message_type, payload, seen
)
select u.fingerprint, u.tenant, u.erid, u.batch_id, u.stage, u.reason, u.message, u.violations::jsonb, u.content_type,
    u.message_type, u.payload, u.seen
from unnest(
    $1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::bytea[], $12::bigint[]
) as u (
    fingerprint, tenant, erid, batch_id, stage, reason, message, violations, content_type, message_type, payload, seen
)
on conflict (fingerprint) do update
set seen = quarantine.seen + excluded.seen,
    state = case when quarantine.state = 'retried' then 'held' else quarantine.state end,
    updated_at = now();

-- name: page
-- Newest first, by id: a page is never moved by rows that come meanwhile.
select id, tenant, erid, batch_id, stage, reason, message, violations::text as violations, content_type, message_type,
    length(payload) as payload_bytes, seen, state, created_at, updated_at
from quarantine
where ($1::text is null or state = $1)
    and ($2::text is null or tenant = $2)
    and ($3::bigint is null or id < $3)
order by id desc
limit $4;

-- name: show
-- One row with its payload, which lists leave out since it may be megabytes.
select id, tenant, erid, batch_id, stage, reason, message, violations::text as violations, content_type, message_type,
    length(payload) as payload_bytes, seen, state, created_at, updated_at, payload
from quarantine
where id = $1;

-- name: hold
-- The row of a retry, locked until it is marked: if the payload is refused again meanwhile, that waits and wins.
select id, tenant, erid, batch_id, stage, reason, message, violations::text as violations, content_type, message_type,
    length(payload) as payload_bytes, seen, state, created_at, updated_at, payload
from quarantine
where id = $1 and state = 'held'
for update;

-- name: mark_retried
-- Its payload is on its way to the broker again; refused once more, it is held again.
update quarantine set state = 'retried', updated_at = now() where id = $1;

-- name: discard
-- Only what is held: a retry that is under way is not taken back.
update quarantine set state = 'discarded', updated_at = now() where id = any($1::bigint[]) and state = 'held' returning id;
