-- Secrets of tenants, as they are sealed.

-- newest --
SELECT name, version, created_at, created_by, erased_at, key_id, sealed FROM atende.secrets
WHERE tenant_id = $1 AND name = $2 ORDER BY version DESC LIMIT 1;

-- erase --
UPDATE atende.secrets SET sealed = NULL, key_id = NULL, erased_at = $3, changed_at = clock_timestamp()
WHERE tenant_id = $1 AND name = $2 AND sealed IS NOT NULL RETURNING true;

-- add --
INSERT INTO atende.secrets (tenant_id, name, version, created_at, created_by, key_id, sealed)
SELECT $1::uuid, $2::text, $3::integer, $4::timestamptz, $5::text, $6::text, $7::bytea
WHERE $8 > (SELECT count(*) FROM atende.secrets WHERE tenant_id = $1::uuid AND name <> $2::text AND sealed IS NOT NULL)
RETURNING true;

-- list --
SELECT name, version, created_at, created_by, erased_at FROM atende.secrets
WHERE tenant_id = $1 AND sealed IS NOT NULL ORDER BY name;

-- history --
SELECT name, version, created_at, created_by, erased_at FROM atende.secrets
WHERE tenant_id = $1 AND name = $2 AND version < $3 ORDER BY version DESC LIMIT $4;

-- all_kept --
SELECT tenant_id, name, version, true AS kept, changed_at FROM atende.secrets WHERE sealed IS NOT NULL;

-- changed --
SELECT tenant_id, name, version, sealed IS NOT NULL AS kept, changed_at FROM atende.secrets
WHERE changed_at > $1 ORDER BY changed_at;

-- by_key --
SELECT key_id, count(*) AS secrets FROM atende.secrets WHERE sealed IS NOT NULL GROUP BY key_id;

-- sealed_otherwise --
SELECT tenant_id, name, version, key_id, sealed FROM atende.secrets
WHERE sealed IS NOT NULL AND key_id <> $1
    AND (tenant_id, name, version) > ($2::uuid, $3::text, $4::integer)
ORDER BY tenant_id, name, version LIMIT $5;

-- seal_anew --
UPDATE atende.secrets SET key_id = $4, sealed = $5
WHERE tenant_id = $1 AND name = $2 AND version = $3 AND sealed = $6 RETURNING true;
