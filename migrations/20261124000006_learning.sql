-- migrate:up

-- What the calls to each provider have shown, for waterfalls whose order is learned: counts, and nobody's name.
create table provider_stat (
    tenant text not null,
    provider text not null,
    field text not null,
    segment text not null,
    asked double precision not null check (asked >= 0),
    found double precision not null check (found >= 0),
    confidence_sum double precision not null check (confidence_sum >= 0),
    primary key (tenant, provider, field, segment)
) with (fillfactor = 50);
