-- migrate:up

-- A question that its provider has failed at for good is not asked again for a while: until when, and why. What was answered
-- before stays in the row, for who would rather have an old answer than none.
alter table answer
    add column failed_until timestamptz,
    add column failure text not null default '';
