-- migrate:up transaction:false

-- Jobs that a worker asks after, when their time has come.
create index concurrently if not exists call_pending on call (partition, poll_at) where state = 'pending';
