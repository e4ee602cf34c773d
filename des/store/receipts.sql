-- Receipts: where the charge of each call stands.

-- name: take_charges
-- The charges that these rows put on their receipts. A row that is there already and not outstanding once more (an earlier
-- try had landed) has taken its own then; one whose call another contact has taken gets none.
update call c
set receipted = true
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::integer[]) as u (id, tenant, erid, batch_id, position)
where c.id = u.id and c.tenant = u.tenant and c.erid = u.erid and not c.receipted
    and not exists (
        select from contact k
        where k.tenant = u.tenant and k.erid = u.erid and k.batch_id = u.batch_id and k.position = u.position
            and not k.reopened
    )
returning c.id;

-- name: charged
-- What these calls were charged.
select id, charged, charged_money from call where id = any($1::uuid[]);
