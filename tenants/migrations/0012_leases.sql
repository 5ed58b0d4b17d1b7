-- What many processes tell each other: which of them live, which calls they have, and whose documents have changed.

-- The only thing of a tenant that is asked for all of them at once; what their documents say is read of one at a time.
CREATE TABLE atende.changes (
    tenant_id uuid PRIMARY KEY REFERENCES atende.tenants ON DELETE CASCADE,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed boolean NOT NULL DEFAULT false
);
CREATE INDEX changes_by_time ON atende.changes (changed_at);
INSERT INTO atende.changes (tenant_id) SELECT id FROM atende.tenants;

-- What becomes of live calls where the revision is taken up, in every process.
ALTER TABLE atende.revisions ADD COLUMN swap text NOT NULL DEFAULT 'turn' CHECK (swap IN ('turn', 'drain'));

CREATE TABLE atende.processes (
    id uuid PRIMARY KEY,
    node text NOT NULL CHECK (octet_length(node) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('all', 'control', 'media')),
    slot integer NOT NULL CHECK (slot >= 0),
    pid integer NOT NULL,
    url text NOT NULL CHECK (octet_length(url) <= 300),
    version text NOT NULL,
    state text NOT NULL CHECK (state IN ('starting', 'ok', 'full', 'draining')),
    told text NOT NULL CHECK (octet_length(told) <= 65536),
    started_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE atende.live_calls (
    tenant_id uuid NOT NULL,
    call_id text NOT NULL,
    process_id uuid NOT NULL REFERENCES atende.processes ON DELETE CASCADE,
    assistant text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, call_id)
);
CREATE INDEX live_calls_of_process ON atende.live_calls (process_id);

ALTER TABLE atende.changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.changes FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.processes ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.processes FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.live_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.live_calls FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.changes TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY platform_reads_all ON atende.changes FOR SELECT TO atende_app
    USING (atende.is_platform());
CREATE POLICY platform_rows ON atende.processes TO atende_app
    USING (atende.is_platform()) WITH CHECK (atende.is_platform());
CREATE POLICY own_rows ON atende.live_calls FOR SELECT TO atende_app
    USING (tenant_id = atende.current_tenant());
-- A process renews the calls of all its tenants in one statement.
CREATE POLICY platform_rows ON atende.live_calls TO atende_app
    USING (atende.is_platform()) WITH CHECK (atende.is_platform());

GRANT SELECT, INSERT, UPDATE (changed_at, removed) ON atende.changes TO atende_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON atende.processes, atende.live_calls TO atende_app;
