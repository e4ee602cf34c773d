-- migrate:up

-- The tenant's own people. A key is `company, block, name` joined by the unit separator (des/people.py); "C" collation
-- makes comparing keys a memcmp, and all people of one company and block one range of the index.
create table directory_person (
    tenant text collate "C" not null,
    identity text collate "C" not null,
    by_company text collate "C",
    name text not null,
    domain text collate "C",
    email text collate "C",
    phone text,
    linkedin_url text,
    title text,
    extra jsonb,
    patterns text[],
    source text not null,
    updated_at timestamptz not null default now(),
    primary key (tenant, identity)
);

create index directory_person_company on directory_person (tenant, by_company) where by_company is not null;
create index directory_person_email on directory_person (tenant, email) where email is not null;

-- Companies as people were imported with them. `domain` is empty where none was known; a company may have several.
create table directory_company (
    tenant text collate "C" not null,
    company text collate "C" not null,
    domain text collate "C" not null,
    plain text not null,
    skeleton text collate "C" not null,
    primary key (tenant, company, domain)
);

create index directory_company_skeleton on directory_company (tenant, skeleton);

-- How many people of a domain have addresses of a pattern; under the empty pattern, how many have one at all.
create table directory_pattern (
    tenant text collate "C" not null,
    domain text collate "C" not null,
    pattern text not null,
    people integer not null,
    primary key (tenant, domain, pattern)
);
