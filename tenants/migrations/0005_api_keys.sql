-- Keys of the operators' API: what opens is not here, only a digest of it. Without a tenant: the platform's own.

CREATE FUNCTION atende.is_platform() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('app.platform', true) = 'on', false) $$;

CREATE FUNCTION atende.presented_key() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('app.api_key_id', true), '') $$;

CREATE TABLE atende.api_keys (
    id text PRIMARY KEY CHECK (id ~ '^[a-z2-7]{12}$'),
    tenant_id uuid REFERENCES atende.tenants ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('platform-admin', 'platform-viewer', 'tenant-admin', 'tenant-viewer')),
    name text NOT NULL CHECK (char_length(name) <= 100),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > created_at),
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT tenants_key_has_a_tenant CHECK ((tenant_id IS NULL) = (role IN ('platform-admin', 'platform-viewer')))
);
CREATE INDEX api_keys_of_tenant ON atende.api_keys (tenant_id, created_at DESC);

ALTER TABLE atende.api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.api_keys TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY platform_rows ON atende.api_keys TO atende_app
    USING (tenant_id IS NULL AND atende.is_platform()) WITH CHECK (tenant_id IS NULL AND atende.is_platform());
-- Whose a key is, is what is asked when it is presented: the one row may be read, and nothing be written.
CREATE POLICY presented_row ON atende.api_keys FOR SELECT TO atende_app
    USING (id = atende.presented_key());

-- A key stays what it was made: no UPDATE but of when it was used and revoked, no DELETE.
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON atende.api_keys TO atende_app;
