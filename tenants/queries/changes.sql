-- Whose documents have changed. Who changes one says so in the same transaction.

-- changed --
INSERT INTO atende.changes (tenant_id) VALUES ($1)
ON CONFLICT (tenant_id) DO UPDATE SET changed_at = clock_timestamp(), removed = false;

-- returned --
UPDATE atende.changes SET changed_at = clock_timestamp(), removed = false WHERE tenant_id = $1 AND removed;

-- remove --
UPDATE atende.changes SET changed_at = clock_timestamp(), removed = true
FROM atende.tenants
WHERE changes.tenant_id = $1 AND NOT changes.removed AND tenants.id = changes.tenant_id
RETURNING changes.changed_at, tenants.slug;

-- since --
SELECT tenant_id, changed_at, removed FROM atende.changes WHERE changed_at > $1 ORDER BY changed_at, tenant_id;
