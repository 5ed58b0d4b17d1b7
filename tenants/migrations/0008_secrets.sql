-- Secrets of tenants, sealed: the keys that open them are not in the database (see tenants/sealing.py). A former value
-- is erased when the next one is kept, and its row stays, so that no version is ever told twice. No reference to
-- tenants: a secret is there before the first document that names it.

CREATE TABLE atende.secrets (
    tenant_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    version integer NOT NULL CHECK (version > 0),
    key_id text CHECK (key_id ~ '^[A-Za-z0-9_-]{1,32}$'),
    -- Nonce (12), at least one octet, tag (16).
    sealed bytea CHECK (octet_length(sealed) BETWEEN 29 AND 16412),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL CHECK (char_length(created_by) BETWEEN 1 AND 100),
    erased_at timestamptz,
    -- By the database's clock: what processes that follow ask for.
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name, version),
    CONSTRAINT erased_as_a_whole CHECK (
        (sealed IS NULL) = (erased_at IS NOT NULL) AND (key_id IS NULL) = (sealed IS NULL)
    )
);
CREATE UNIQUE INDEX secrets_have_one_value ON atende.secrets (tenant_id, name) WHERE sealed IS NOT NULL;
CREATE INDEX secrets_changed ON atende.secrets (changed_at);

ALTER TABLE atende.secrets ENABLE ROW LEVEL SECURITY;
-- The owner sees none either; a dump needs a role that goes round it (docs/secrets.md).
ALTER TABLE atende.secrets FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.secrets TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
-- For following and for another master key. What is sealed for one tenant opens for no other.
CREATE POLICY platform_reads_all ON atende.secrets FOR SELECT TO atende_app
    USING (atende.is_platform());
CREATE POLICY platform_seals_anew ON atende.secrets FOR UPDATE TO atende_app
    USING (atende.is_platform()) WITH CHECK (atende.is_platform());

-- A row stays: no DELETE, and no UPDATE but of its value.
GRANT SELECT, INSERT, UPDATE (key_id, sealed, erased_at, changed_at) ON atende.secrets TO atende_app;
