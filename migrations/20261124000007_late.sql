-- migrate:up

-- Contacts whose field ended without the answer of a call: it is held, or the vendor is still at it. `ready` once the call
-- has ended after all: then the field is outstanding again (store/late.sql).
create table awaiting (
    call_id uuid not null,
    tenant text not null,
    erid uuid not null,
    batch_id uuid not null,
    position integer not null,
    partition smallint not null,
    ready boolean not null default false,
    primary key (call_id, tenant, erid, batch_id, position)
);

create index awaiting_ready on awaiting (partition, tenant, erid) where ready;

-- It was sent twice, where that is free: the vendor may say of the second time that it cost nothing.
alter table call add column replayed boolean not null default false;

-- What vendors deliver by themselves, by the handle that it is for, until the call is settled with it. One may come before
-- the handle itself is kept.
create table delivery (
    provider text not null,
    handle text not null,
    outcome jsonb not null,
    delivered_at timestamptz not null default now(),
    primary key (provider, handle)
);
