-- The tenant's own people: found by key, compared with near ones, and written by import. Keys come ready-made
-- (des/people.py), so that every search is an equality or a range of an index, for a thousand questions at once.

-- The texts of a search travel as one, joined by chr(30): a tenth of the client's time for an array of as many elements.

-- name: exact_people
-- Three ways to be known, a probe of one index each; `way` and `ordinal` say which text found the person.
select 0 as way, q.ordinal, p.email, p.phone, p.linkedin_url, p.title, p.extra::text
from unnest(string_to_array($2, chr(30))) with ordinality as q (key, ordinal)
join directory_person p on p.tenant = $1 and p.identity = q.key
union all
select 1, q.ordinal, p.email, p.phone, p.linkedin_url, p.title, p.extra::text
from unnest(string_to_array($3, chr(30))) with ordinality as q (key, ordinal)
join directory_person p on p.tenant = $1 and p.by_company = q.key
union all
select 2, q.ordinal, p.email, p.phone, p.linkedin_url, p.title, p.extra::text
from unnest(string_to_array($4, chr(30))) with ordinality as q (key, ordinal)
join directory_person p on p.tenant = $1 and p.email = q.key

-- name: near_people_by_domain
-- The prefix ends in the separator, chr(31); chr(32) follows it, so the range is every key with that prefix.
select q.ordinal, p.email, p.phone, p.linkedin_url, p.title, p.extra::text, p.name
from unnest(string_to_array($2, chr(30))) with ordinality as q (prefix, ordinal)
cross join lateral (
    select * from directory_person p
    where p.tenant = $1
        and p.identity >= q.prefix
        and p.identity < left(q.prefix, -1) || chr(32)
    order by p.identity
    limit $3
) p

-- name: near_people_by_company
-- Companies of the same skeleton first (few), then their people of the block. One company may stand there with several
-- domains; its people are one range all the same.
select q.ordinal, c.plain, p.email, p.phone, p.linkedin_url, p.title, p.extra::text, p.name
from unnest(string_to_array($2, chr(30)), string_to_array($3, chr(30))) with ordinality as q (skeleton, block, ordinal)
cross join lateral (
    select distinct c.company, c.plain collate "C" as plain from directory_company c
    where c.tenant = $1 and c.skeleton = q.skeleton
    order by c.company, plain
    limit $4
) c
cross join lateral (
    select * from directory_person p
    where p.tenant = $1
        and p.by_company >= c.company || chr(31) || q.block || chr(31)
        and p.by_company < c.company || chr(31) || q.block || chr(32)
    order by p.by_company
    limit $4
) p

-- name: patterns
-- By domain, and by company through the domains it is known to have.
select 0 as way, q.ordinal, d.domain, d.pattern, d.people
from unnest(string_to_array($2, chr(30))) with ordinality as q (domain, ordinal)
join directory_pattern d on d.tenant = $1 and d.domain = q.domain
union all
select 1, q.ordinal, d.domain, d.pattern, d.people
from unnest(string_to_array($3, chr(30))) with ordinality as q (company, ordinal)
join directory_company c on c.tenant = $1 and c.company = q.company
join directory_pattern d on d.tenant = $1 and d.domain = c.domain

-- name: owners
-- Who has an address that is about to be proposed to somebody else.
select 0 as way, q.ordinal, p.email, p.name
from unnest(string_to_array($2, chr(30))) with ordinality as q (email, ordinal)
join directory_person p on p.tenant = $1 and p.email = q.email

-- name: lock_directory
-- One import of a tenant at a time: two would meet on the same rows in different orders.
select pg_advisory_xact_lock(hashtextextended('des.directory.' || $1::text, 0))

-- name: prefer_probes
-- Neither the temporary table nor a young directory has statistics, and without them the planner reads the whole
-- directory for each chunk. Measured, 15,000 people there and 5,000 arriving: 3.1 s without, 0.2 s with.
select
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('enable_bitmapscan', 'off', true),
    set_config('enable_material', 'off', true)

-- name: create_incoming
-- What one transaction of an import brings; COPY fills it.
create temporary table incoming (
    identity text collate "C",
    name text,
    domain text collate "C",
    by_company text collate "C",
    company text,
    company_plain text,
    company_skeleton text,
    email text,
    phone text,
    linkedin_url text,
    title text,
    extra jsonb,
    patterns text[]
) on commit drop

-- name: adopt_domains
-- Somebody arrives without a domain who is known with one, and with one only: they are the same person.
update incoming i
set identity = known.identity, domain = known.domain
from (
    select p.by_company, min(p.identity) as identity, min(p.domain) as domain
    from incoming n
    join directory_person p on p.tenant = $1 and p.by_company = n.by_company
    where n.domain is null
    group by p.by_company
    having count(distinct p.identity) = 1
) known
where i.domain is null
    and i.by_company = known.by_company
    and known.domain is not null

-- name: adopt_people
-- Somebody known without a domain arrives with one: the row becomes theirs.
update directory_person p
set identity = i.identity, domain = i.domain
from incoming i
where p.tenant = $1
    and p.identity = i.by_company
    and i.domain is not null
    and not exists (select from directory_person o where o.tenant = $1 and o.identity = i.identity)

-- name: save_people
-- What an import leaves empty stays as it was; an address and the patterns it fits go together.
insert into directory_person as p (
    tenant, identity, by_company, name, domain, email, phone, linkedin_url, title, extra, patterns, source
)
select distinct on (identity)
    $1, identity, by_company, name, domain, email, phone, linkedin_url, title, extra, patterns, $2
from incoming
order by identity, email
on conflict (tenant, identity) do update
set by_company = coalesce(excluded.by_company, p.by_company),
    name = excluded.name,
    email = coalesce(excluded.email, p.email),
    phone = coalesce(excluded.phone, p.phone),
    linkedin_url = coalesce(excluded.linkedin_url, p.linkedin_url),
    title = coalesce(excluded.title, p.title),
    extra = coalesce(p.extra || excluded.extra, excluded.extra, p.extra),
    patterns = case when excluded.email is null then p.patterns else excluded.patterns end,
    source = excluded.source,
    updated_at = now()

-- name: save_companies
-- What a company's name stands for: its domains, and how it is found by a name that is only similar.
insert into directory_company (tenant, company, domain, plain, skeleton)
select distinct on (company, coalesce(domain, ''))
    $1, company, coalesce(domain, ''), company_plain, company_skeleton
from incoming
where company is not null
order by company, coalesce(domain, ''), company_plain
on conflict (tenant, company, domain) do nothing

-- name: forget_patterns
-- Before they are counted anew.
delete from directory_pattern
where tenant = $1 and domain in (select domain from incoming where domain is not null)

-- name: count_patterns
-- All people of a domain are one range of the identities. An address elsewhere (a private one) has no patterns at all
-- and does not count; one at the company's host that fits none has an empty list and counts among all.
insert into directory_pattern (tenant, domain, pattern, people)
select $1, d.domain, fits.pattern, count(*)
from (select distinct domain from incoming where domain is not null) d
join directory_person p
    on p.tenant = $1
    and p.identity >= d.domain || chr(31)
    and p.identity < d.domain || chr(32)
cross join lateral unnest(array_append(p.patterns, '')) as fits (pattern)
where p.patterns is not null
group by d.domain, fits.pattern

-- name: size
-- Read by people now and then, and once by a local stack, which fills an empty directory.
select
    (select count(*) from directory_person where tenant = $1) as people,
    (select count(*) from directory_company where tenant = $1) as companies,
    (select count(distinct domain) from directory_pattern where tenant = $1) as domains_with_patterns

-- name: renew_statistics
-- At the end of an import: searches are planned by them, and autovacuum would come a minute late.
analyze directory_person, directory_company, directory_pattern
