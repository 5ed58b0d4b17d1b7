-- What has been asked with an idempotency key, and what was answered: sealed by the client's own API key and that, which
-- are not here. `owner` is in the primary key since NULL, the platform's tenant_id, equals nothing.

CREATE TABLE atende.idempotency (
    tenant_id uuid REFERENCES atende.tenants ON DELETE CASCADE,
    owner uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    api_key_id text NOT NULL CHECK (api_key_id ~ '^[a-z2-7]{12}$'),
    name bytea NOT NULL CHECK (octet_length(name) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    attempt uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    -- NULL while it is being worked on.
    answer bytea CHECK (octet_length(answer) <= 131072),
    PRIMARY KEY (owner, api_key_id, name)
);
CREATE INDEX idempotency_of_owner ON atende.idempotency (owner, begun_at);
CREATE INDEX idempotency_by_expiry ON atende.idempotency (expires_at);

ALTER TABLE atende.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.idempotency FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.idempotency TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY platform_rows ON atende.idempotency TO atende_app
    USING (tenant_id IS NULL AND atende.is_platform()) WITH CHECK (tenant_id IS NULL AND atende.is_platform());
-- What is over is taken away for all tenants at once: those that ask no more would keep it for ever.
CREATE POLICY what_is_over_is_seen ON atende.idempotency FOR SELECT TO atende_app
    USING (atende.is_platform() AND expires_at <= clock_timestamp());
CREATE POLICY what_is_over_goes ON atende.idempotency FOR DELETE TO atende_app
    USING (atende.is_platform() AND expires_at <= clock_timestamp());

GRANT SELECT, INSERT, DELETE, UPDATE (request, attempt, begun_at, expires_at, answer) ON atende.idempotency
    TO atende_app;
