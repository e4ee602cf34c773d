-- migrate:up

-- Why contacts of an ERID wait, as its live workers say: for whoever reads the object.
create view stalled as
select
    s.tenant,
    s.erid,
    jsonb_agg(
        jsonb_build_object(
            'provider', s.provider, 'stalled_reason', s.reason, 'until', s.until, 'contacts', s.contacts
        ) order by s.provider, s.reason
    ) as stalls
from stall s
join worker w on w.owner = s.owner and w.expires_at > clock_timestamp()
group by s.tenant, s.erid;
