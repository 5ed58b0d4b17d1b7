-- What happened, by increasing ids.

-- lock --
-- One transaction at a time adds events, until it has ended: an id is never seen before a smaller one. Taken last of
-- all locks, and immediately before the rows are added.
SELECT pg_advisory_xact_lock(47029882, 9);

-- append --
INSERT INTO atende.events (tenant_id, at, kind, subject, data, key) VALUES ($1, $2, $3, $4, $5::jsonb, $6)
ON CONFLICT (key) DO NOTHING RETURNING true;

-- of_tenant --
SELECT id, tenant_id, at, kind, subject, data, key FROM atende.events
WHERE tenant_id = $1 AND id > $2 AND ($3::text[] IS NULL OR kind = ANY($3)) ORDER BY id LIMIT $4;

-- all --
SELECT id, tenant_id, at, kind, subject, data, key FROM atende.events
WHERE id > $1 AND ($2::text[] IS NULL OR kind = ANY($2)) ORDER BY id LIMIT $3;

-- last --
SELECT coalesce(max(id), 0) FROM atende.events;

-- trim --
-- Of the oldest so many, those that are too old or too many.
DELETE FROM atende.events WHERE id IN (SELECT id FROM atende.events ORDER BY id LIMIT $3)
AND (at < $1 OR id <= (SELECT max(id) FROM atende.events) - $2::bigint);
