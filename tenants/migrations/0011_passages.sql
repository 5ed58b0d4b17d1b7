-- What tenants' documents say, and where each passage lies for an embedder: kept here when ATENDE_VECTORS is pgvector.
--
-- `collection` is the embedder with its dimension: vectors of two embedders do not compare. A vector is an array of
-- reals, which needs no extension: every database has these tables, and the search alone needs pgvector. No reference
-- to tenants: documents are brought in before the revision that looks things up in them is stored.

CREATE TABLE atende.passage_documents (
    tenant_id uuid NOT NULL,
    collection text NOT NULL CHECK (collection ~ '^.+/[1-9][0-9]{0,3}$' AND length(collection) <= 200),
    name text NOT NULL,
    digest text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, collection, name)
);

CREATE TABLE atende.passages (
    tenant_id uuid NOT NULL,
    collection text NOT NULL,
    id text NOT NULL,
    document text NOT NULL,
    position integer NOT NULL CHECK (position >= 0),
    heading text NOT NULL,
    question text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (tenant_id, collection, id),
    UNIQUE (tenant_id, collection, document, position),
    FOREIGN KEY (tenant_id, collection, document) REFERENCES atende.passage_documents ON DELETE CASCADE
);

CREATE TABLE atende.passage_vectors (
    tenant_id uuid NOT NULL,
    collection text NOT NULL,
    passage text NOT NULL,
    kind smallint NOT NULL CHECK (kind >= 0),
    vector real[] NOT NULL CHECK (cardinality(vector) = substring(collection FROM '[0-9]+$')::int),
    PRIMARY KEY (tenant_id, collection, passage, kind),
    FOREIGN KEY (tenant_id, collection, passage) REFERENCES atende.passages ON DELETE CASCADE
);
-- In the row itself: a search reads every vector of a tenant, and takes half the time so.
ALTER TABLE atende.passage_vectors ALTER COLUMN vector SET STORAGE MAIN;

ALTER TABLE atende.passage_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.passages ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.passage_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE atende.passage_documents FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.passages FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.passage_vectors FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.passage_documents TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY own_rows ON atende.passages TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());
CREATE POLICY own_rows ON atende.passage_vectors TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());

-- A document is replaced whole: passages and vectors are never changed.
GRANT SELECT, INSERT, UPDATE (digest, stored_at), DELETE ON atende.passage_documents TO atende_app;
GRANT SELECT, INSERT, DELETE ON atende.passages, atende.passage_vectors TO atende_app;
