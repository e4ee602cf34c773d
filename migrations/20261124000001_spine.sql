-- migrate:up

-- The object of one ERID. Its counts are exact: the acceptor adds, the committer counts off, both in the transaction
-- that makes the thing counted. The state is derived from them (see store/queries.sql), never stored beside them.
create table enrichment (
    tenant text not null,
    erid uuid not null,
    partition smallint not null,
    fields text[] not null default '{}',
    sealed boolean not null default false,
    cancelled boolean not null default false,
    contacts bigint not null default 0,
    contacts_done bigint not null default 0,
    batches bigint not null default 0,
    batches_done bigint not null default 0,
    fields_found bigint not null default 0,
    fields_not_found bigint not null default 0,
    fields_failed bigint not null default 0,
    fields_suppressed bigint not null default 0,
    fields_over_budget bigint not null default 0,
    fields_cancelled bigint not null default 0,
    revision bigint not null default 0,
    completed boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant, erid),
    check (contacts_done <= contacts),
    check (batches_done <= batches)
) with (fillfactor = 70);

-- The collation keeps this index, and `batch_order` below, from statements that go by the primary key: a plan made while a
-- table is small finds both equally cheap, is kept, and reads all of a tenant or of an object when the table has grown.
create index enrichment_newest on enrichment (tenant collate "C", created_at desc, erid);

-- A part of a batch (nearly always the whole of it): the unit of acceptance and of work. `payload` is the canonical
-- protobuf of its contacts and goes when the part is finished.
create table batch (
    tenant text not null,
    erid uuid not null,
    batch_id uuid not null,
    part integer not null,
    parts integer not null,
    first_position integer not null,
    partition smallint not null,
    seq bigint generated always as identity,
    content_hash bytea not null,
    fields text[] not null,
    contacts integer not null,
    contacts_done integer not null default 0,
    payload bytea,
    accepted_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (tenant, erid, batch_id, part),
    check (contacts_done <= contacts)
) with (fillfactor = 80);

-- Compression costs more time than the bytes it saves are worth for rows that live for seconds.
alter table batch alter column payload set storage external;

create index batch_open on batch (partition, tenant, erid, seq) where finished_at is null;
create index batch_order on batch (tenant collate "C", erid, seq);

-- One finished contact: what was sent and, per field, the result with its receipt.
create table contact (
    tenant text not null,
    erid uuid not null,
    batch_id uuid not null,
    position integer not null,
    input jsonb not null,
    fields jsonb not null,
    revision integer not null default 1,
    finished_at timestamptz not null default now(),
    primary key (tenant, erid, batch_id, position)
) partition by hash (tenant, erid);

create table contact_p0 partition of contact for values with (modulus 8, remainder 0);
create table contact_p1 partition of contact for values with (modulus 8, remainder 1);
create table contact_p2 partition of contact for values with (modulus 8, remainder 2);
create table contact_p3 partition of contact for values with (modulus 8, remainder 3);
create table contact_p4 partition of contact for values with (modulus 8, remainder 4);
create table contact_p5 partition of contact for values with (modulus 8, remainder 5);
create table contact_p6 partition of contact for values with (modulus 8, remainder 6);
create table contact_p7 partition of contact for values with (modulus 8, remainder 7);

-- Events of what was committed, until the broker has confirmed them. `id` is stable: consumers dedupe on it.
create table outbox (
    seq bigint generated always as identity primary key,
    id uuid not null,
    type text not null,
    tenant text not null,
    erid uuid not null,
    payload jsonb not null,
    created_at timestamptz not null default now()
);

-- What could not be accepted or committed, with the reason. The fingerprint makes a redelivery the same row.
create table quarantine (
    id bigint generated always as identity primary key,
    fingerprint bytea not null unique,
    tenant text not null,
    erid text,
    batch_id text,
    stage text not null,
    reason text not null,
    message text not null,
    violations jsonb not null default '[]',
    content_type text not null,
    message_type text not null default '',
    payload bytea not null,
    seen bigint not null default 1,
    state text not null default 'held' check (state in ('held', 'retried', 'discarded')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Who works which partition. A takeover raises the epoch; a commit under an older one is refused. A lease lasts as long
-- as its owner is alive in table `worker`: were the time here, each renewal would wait for the commits that hold the row.
create table lease (
    partition smallint primary key,
    owner uuid,
    epoch bigint not null default 0
);

insert into lease (partition) select generate_series(0, 63);

-- Workers that are alive, until when: whose leases hold, and what the fair share of the partitions is.
create table worker (
    owner uuid primary key,
    expires_at timestamptz not null
);
