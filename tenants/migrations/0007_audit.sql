-- Who changed what: a chain of entries for each tenant, and the platform's without one. `digest` covers the entry and
-- the digest before it, hence the text of `change` is kept as it was written, and is not jsonb. No reference to tenants:
-- what was done to one is told when it is gone, and its beginning before it is there.

CREATE TABLE atende.audit (
    tenant_id uuid CHECK (tenant_id <> '00000000-0000-0000-0000-000000000000'),
    chain uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    number bigint NOT NULL CHECK (number > 0),
    change text NOT NULL CHECK (octet_length(change) <= 4096 AND jsonb_typeof(change::jsonb) = 'object'),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- Also what lists are read by. Not of tenant_id, since NULL equals nothing: the platform's numbers could repeat.
    PRIMARY KEY (chain, number)
);

ALTER TABLE atende.audit ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.audit TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY platform_writes_its_own ON atende.audit FOR INSERT TO atende_app
    WITH CHECK (tenant_id IS NULL AND atende.is_platform());
CREATE POLICY platform_reads_all ON atende.audit FOR SELECT TO atende_app
    USING (atende.is_platform());

-- What is written stays: no UPDATE, no DELETE.
GRANT SELECT, INSERT ON atende.audit TO atende_app;

-- The owner needs no grant, and is refused too, so that a mistake in a shell is one that changes nothing.
CREATE FUNCTION atende.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON atende.audit
    FOR EACH STATEMENT EXECUTE FUNCTION atende.refuse_change();
-- In a session that plays the part of a replica too.
ALTER TABLE atende.audit ENABLE ALWAYS TRIGGER only_added_to;
