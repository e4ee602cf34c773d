-- migrate:up

-- Workers share what a vendor permits. `sharing` names the list of workers by which this one divides it, since
-- `adopted_at`; a larger part counts only when all have taken over the same list (leases.sql). One that has left stays for
-- a while: what it sent is still within the windows.
alter table worker add column sharing text not null default '';
alter table worker add column adopted_at timestamptz not null default now();
alter table worker add column left_at timestamptz;

-- Why contacts of an ERID wait, as their worker says; written when a stall begins, ends or changes. Gone with its worker.
create table stall (
    tenant text not null,
    erid uuid not null,
    provider text not null,
    reason text not null,
    owner uuid not null references worker (owner) on delete cascade,
    until timestamptz,
    contacts bigint not null,
    primary key (tenant, erid, provider, reason, owner)
);

create index stall_owner on stall (owner);
