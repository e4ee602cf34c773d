-- name: try_lock
-- One runner at a time. Tried again and again instead of waited for: a session that waits for an advisory lock holds a
-- snapshot, and CREATE INDEX CONCURRENTLY waits for those.
select pg_try_advisory_lock(hashtext('des.migrate'));

-- name: create_versions
-- As dbmate makes it, so that either can go on where the other stopped.
create table if not exists schema_migrations (version character varying(128) primary key);

-- name: versions_exist
-- A database that was never migrated has no table to ask.
select to_regclass('schema_migrations') is not null;

-- name: versions
-- What was applied, by whoever.
select version from schema_migrations order by version;

-- name: record
-- In the transaction of the migration: both land or neither.
insert into schema_migrations (version) values ($1);
