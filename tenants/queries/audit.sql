-- The audit log. `$1` is whose chain it is; NULL: the platform's. `chain` alone says it: beside it, a condition on
-- tenant_id has the planner expect a row or none, and read and sort all of a chain for its last.

-- lock --
-- One at a time adds to a chain, until its transaction ends. (A row cannot be locked by who may not change it.)
SELECT pg_advisory_xact_lock(47029882, hashtext(coalesce($1::uuid::text, '')));

-- last --
SELECT number, change, digest FROM atende.audit
WHERE chain = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY number DESC LIMIT 1;

-- append --
INSERT INTO atende.audit (tenant_id, number, change, digest) VALUES ($1, $2, $3, $4);

-- newest --
SELECT number, change, digest FROM atende.audit
WHERE chain = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND number < $2
ORDER BY number DESC LIMIT $3;

-- page --
SELECT number, change, digest FROM atende.audit
WHERE chain = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND number > $2
ORDER BY number LIMIT $3;

-- chains --
-- Behind $1, where one is given, at most $2. From chain to chain by the primary key: their entries are not read.
WITH RECURSIVE each AS (
    (SELECT chain FROM atende.audit WHERE $1::uuid IS NULL OR chain > $1 ORDER BY chain LIMIT 1)
    UNION ALL
    SELECT (SELECT audit.chain FROM atende.audit WHERE audit.chain > each.chain ORDER BY audit.chain LIMIT 1)
    FROM each WHERE each.chain IS NOT NULL
)
SELECT nullif(chain, '00000000-0000-0000-0000-000000000000') AS tenant_id FROM each WHERE chain IS NOT NULL LIMIT $2;
