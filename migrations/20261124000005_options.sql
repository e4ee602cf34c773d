-- migrate:up

-- Options of an ERID as JSON (des/options.py): those in force, with the number of their changes, and those that were given
-- first. A batch that repeats what was given first is no contradiction after a change. The cap stands in `budget` too,
-- where claims are decided.
alter table enrichment add column options jsonb;
alter table enrichment add column options_given jsonb;
alter table enrichment add column options_revision integer not null default 0;

-- A raised cap resumes contacts: their fields that were over budget are outstanding again. Until such a contact has ended
-- once more its row stands as it was, marked; its batch counts how many there are, and none of them as done.
alter table contact add column reopened boolean not null default false;
alter table batch add column reopened integer not null default 0 check (reopened >= 0 and contacts_done + reopened <= contacts);
