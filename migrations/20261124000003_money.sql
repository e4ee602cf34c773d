-- migrate:up

-- The ledger: one row a paid call, written before it is sent. Amounts are millionths of a credit and of the currency's unit.
create table call (
    id uuid primary key,
    tenant text not null,
    provider text not null,
    operation text not null,
    person text not null,
    erid uuid not null,
    partition smallint not null,
    owner uuid not null,
    epoch bigint not null,
    state text not null check (state in ('claimed', 'pending', 'settled', 'released', 'unknown')),
    reserved bigint not null check (reserved >= 0),
    reserved_money bigint not null check (reserved_money >= 0),
    charged bigint not null default 0,
    charged_money bigint not null default 0,
    outcome text not null default '',
    reason text not null default '',
    reference text not null default '',
    handle text not null default '',
    poll_at timestamptz,
    resolution text not null default '',
    claimed_at timestamptz not null default now(),
    settled_at timestamptz
) with (fillfactor = 80);

-- Paid once: while a call of a key is open, no other can be claimed, by any worker, batch or door.
create unique index call_open on call (tenant, provider, operation, person)
where state in ('claimed', 'pending', 'unknown');

create index call_claimed on call (partition) where state = 'claimed';
create index call_unknown on call (tenant, claimed_at) where state = 'unknown';

-- What vendors said, for as long as it is believed.
create table answer (
    tenant text not null,
    provider text not null,
    operation text not null,
    person text not null,
    outcome text not null,
    fields jsonb not null,
    reference text not null,
    cost bigint not null,
    cost_money bigint not null,
    call_id uuid not null,
    answered_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (tenant, provider, operation, person)
);

-- Money by scope: `tenant` (name empty), `provider` (its name), `erid` (the ERID). A cap that is null is none.
create table budget (
    tenant text not null,
    scope text not null check (scope in ('tenant', 'provider', 'erid')),
    name text not null,
    cap bigint,
    cap_money bigint,
    reserved bigint not null default 0 check (reserved >= 0),
    reserved_money bigint not null default 0 check (reserved_money >= 0),
    spent bigint not null default 0,
    spent_money bigint not null default 0,
    saved bigint not null default 0,
    saved_money bigint not null default 0,
    primary key (tenant, scope, name)
) with (fillfactor = 50);
