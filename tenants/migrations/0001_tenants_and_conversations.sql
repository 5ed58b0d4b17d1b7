-- Tenants, their documents and their conversations.
--
-- Every row says whose it is. The program puts the tenant first in every query; the policies below are
-- the second fence: what `atende_app` may see is what `app.tenant_id` names in its transaction, and
-- nothing at all when it names nobody.

CREATE FUNCTION atende.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;

CREATE TABLE atende.tenants (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    domain text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE atende.revisions (
    tenant_id uuid NOT NULL REFERENCES atende.tenants ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, number)
);

-- No reference to tenants: the record of a call that ended while its tenant was being removed, or while
-- the database was away, must find a place whatever happened meanwhile.
CREATE TABLE atende.conversations (
    tenant_id uuid NOT NULL,
    call_id text NOT NULL,
    tenant_slug text NOT NULL,
    assistant text NOT NULL,
    number text NOT NULL,
    caller text NOT NULL,
    revision integer NOT NULL,
    language text NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    end_reason text NOT NULL,
    hangup_cause text NOT NULL,
    errors text[] NOT NULL,
    recording text,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, call_id)
);
CREATE INDEX conversations_newest ON atende.conversations (tenant_id, opened_at DESC, call_id DESC);

CREATE TABLE atende.messages (
    tenant_id uuid NOT NULL,
    call_id text NOT NULL,
    position integer NOT NULL CHECK (position >= 0),
    role text NOT NULL CHECK (role IN ('caller', 'assistant')),
    text text NOT NULL,
    at_ms double precision NOT NULL,
    interrupted boolean NOT NULL,
    intent text,
    passage_id text,
    waterfall jsonb,
    PRIMARY KEY (tenant_id, call_id, position),
    FOREIGN KEY (tenant_id, call_id) REFERENCES atende.conversations ON DELETE CASCADE
);

ALTER TABLE atende.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.tenants TO atende_app
    USING (id = atende.current_tenant()) WITH CHECK (id = atende.current_tenant());
CREATE POLICY own_rows ON atende.revisions TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY own_rows ON atende.conversations TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY own_rows ON atende.messages TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());

-- What is written stays as it was written: no UPDATE but on the tenant's names, no DELETE.
GRANT USAGE ON SCHEMA atende TO atende_app;
GRANT SELECT, INSERT, UPDATE (slug, domain, name, updated_at) ON atende.tenants TO atende_app;
GRANT SELECT, INSERT ON atende.revisions, atende.conversations, atende.messages TO atende_app;
