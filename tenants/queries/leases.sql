-- Processes and the calls that they have. A row is its process's own: nobody else changes it, and who is lost is removed.

-- successor --
-- One place of a node is one process's: whoever had it before is gone.
DELETE FROM atende.processes WHERE node = $1 AND role = $2 AND slot = $3 AND id <> $4;

-- register --
INSERT INTO atende.processes (id, node, role, slot, pid, url, version, state, told, started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, told = excluded.told, renewed_at = clock_timestamp();

-- renew --
-- $1 process, $2 state, $3 told, $4 to $7 its calls: tenants, ids, assistants, since when. All that it had besides ends.
WITH me AS (
    UPDATE atende.processes SET state = $2, told = $3, renewed_at = clock_timestamp() WHERE id = $1 RETURNING id
), gone AS (
    DELETE FROM atende.live_calls WHERE process_id = $1 AND call_id <> ALL ($5::text[])
), here AS (
    INSERT INTO atende.live_calls (tenant_id, call_id, process_id, assistant, since)
    SELECT call.tenant_id, call.call_id, me.id, call.assistant, call.since
    FROM me, unnest($4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
        AS call (tenant_id, call_id, assistant, since)
    ON CONFLICT (tenant_id, call_id) DO UPDATE SET process_id = excluded.process_id, assistant = excluded.assistant
        WHERE live_calls.process_id <> excluded.process_id
)
SELECT count(*) FROM me;

-- processes --
SELECT id, node, role, slot, pid, url, version, state, told, started_at, renewed_at FROM atende.processes
ORDER BY node, role, slot LIMIT $1;

-- calls --
SELECT tenant_id, call_id, process_id, assistant, since FROM atende.live_calls LIMIT $1;

-- drop --
-- Only as it was seen: one that has renewed meanwhile lives.
DELETE FROM atende.processes WHERE id = $1 AND ($2::timestamptz IS NULL OR renewed_at = $2) RETURNING true;
