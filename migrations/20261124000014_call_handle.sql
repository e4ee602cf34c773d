-- migrate:up transaction:false

-- The job that a delivery is for.
create index concurrently if not exists call_handle on call (provider, handle) where state = 'pending';
