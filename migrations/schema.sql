-- Made by `python -m des.store.schema` from the migrations in this folder. Read it, change them.

CREATE TYPE public.call_claim AS (
	id uuid,
	tenant text,
	provider text,
	operation text,
	person text,
	erid uuid,
	partition smallint,
	epoch bigint,
	reserved bigint,
	reserved_money bigint,
	fields text,
	max_age_s double precision,
	stale_s double precision
);

CREATE TYPE public.call_end AS (
	id uuid,
	state text,
	outcome text,
	reason text,
	reference text,
	charged bigint,
	charged_money bigint,
	handle text,
	poll_at double precision,
	answer text,
	keep_s double precision,
	epoch bigint,
	receipt uuid
);

CREATE FUNCTION public.directory_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE public.answer (
    tenant text NOT NULL,
    provider text NOT NULL,
    operation text NOT NULL,
    person text NOT NULL,
    outcome text NOT NULL,
    fields jsonb NOT NULL,
    reference text NOT NULL,
    cost bigint NOT NULL,
    cost_money bigint NOT NULL,
    call_id uuid NOT NULL,
    answered_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    failed_until timestamp with time zone,
    failure text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.awaiting (
    call_id uuid NOT NULL,
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    partition smallint NOT NULL,
    ready boolean DEFAULT false NOT NULL
);

CREATE TABLE public.batch (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    first_position integer NOT NULL,
    partition smallint NOT NULL,
    seq bigint NOT NULL,
    content_hash bytea NOT NULL,
    fields text[] NOT NULL,
    contacts integer NOT NULL,
    contacts_done integer DEFAULT 0 NOT NULL,
    payload bytea,
    accepted_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    reopened integer DEFAULT 0 NOT NULL,
    CONSTRAINT batch_check CHECK ((contacts_done <= contacts)),
    CONSTRAINT batch_check1 CHECK (((reopened >= 0) AND ((contacts_done + reopened) <= contacts)))
)
WITH (fillfactor='80');
ALTER TABLE ONLY public.batch ALTER COLUMN payload SET STORAGE EXTERNAL;

ALTER TABLE public.batch ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.batch_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.budget (
    tenant text NOT NULL,
    scope text NOT NULL,
    name text NOT NULL,
    cap bigint,
    cap_money bigint,
    reserved bigint DEFAULT 0 NOT NULL,
    reserved_money bigint DEFAULT 0 NOT NULL,
    spent bigint DEFAULT 0 NOT NULL,
    spent_money bigint DEFAULT 0 NOT NULL,
    saved bigint DEFAULT 0 NOT NULL,
    saved_money bigint DEFAULT 0 NOT NULL,
    CONSTRAINT budget_reserved_check CHECK ((reserved >= 0)),
    CONSTRAINT budget_reserved_money_check CHECK ((reserved_money >= 0)),
    CONSTRAINT budget_scope_check CHECK ((scope = ANY (ARRAY['tenant'::text, 'provider'::text, 'erid'::text])))
)
WITH (fillfactor='50');

CREATE TABLE public.call (
    id uuid NOT NULL,
    tenant text NOT NULL,
    provider text NOT NULL,
    operation text NOT NULL,
    person text NOT NULL,
    erid uuid NOT NULL,
    partition smallint NOT NULL,
    owner uuid NOT NULL,
    epoch bigint NOT NULL,
    state text NOT NULL,
    reserved bigint NOT NULL,
    reserved_money bigint NOT NULL,
    charged bigint DEFAULT 0 NOT NULL,
    charged_money bigint DEFAULT 0 NOT NULL,
    outcome text DEFAULT ''::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    reference text DEFAULT ''::text NOT NULL,
    handle text DEFAULT ''::text NOT NULL,
    poll_at timestamp with time zone,
    resolution text DEFAULT ''::text NOT NULL,
    claimed_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    fields text[] DEFAULT '{}'::text[] NOT NULL,
    receipted boolean DEFAULT false NOT NULL,
    replayed boolean DEFAULT false NOT NULL,
    CONSTRAINT call_reserved_check CHECK ((reserved >= 0)),
    CONSTRAINT call_reserved_money_check CHECK ((reserved_money >= 0)),
    CONSTRAINT call_state_check CHECK ((state = ANY (ARRAY['claimed'::text, 'pending'::text, 'settled'::text, 'released'::text, 'unknown'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.contact (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
)
PARTITION BY HASH (tenant, erid);

CREATE TABLE public.contact_p0 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p1 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p2 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p3 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p4 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p5 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p6 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.contact_p7 (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    input jsonb NOT NULL,
    fields jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    reopened boolean DEFAULT false NOT NULL
);

CREATE TABLE public.delivery (
    provider text NOT NULL,
    handle text NOT NULL,
    outcome jsonb NOT NULL,
    delivered_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.directory_company (
    tenant text NOT NULL COLLATE pg_catalog."C",
    company text NOT NULL COLLATE pg_catalog."C",
    domain text NOT NULL COLLATE pg_catalog."C",
    plain text NOT NULL,
    skeleton text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE public.directory_pattern (
    tenant text NOT NULL COLLATE pg_catalog."C",
    domain text NOT NULL COLLATE pg_catalog."C",
    pattern text NOT NULL,
    people integer NOT NULL
);

CREATE TABLE public.directory_person (
    tenant text NOT NULL COLLATE pg_catalog."C",
    identity text NOT NULL COLLATE pg_catalog."C",
    by_company text COLLATE pg_catalog."C",
    name text NOT NULL,
    domain text COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    phone text,
    linkedin_url text,
    title text,
    extra jsonb,
    patterns text[],
    source text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.directory_version (
    tenant text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL
);

CREATE TABLE public.enrichment (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    partition smallint NOT NULL,
    fields text[] DEFAULT '{}'::text[] NOT NULL,
    sealed boolean DEFAULT false NOT NULL,
    cancelled boolean DEFAULT false NOT NULL,
    contacts bigint DEFAULT 0 NOT NULL,
    contacts_done bigint DEFAULT 0 NOT NULL,
    batches bigint DEFAULT 0 NOT NULL,
    batches_done bigint DEFAULT 0 NOT NULL,
    fields_found bigint DEFAULT 0 NOT NULL,
    fields_not_found bigint DEFAULT 0 NOT NULL,
    fields_failed bigint DEFAULT 0 NOT NULL,
    fields_suppressed bigint DEFAULT 0 NOT NULL,
    fields_over_budget bigint DEFAULT 0 NOT NULL,
    fields_cancelled bigint DEFAULT 0 NOT NULL,
    revision bigint DEFAULT 0 NOT NULL,
    completed boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    options jsonb,
    options_given jsonb,
    options_revision integer DEFAULT 0 NOT NULL,
    CONSTRAINT enrichment_check CHECK ((contacts_done <= contacts)),
    CONSTRAINT enrichment_check1 CHECK ((batches_done <= batches))
)
WITH (fillfactor='70');

CREATE TABLE public.lease (
    partition smallint NOT NULL,
    owner uuid,
    epoch bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.outbox (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    tenant text NOT NULL,
    erid uuid NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.outbox ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.provider_stat (
    tenant text NOT NULL,
    provider text NOT NULL,
    field text NOT NULL,
    segment text NOT NULL,
    asked double precision NOT NULL,
    found double precision NOT NULL,
    confidence_sum double precision NOT NULL,
    CONSTRAINT provider_stat_asked_check CHECK ((asked >= (0)::double precision)),
    CONSTRAINT provider_stat_confidence_sum_check CHECK ((confidence_sum >= (0)::double precision)),
    CONSTRAINT provider_stat_found_check CHECK ((found >= (0)::double precision))
)
WITH (fillfactor='50');

CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    fingerprint bytea NOT NULL,
    tenant text NOT NULL,
    erid text,
    batch_id text,
    stage text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    violations jsonb DEFAULT '[]'::jsonb NOT NULL,
    content_type text NOT NULL,
    message_type text DEFAULT ''::text NOT NULL,
    payload bytea NOT NULL,
    seen bigint DEFAULT 1 NOT NULL,
    state text DEFAULT 'held'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quarantine_state_check CHECK ((state = ANY (ARRAY['held'::text, 'retried'::text, 'discarded'::text])))
);

ALTER TABLE public.quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_migrations (
    version character varying(128) NOT NULL
);

CREATE TABLE public.stall (
    tenant text NOT NULL,
    erid uuid NOT NULL,
    provider text NOT NULL,
    reason text NOT NULL,
    owner uuid NOT NULL,
    until timestamp with time zone,
    contacts bigint NOT NULL
);

CREATE TABLE public.worker (
    owner uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    sharing text DEFAULT ''::text NOT NULL,
    adopted_at timestamp with time zone DEFAULT now() NOT NULL,
    left_at timestamp with time zone
);

CREATE VIEW public.stalled AS
 SELECT s.tenant,
    s.erid,
    jsonb_agg(jsonb_build_object('provider', s.provider, 'stalled_reason', s.reason, 'until', s.until, 'contacts', s.contacts) ORDER BY s.provider, s.reason) AS stalls
   FROM (public.stall s
     JOIN public.worker w ON (((w.owner = s.owner) AND (w.expires_at > clock_timestamp()))))
  GROUP BY s.tenant, s.erid;

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p0 FOR VALUES WITH (modulus 8, remainder 0);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p1 FOR VALUES WITH (modulus 8, remainder 1);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p2 FOR VALUES WITH (modulus 8, remainder 2);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p3 FOR VALUES WITH (modulus 8, remainder 3);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p4 FOR VALUES WITH (modulus 8, remainder 4);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p5 FOR VALUES WITH (modulus 8, remainder 5);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p6 FOR VALUES WITH (modulus 8, remainder 6);

ALTER TABLE ONLY public.contact ATTACH PARTITION public.contact_p7 FOR VALUES WITH (modulus 8, remainder 7);

ALTER TABLE ONLY public.answer
    ADD CONSTRAINT answer_pkey PRIMARY KEY (tenant, provider, operation, person);

ALTER TABLE ONLY public.awaiting
    ADD CONSTRAINT awaiting_pkey PRIMARY KEY (call_id, tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (tenant, erid, batch_id, part);

ALTER TABLE ONLY public.budget
    ADD CONSTRAINT budget_pkey PRIMARY KEY (tenant, scope, name);

ALTER TABLE ONLY public.call
    ADD CONSTRAINT call_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.contact
    ADD CONSTRAINT contact_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p0
    ADD CONSTRAINT contact_p0_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p1
    ADD CONSTRAINT contact_p1_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p2
    ADD CONSTRAINT contact_p2_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p3
    ADD CONSTRAINT contact_p3_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p4
    ADD CONSTRAINT contact_p4_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p5
    ADD CONSTRAINT contact_p5_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p6
    ADD CONSTRAINT contact_p6_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.contact_p7
    ADD CONSTRAINT contact_p7_pkey PRIMARY KEY (tenant, erid, batch_id, "position");

ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (provider, handle);

ALTER TABLE ONLY public.directory_company
    ADD CONSTRAINT directory_company_pkey PRIMARY KEY (tenant, company, domain);

ALTER TABLE ONLY public.directory_pattern
    ADD CONSTRAINT directory_pattern_pkey PRIMARY KEY (tenant, domain, pattern);

ALTER TABLE ONLY public.directory_person
    ADD CONSTRAINT directory_person_pkey PRIMARY KEY (tenant, identity);

ALTER TABLE ONLY public.directory_version
    ADD CONSTRAINT directory_version_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY public.enrichment
    ADD CONSTRAINT enrichment_pkey PRIMARY KEY (tenant, erid);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (partition);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.provider_stat
    ADD CONSTRAINT provider_stat_pkey PRIMARY KEY (tenant, provider, field, segment);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_fingerprint_key UNIQUE (fingerprint);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.stall
    ADD CONSTRAINT stall_pkey PRIMARY KEY (tenant, erid, provider, reason, owner);

ALTER TABLE ONLY public.worker
    ADD CONSTRAINT worker_pkey PRIMARY KEY (owner);

CREATE INDEX awaiting_ready ON public.awaiting USING btree (partition, tenant, erid) WHERE ready;

CREATE INDEX batch_open ON public.batch USING btree (partition, tenant, erid, seq) WHERE (finished_at IS NULL);

CREATE INDEX batch_order ON public.batch USING btree (tenant COLLATE "C", erid, seq);

CREATE INDEX call_claimed ON public.call USING btree (partition) WHERE (state = 'claimed'::text);

CREATE INDEX call_handle ON public.call USING btree (provider, handle) WHERE (state = 'pending'::text);

CREATE UNIQUE INDEX call_open ON public.call USING btree (tenant, provider, operation, person) WHERE (state = ANY (ARRAY['claimed'::text, 'pending'::text, 'unknown'::text]));

CREATE INDEX call_pending ON public.call USING btree (partition, poll_at) WHERE (state = 'pending'::text);

CREATE INDEX call_unknown ON public.call USING btree (tenant, claimed_at) WHERE (state = 'unknown'::text);

CREATE INDEX call_unreceipted ON public.call USING btree (tenant, erid) WHERE ((state = 'settled'::text) AND (charged > 0) AND (NOT receipted));

CREATE INDEX directory_company_skeleton ON public.directory_company USING btree (tenant, skeleton);

CREATE INDEX directory_person_company ON public.directory_person USING btree (tenant, by_company) WHERE (by_company IS NOT NULL);

CREATE INDEX directory_person_email ON public.directory_person USING btree (tenant, email) WHERE (email IS NOT NULL);

CREATE INDEX enrichment_newest ON public.enrichment USING btree (tenant COLLATE "C", created_at DESC, erid);

CREATE INDEX stall_owner ON public.stall USING btree (owner);

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p0_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p1_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p2_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p3_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p4_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p5_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p6_pkey;

ALTER INDEX public.contact_pkey ATTACH PARTITION public.contact_p7_pkey;

CREATE TRIGGER told_of_delete AFTER DELETE ON public.directory_company REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_delete AFTER DELETE ON public.directory_pattern REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_delete AFTER DELETE ON public.directory_person REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_insert AFTER INSERT ON public.directory_company REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_insert AFTER INSERT ON public.directory_pattern REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_insert AFTER INSERT ON public.directory_person REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_truncate AFTER TRUNCATE ON public.directory_company FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_truncate AFTER TRUNCATE ON public.directory_pattern FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_truncate AFTER TRUNCATE ON public.directory_person FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_update AFTER UPDATE ON public.directory_company REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_update AFTER UPDATE ON public.directory_pattern REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER told_of_update AFTER UPDATE ON public.directory_person REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

ALTER TABLE ONLY public.stall
    ADD CONSTRAINT stall_owner_fkey FOREIGN KEY (owner) REFERENCES public.worker(owner) ON DELETE CASCADE;

INSERT INTO public.schema_migrations (version) VALUES
    ('20261124000001'),
    ('20261124000002'),
    ('20261124000003'),
    ('20261124000004'),
    ('20261124000005'),
    ('20261124000006'),
    ('20261124000007'),
    ('20261124000008'),
    ('20261124000009'),
    ('20261124000010'),
    ('20261124000011'),
    ('20261124000012'),
    ('20261124000013'),
    ('20261124000014'),
    ('20261124000015');
