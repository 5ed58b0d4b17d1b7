-- Processes and the calls that they have. A row is its process's own: nobody else changes it, and who is lost is removed.

-- one_at_a_time --
SELECT pg_advisory_xact_lock(hashtextextended('node ' || $1, 0));

-- of_the_node --
SELECT id, node, role, slot, pid, url, version, state, told, started_at, renewed_at FROM atende.processes
WHERE node = $1 ORDER BY role, slot;

-- predecessors --
-- One place of a node is one process's: whoever had it before is gone.
SELECT id, renewed_at FROM atende.processes WHERE node = $1 AND role = $2 AND slot = $3 AND id <> $4
ORDER BY id FOR UPDATE;

-- as_seen --
-- Only as it was seen: one that has renewed meanwhile lives.
SELECT id, renewed_at FROM atende.processes WHERE id = $1 AND renewed_at = $2 FOR UPDATE;

-- calls_gone --
-- One that another process has taken meanwhile is that one's.
DELETE FROM atende.live_calls WHERE process_id = $1
RETURNING tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, switch, since;

-- register --
INSERT INTO atende.processes (id, node, role, slot, pid, url, version, state, told, started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, told = excluded.told, renewed_at = clock_timestamp();

-- renew --
-- $1 process, $2 state, $3 told, $4 its calls, as `pipelines.calls.Call` has them. All that it had besides end. A call
-- of a tenant that is not here (the database was restored) hinders no other; each that is has its row in `changes`.
WITH me AS (
    UPDATE atende.processes SET state = $2, told = $3, renewed_at = clock_timestamp() WHERE id = $1 RETURNING id
), has AS (
    SELECT call.* FROM jsonb_to_recordset($4::jsonb) AS call (
        tenant_id uuid, id text, tenant_slug text, assistant text, number text, caller text, revision integer,
        language text, switch text, opened_at timestamptz
    ) JOIN atende.changes USING (tenant_id)
), gone AS (
    DELETE FROM atende.live_calls l WHERE l.process_id = $1
        AND NOT EXISTS (SELECT FROM has WHERE has.tenant_id = l.tenant_id AND has.id = l.call_id)
), here AS (
    INSERT INTO atende.live_calls (
        tenant_id, call_id, process_id, tenant_slug, assistant, number, caller, revision, language, switch, since
    )
    SELECT has.tenant_id, has.id, me.id, has.tenant_slug, has.assistant, has.number, has.caller, has.revision,
        has.language, has.switch, has.opened_at
    FROM me, has
    ON CONFLICT (tenant_id, call_id) DO UPDATE SET process_id = excluded.process_id,
        tenant_slug = excluded.tenant_slug, assistant = excluded.assistant, number = excluded.number,
        caller = excluded.caller, revision = excluded.revision, language = excluded.language,
        switch = excluded.switch, since = excluded.since
        WHERE live_calls.process_id <> excluded.process_id
)
SELECT count(*) FROM me;

-- processes --
SELECT id, node, role, slot, pid, url, version, state, told, started_at, renewed_at FROM atende.processes
ORDER BY node, role, slot LIMIT $1;

-- elsewhere --
-- Counted here, and told as one value: who asks does so each second, however many calls the others have.
SELECT coalesce(json_object_agg(tenant_id, counts), '{}')::text
FROM (
    SELECT tenant_id, json_object_agg(assistant, calls) AS counts
    FROM (
        SELECT tenant_id, assistant, count(*) AS calls FROM atende.live_calls WHERE process_id <> $1
        GROUP BY tenant_id, assistant LIMIT $2
    ) AS of_assistants
    GROUP BY tenant_id
) AS of_tenants;

-- owner --
SELECT process_id FROM atende.live_calls WHERE ($1::uuid IS NULL OR tenant_id = $1) AND call_id = $2 LIMIT 1;

-- by_switch --
SELECT switch, count(*) AS calls FROM atende.live_calls WHERE process_id <> $1 GROUP BY switch;

-- drop --
DELETE FROM atende.processes WHERE id = $1 RETURNING true;
