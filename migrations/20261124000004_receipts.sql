-- migrate:up

-- What was asked, whom a person who settles a call by hand wants to see; and whether the charge stands on a receipt: each
-- stands on exactly one, decided in the commit of the contact's row.
alter table call
    add column fields text[] not null default '{}',
    add column receipted boolean not null default false;

-- Charges from before this version are on their receipts, or nobody can tell any more.
update call set receipted = true where state = 'settled';
