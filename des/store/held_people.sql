-- A tenant's directory, read whole into memory (held_people.py). Everything is read in one snapshot, in the order of the
-- indexes that it becomes.

-- name: one_snapshot
-- Version, weight and rows have to be those of one moment.
set transaction isolation level repeatable read, read only

-- name: directory_version
-- A tenant who was never written to has none.
select coalesce((select version from directory_version where tenant = $1), 0)

-- name: directory_weight
-- Whether it is small enough, before it is read: rows of each table, counted to one above the most that can be held, and
-- the octets of people's texts.
select
    people.number,
    people.octets,
    (select count(*) from (select from directory_company where tenant = $1 limit $2::bigint + 1) c)
    + (select count(*) from (select from directory_pattern where tenant = $1 limit $2::bigint + 1) p)
from (
    select
        count(*) as number,
        coalesce(sum(octet_length(concat(
            identity, by_company, name, email, phone, linkedin_url, title, extra
        ))), 0)::bigint as octets
    from (select * from directory_person where tenant = $1 limit $2::bigint + 1) p
) people

-- name: all_people
-- In the order of the primary key.
select identity, email, phone, linkedin_url, title, extra::text, name
from directory_person
where tenant = $1
order by identity

-- name: all_company_keys
-- In the order of their index. A key of several people has them in no order, as in the index.
select by_company, identity
from directory_person
where tenant = $1 and by_company is not null
order by by_company

-- name: all_companies
-- As a search by skeleton has them (directory.sql, near_people_by_company).
select distinct skeleton, company, plain collate "C" as plain
from directory_company
where tenant = $1
order by skeleton, company, plain

-- name: all_domains
-- In the order of the primary key.
select company, domain
from directory_company
where tenant = $1
order by company, domain

-- name: all_patterns
-- In the order of the primary key.
select domain, pattern, people
from directory_pattern
where tenant = $1
order by domain, pattern

-- name: directory_versions
-- Whether what is held is what is there: one look for all tenants held.
select tenant, version
from directory_version
where tenant = any($1::text[])
