-- Quarantine: what could not be accepted or committed, as it came, with the reason.

-- name: add
-- The same thing again, by a redelivery or a retry, is the same row and counts as seen once more.
insert into quarantine as q (
    fingerprint, tenant, erid, batch_id, stage, reason, message, violations, content_type, message_type, payload
)
select distinct on (u.fingerprint) u.fingerprint, u.tenant, nullif(u.erid, ''), nullif(u.batch_id, ''), u.stage, u.reason,
    u.message, u.violations::jsonb, u.content_type, u.message_type, u.payload
from unnest(
    $1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::bytea[]
) as u (fingerprint, tenant, erid, batch_id, stage, reason, message, violations, content_type, message_type, payload)
order by u.fingerprint
on conflict (fingerprint) do update set seen = q.seen + 1, updated_at = now();
