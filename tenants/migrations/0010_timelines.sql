-- What happened in each call and when. Apart from the calls, so that a list of them reads none of it.

CREATE TABLE atende.timelines (
    tenant_id uuid NOT NULL,
    call_id text NOT NULL,
    moments jsonb NOT NULL CHECK (jsonb_typeof(moments) = 'array'),
    PRIMARY KEY (tenant_id, call_id),
    FOREIGN KEY (tenant_id, call_id) REFERENCES atende.conversations ON DELETE CASCADE
);

ALTER TABLE atende.timelines ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON atende.timelines TO atende_app
    USING (tenant_id = atende.current_tenant()) WITH CHECK (tenant_id = atende.current_tenant());

-- What is written stays: no UPDATE, no DELETE.
GRANT SELECT, INSERT ON atende.timelines TO atende_app;
