-- migrate:up

-- How often a tenant's directory has changed. Whoever holds one in memory (des/store/held_directory.py) is told of every
-- change by a notice on `des_directory`, and sees by the version whether one was missed.
create table directory_version (
    tenant text collate "C" primary key,
    version bigint not null
);

insert into directory_version (tenant, version)
select distinct tenant, 1 from directory_person;

-- Triggers rather than statements of the import: people also write to these tables by SQL of their own. Once a statement,
-- whatever it changed. A tenant's name is the notice; one too long for a notice, and a truncated table, say `look at all`.
create function directory_changed() returns trigger language plpgsql as $$
declare
    changed_tenants text[];
begin
    if tg_op = 'TRUNCATE' then
        update directory_version set version = version + 1;
        perform pg_notify('des_directory', '');
        return null;
    elsif tg_op = 'INSERT' then
        changed_tenants := array(select distinct tenant from after_it);
    elsif tg_op = 'DELETE' then
        changed_tenants := array(select distinct tenant from before_it);
    else
        changed_tenants := array(select tenant from before_it union select tenant from after_it);
    end if;
    insert into directory_version as v (tenant, version)
    select tenant, 1 from unnest(changed_tenants) as changed (tenant) order by tenant
    on conflict (tenant) do update set version = v.version + 1;
    perform pg_notify('des_directory', case when octet_length(tenant) <= 1000 then tenant else '' end)
    from unnest(changed_tenants) as changed (tenant);
    return null;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['directory_person', 'directory_company', 'directory_pattern'] loop
        execute format(
            'create trigger told_of_insert after insert on %I referencing new table as after_it '
            'for each statement execute function directory_changed()', name
        );
        execute format(
            'create trigger told_of_update after update on %I referencing old table as before_it new table as after_it '
            'for each statement execute function directory_changed()', name
        );
        execute format(
            'create trigger told_of_delete after delete on %I referencing old table as before_it '
            'for each statement execute function directory_changed()', name
        );
        execute format(
            'create trigger told_of_truncate after truncate on %I '
            'for each statement execute function directory_changed()', name
        );
    end loop;
end
$$;
