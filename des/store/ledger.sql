-- The ledger. A claim is committed before its call is sent; a settlement rides the commit of what the call found. Rows are
-- touched in order of their key: two workers never deadlock.

-- name: open_calls
-- Claims keys that nobody has open, for partitions that this worker holds, which it keeps until the commit (see hold_leases
-- in commit.sql). Where another transaction is just closing a call, this waits for it, so that the answer it leaves is
-- seen by the next statement. Says nothing where all of them stand now, else which do.
with held as (
    select partition, epoch from lease where partition = any($2::smallint[]) and owner = $3 for share
), opened as (
    insert into call (
        id, tenant, provider, operation, person, erid, partition, owner, epoch, state, reserved, reserved_money, fields
    )
    select u.id, u.tenant, u.provider, u.operation, u.person, u.erid, u.partition, $3, u.epoch, 'claimed', u.reserved,
        u.reserved_money, string_to_array(u.fields, ',')
    from unnest($1::call_claim[]) as u
    join held h on h.partition = u.partition and h.epoch = u.epoch
    order by u.tenant, u.provider, u.operation, u.person
    on conflict (tenant, provider, operation, person) where state in ('claimed', 'pending', 'unknown') do nothing
    returning id
)
select array_agg(id) from opened having count(*) < cardinality($1::call_claim[]);

-- name: open_twins
-- The open calls of these keys, which kept ours from being claimed, and whose they are.
select u.ordinal, c.id, c.erid, c.state, c.handle, c.replayed, c.owner,
    c.claimed_at < now() - make_interval(secs => u.after_s) as old
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
    with ordinality as u (tenant, provider, operation, person, after_s, ordinal)
join call c on c.tenant = u.tenant and c.provider = u.provider and c.operation = u.operation and c.person = u.person
    and c.state in ('claimed', 'pending', 'unknown');

-- name: take_over_calls
-- An unknown call that may be sent again at no charge becomes this worker's, or stays it where the reply of the take-over
-- was lost; its reservation stays as it was, and so does the ERID that is charged: that it was charged by the first sending
-- is as likely as not.
update call c
set state = 'claimed', owner = $4, epoch = u.epoch, partition = u.partition, claimed_at = now(), replayed = true
from unnest($1::uuid[], $2::smallint[], $3::bigint[]) as u (id, partition, epoch)
where c.id = u.id and (c.state = 'unknown' or (c.state = 'claimed' and c.owner = $4 and c.replayed))
returning c.id, c.erid;

-- name: give_up_calls
-- Unknown calls whose question will be paid for again: whether they were charged is not known, so they count as that.
update call
set state = 'settled', charged = reserved, charged_money = reserved_money, resolution = 'given up: asked again by policy',
    settled_at = now()
where id = any($1::uuid[]) and state = 'unknown'
returning tenant, provider, erid, reserved, reserved_money;

-- name: fresh_answers
-- Answers that are still believed, and who was charged for them where that stands on no receipt yet: the worker that paid
-- ended before the contact's row was there. Where the ERID has a limit to their age, older ones are left out, but for what
-- was asked for it, or what it waits for: that is its own question, however long the answer has taken. Beside them those
-- that may be used when the provider fails, and who has failed a moment ago.
select k.*
from (
    select u.ordinality as ordinal, a.outcome, a.fields::text as fields, a.reference, a.cost, a.cost_money, a.call_id, c.erid as payer,
        extract(epoch from now() - a.answered_at)::float8 as age_s, a.failure,
        a.outcome <> 'transient' and a.expires_at > now() as fresh,
        a.outcome = 'found' and a.expires_at > now() - make_interval(secs => u.stale_s) as stale,
        coalesce(a.failed_until > now(), false) as failing,
        u.max_age_s is null
            or extract(epoch from now() - a.answered_at) <= u.max_age_s
            or exists (select from call o where o.id = a.call_id and o.erid = u.erid)
            or exists (select from awaiting w where w.call_id = a.call_id and w.tenant = u.tenant and w.erid = u.erid)
            as young
    from unnest($1::call_claim[]) with ordinality as u
    join answer a on a.tenant = u.tenant and a.provider = u.provider and a.operation = u.operation and a.person = u.person
    left join call c on c.id = a.call_id and c.state = 'settled' and c.charged > 0 and not c.receipted
) k
where k.failing or (k.young and (k.fresh or k.stale));

-- name: withdraw_calls
-- Claims of this transaction that are not to be sent after all.
delete from call where id = any($1::uuid[]);

-- name: reserve_budgets
-- Reserves in all of these budgets, where each is there and has room for what the whole group takes of it; else in none.
-- Caps of tenants and providers are settings, null where there is none; that of an ERID stands in its row.
with wanted as (
    select *
    from unnest(
        $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
    ) as u (tenant, scope, name, credits, money, cap, cap_money)
), held as (
    select b.reserved + b.spent + w.credits <= case b.scope when 'erid' then b.cap else w.cap end as fits,
        b.reserved_money + b.spent_money + w.money <= case b.scope when 'erid' then b.cap_money else w.cap_money end
            as fits_money
    from wanted w
    join budget b on b.tenant = w.tenant and b.scope = w.scope and b.name = w.name
    order by b.tenant, b.scope, b.name
    for update of b
)
update budget b
set reserved = b.reserved + w.credits, reserved_money = b.reserved_money + w.money
from wanted w
where b.tenant = w.tenant and b.scope = w.scope and b.name = w.name
    and (select count(*) from held where coalesce(fits, true) and coalesce(fits_money, true)) = cardinality($1::text[])
returning b.name;

-- name: open_budgets
-- The budgets of a group that are not there yet, without a cap.
insert into budget (tenant, scope, name)
select u.tenant, u.scope, u.name
from unnest($1::text[], $2::text[], $3::text[]) as u (tenant, scope, name)
order by u.tenant, u.scope, u.name
on conflict (tenant, scope, name) do nothing;

-- name: lock_budgets
-- What each budget has used up, held until the claims are committed. Caps of tenants and providers are settings; that of
-- an ERID stands in its row.
select b.tenant, b.scope, b.name, b.cap, b.cap_money, b.reserved, b.reserved_money, b.spent, b.spent_money
from unnest($1::text[], $2::text[], $3::text[]) as u (tenant, scope, name)
join budget b on b.tenant = u.tenant and b.scope = u.scope and b.name = u.name
order by b.tenant, b.scope, b.name
for update of b;

-- name: held_reservations
-- What stays set aside until a person resolves it: calls of these tenants that got no answer.
select c.tenant, c.provider, c.erid, sum(c.reserved)::bigint as credits, sum(c.reserved_money)::bigint as money
from call c
where c.tenant = any($1::text[]) and c.state = 'unknown'
group by c.tenant, c.provider, c.erid;

-- name: change_budgets
-- Reserves (positive), gives back (negative), spends and saves. Says which budgets are there.
with u as (
    select u.*
    from unnest(
        $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[]
    ) as u (tenant, scope, name, reserved, reserved_money, spent, spent_money, saved, saved_money)
    join budget b on b.tenant = u.tenant and b.scope = u.scope and b.name = u.name
    order by b.tenant, b.scope, b.name
    for update of b
)
update budget b
set reserved = b.reserved + u.reserved,
    reserved_money = b.reserved_money + u.reserved_money,
    spent = b.spent + u.spent,
    spent_money = b.spent_money + u.spent_money,
    saved = b.saved + u.saved,
    saved_money = b.saved_money + u.saved_money
from u
where b.tenant = u.tenant and b.scope = u.scope and b.name = u.name
returning b.tenant, b.scope, b.name;

-- name: settle_calls
-- Ends open calls, and keeps what was paid for: a newer answer replaces an older one, and a failure stands beside it. A
-- call that is settled already (an earlier try had landed) is left alone and not counted again, and so is one that a later
-- epoch or another worker has taken over, but for an answer: that is one, whoever has it. `receipt`: the ERID on a receipt
-- of which the charge stands with this transaction, where it is that ERID's; `refused` are those that it is not.
-- Answers the sums of each ERID, and with `landed` which calls were ended where not all of them were.
-- `not in` the states of what has ended, and not `in` those of what is open: the planner takes that for the index of open
-- keys, and then compares each open call with each settlement (half the time of this statement).
with ended as (
    update call c
    set state = u.state,
        outcome = u.outcome,
        reason = u.reason,
        reference = u.reference,
        charged = u.charged,
        charged_money = u.charged_money,
        handle = case when u.state = 'unknown' and u.handle = '' then c.handle else u.handle end,
        poll_at = to_timestamp(nullif(u.poll_at, 0)),
        settled_at = case when u.state in ('settled', 'released') then now() end,
        receipted = c.receipted or (u.state = 'settled' and coalesce(u.receipt = c.erid, false))
    from unnest($1::call_end[]) as u
    where c.id = u.id and c.state not in ('settled', 'released')
        and (u.state = 'settled' or u.epoch is null or (c.owner = $2 and c.epoch = u.epoch))
    returning c.id, c.tenant, c.provider, c.operation, c.person, c.erid, c.state, c.outcome, c.reason, c.reference,
        c.reserved, c.reserved_money, c.charged, c.charged_money, u.receipt is not null and not c.receipted as refused,
        u.answer, u.keep_s
), kept as (
    insert into answer (
        tenant, provider, operation, person, outcome, fields, reference, cost, cost_money, call_id, expires_at
    )
    select tenant, provider, operation, person, outcome, answer::jsonb, reference, charged, charged_money, id,
        now() + make_interval(secs => keep_s)
    from ended
    where answer <> '' and outcome <> 'transient'
    order by tenant, provider, operation, person
    on conflict (tenant, provider, operation, person) do update
    set outcome = excluded.outcome,
        fields = excluded.fields,
        reference = excluded.reference,
        cost = excluded.cost,
        cost_money = excluded.cost_money,
        call_id = excluded.call_id,
        answered_at = now(),
        expires_at = excluded.expires_at,
        failed_until = null
), failed as (
    insert into answer (
        tenant, provider, operation, person, outcome, fields, reference, cost, cost_money, call_id, expires_at,
        failed_until, failure
    )
    select tenant, provider, operation, person, outcome, '{}', '', 0, 0, id, now(), now() + make_interval(secs => keep_s),
        reason
    from ended
    where answer <> '' and outcome = 'transient'
    order by tenant, provider, operation, person
    on conflict (tenant, provider, operation, person) do update
    set failed_until = excluded.failed_until, failure = excluded.failure
)
select tenant, provider, erid,
    coalesce(sum(reserved) filter (where state in ('settled', 'released')), 0)::bigint as reserved,
    coalesce(sum(reserved_money) filter (where state in ('settled', 'released')), 0)::bigint as reserved_money,
    coalesce(sum(charged) filter (where state in ('settled', 'released')), 0)::bigint as charged,
    coalesce(sum(charged_money) filter (where state in ('settled', 'released')), 0)::bigint as charged_money,
    array_agg(id) filter (where refused) as refused,
    case when (select count(*) from ended) < cardinality($1::call_end[]) then array_agg(id) end as landed
from ended
group by tenant, provider, erid;

-- name: orphan_calls
-- At a takeover: whatever an earlier epoch claimed and did not settle may have been sent, and nobody knows.
update call
set state = 'unknown', reason = 'the worker that sent it ended before an answer was stored'
where partition = $1 and state = 'claimed' and (owner <> $2 or epoch <> $3)
returning id;
