-- migrate:up transaction:false

-- Charges that are still to be put on a receipt: few, and each for a moment.
create index concurrently if not exists call_unreceipted on call (tenant, erid)
where state = 'settled' and charged > 0 and not receipted;
