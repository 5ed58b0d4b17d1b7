-- A call whose process is gone has a record that says so at once: whoever sees that the process is lost writes it, of
-- what the process told of its live calls.

-- All of `pipelines.calls.Call`. A program from before tells none of the new facts, and its lost calls lack them.
ALTER TABLE atende.live_calls
    ADD COLUMN tenant_slug text NOT NULL DEFAULT '',
    ADD COLUMN number text NOT NULL DEFAULT '',
    ADD COLUMN caller text NOT NULL DEFAULT '',
    ADD COLUMN revision integer NOT NULL DEFAULT 0,
    ADD COLUMN language text NOT NULL DEFAULT '',
    ADD COLUMN switch text NOT NULL DEFAULT 'default';

-- The record was written by others; the process's own, which is in its spool, takes its place once.
ALTER TABLE atende.conversations ADD COLUMN provisional boolean NOT NULL DEFAULT false;

-- What is written stays as it was written but for these rows, and these change once.
CREATE POLICY provisional_rows_change_once ON atende.conversations AS RESTRICTIVE FOR UPDATE TO atende_app
    USING (provisional) WITH CHECK (NOT provisional);
GRANT UPDATE (
    tenant_slug, assistant, number, caller, revision, language, switch, opened_at, ended_at, end_reason, hangup_cause,
    errors, recording, revisions, provisional, stored_at
) ON atende.conversations TO atende_app;
