-- Leases: who works which partition. All times are the database's own; a worker's clock is never compared with another's.

-- name: take_turn
-- One worker at a time counts the others and takes: both would otherwise take the same share. Ends with the transaction.
select pg_advisory_xact_lock(6451984522211);

-- name: beat
-- A worker lives for as long as its row says; every lease of its own lives with it.
insert into worker (owner, expires_at) values ($1, clock_timestamp() + make_interval(secs => $2))
on conflict (owner) do update set expires_at = excluded.expires_at;

-- name: survey
-- Live workers, and what this one holds. Read before `bury`, which must not see more of the dead than this does.
select (select count(*) from worker where expires_at > clock_timestamp()) as workers,
    array(select partition from lease where owner = $1 order by partition) as partitions,
    array(select epoch from lease where owner = $1 order by partition) as epochs;

-- name: fence
-- Ends the sessions of dead workers: one that is frozen, and not gone, may hold locks for as long as it is.
select pg_terminate_backend(a.pid)
from worker w
join pg_stat_activity a on a.application_name = $1 || ' ' || w.owner and a.datname = current_database()
where w.expires_at < clock_timestamp();

-- name: bury
-- Workers dead for long; their leases, if any are left, are free without them just as well.
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
-- The others count one worker less, and their share grows at their next turn.
delete from worker where owner = $1;
