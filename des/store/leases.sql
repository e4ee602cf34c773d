-- Leases: who works which partition. All times are the database's own; a worker's clock is never compared with another's.

-- name: take_turn
-- One worker at a time counts the others and takes: both would otherwise take the same share. Ends with the transaction.
select pg_advisory_xact_lock(6451984522211);

-- name: beat
-- A worker lives for as long as its row says; every lease of its own lives with it. What it says it divides the permitted
-- rates by, it does already: the others go by the time at which that is written.
insert into worker as w (owner, expires_at, sharing, adopted_at)
values ($1, clock_timestamp() + make_interval(secs => $2), $3, clock_timestamp())
on conflict (owner) do update
set
    expires_at = excluded.expires_at,
    left_at = null,
    sharing = excluded.sharing,
    adopted_at = case when w.sharing = excluded.sharing then w.adopted_at else excluded.adopted_at end;

-- name: set_back
-- Where the database's clock was set back, what was written before lies in the future: nobody lives longer than a lease
-- from now on, and nobody has adopted anything yet to come.
update worker
set expires_at = clock_timestamp() + make_interval(secs => $1), adopted_at = least(adopted_at, clock_timestamp())
where expires_at > clock_timestamp() + 2 * make_interval(secs => $1);

-- name: survey
-- Live workers, and what this one holds. Read before `bury`, which must not see more of the dead than this does.
select (select count(*) from worker where expires_at > clock_timestamp()) as workers,
    array(select partition from lease where owner = $1 order by partition) as partitions,
    array(select epoch from lease where owner = $1 order by partition) as epochs;

-- name: division
-- By what the permitted rates are to be divided: a name for the list of live workers, this one's place in it, whether all
-- others have taken the same list over, and for how many seconds no other can have used more than its part: since the
-- last of them did, and since the last of the dead was alive (null: there has been nobody). Where a rate permits fewer
-- requests ($2) than there are workers, the places go round every $3 seconds.
with alive as (
    select w.owner, w.sharing, w.adopted_at from worker w where w.expires_at > clock_timestamp()
),
list as (
    select
        count(*)::integer as workers,
        (count(*) filter (where a.owner < $1))::integer as place,
        string_agg(a.owner::text, ' ' order by a.owner) as owners,
        case when count(*) > $2 then floor(extract(epoch from clock_timestamp()) / $3)::bigint else 0 end as turn
    from alive a
),
division as (
    select l.workers, ((l.place + l.turn) % greatest(l.workers, 1))::integer as place, md5(l.owners || l.turn) as sharing
    from list l
)
select
    d.workers,
    d.place,
    coalesce(d.sharing, '') as sharing,
    not exists (select from alive a where a.owner <> $1 and a.sharing <> d.sharing) as agreed,
    extract(epoch from clock_timestamp() - greatest(
        (select max(a.adopted_at) from alive a where a.owner <> $1),
        (select max(w.expires_at) from worker w where w.owner <> $1 and w.expires_at <= clock_timestamp())
    ))::double precision as quiet_s
from division d;

-- name: fence
-- Ends the sessions of dead workers: one that is frozen, and not gone, may hold locks for as long as it is. One that said
-- that it leaves is still at its last work.
select pg_terminate_backend(a.pid)
from worker w
join pg_stat_activity a on a.application_name = $1 || ' ' || w.owner and a.datname = current_database()
where w.expires_at < clock_timestamp() and w.left_at is null;

-- name: bury
-- Workers dead for long; their leases, if any are left, are free without them just as well. Longer than any window of a
-- permitted rate that is handed over (limits.py, RATE_HANDED_OVER_S_MAX).
delete from worker where expires_at < clock_timestamp() - interval '10 minutes';

-- name: take
-- Free and abandoned partitions, each under a new epoch. One whose row a commit of its last owner holds is left for the
-- next turn: nobody waits for a worker that may be paused.
with free as (
    select l.partition
    from lease l
    where l.owner is null
        or not exists (select from worker w where w.owner = l.owner and w.expires_at > clock_timestamp())
    order by l.partition
    limit $2
    for no key update of l skip locked
)
update lease l
set owner = $1, epoch = l.epoch + 1
from free
where l.partition = free.partition
returning l.partition, l.epoch;

-- name: release
-- Gives back what is drained; another worker takes it under a new epoch.
update lease set owner = null where owner = $1 and partition = any($2::smallint[]);

-- name: release_all
-- At a stop: nobody has to wait for the leases to run out.
update lease set owner = null where owner = $1;

-- name: leave
-- The others count one worker less, and their share grows at their next turn. What it sent is remembered with the row.
with told as (
    delete from stall where owner = $1
)
update worker set expires_at = least(expires_at, clock_timestamp()), left_at = clock_timestamp() where owner = $1;
