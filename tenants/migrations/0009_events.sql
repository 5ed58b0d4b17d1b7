-- What happened, for programs that follow it by increasing ids. No reference to tenants: what happened to one is told
-- when it is gone, and before it is there.

CREATE FUNCTION atende.follows_all() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('app.all_events', true) = 'on', false) $$;

CREATE TABLE atende.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z]{1,20}\.[a-z_]{1,20}$'),
    subject text NOT NULL CHECK (char_length(subject) <= 200),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object' AND octet_length(data::text) <= 4096),
    key uuid NOT NULL UNIQUE
);
CREATE INDEX events_of_tenant ON atende.events (tenant_id, id);

ALTER TABLE atende.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.events FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.events FOR SELECT TO atende_app
    USING (tenant_id = atende.current_tenant());
CREATE POLICY writes_its_own ON atende.events FOR INSERT TO atende_app
    WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY platform_reads_its_own ON atende.events FOR SELECT TO atende_app
    USING (tenant_id IS NULL AND atende.is_platform());
CREATE POLICY platform_writes_its_own ON atende.events FOR INSERT TO atende_app
    WITH CHECK (tenant_id IS NULL AND atende.is_platform());
-- Who hands them on reads them all at once, and takes the oldest away.
CREATE POLICY all_are_read ON atende.events FOR SELECT TO atende_app
    USING (atende.follows_all());
CREATE POLICY old_ones_go ON atende.events FOR DELETE TO atende_app
    USING (atende.follows_all());

GRANT SELECT, INSERT, DELETE ON atende.events TO atende_app;
