-- Keys of the operators' API. `$1` is whose they are; NULL: the platform's own.

-- add --
INSERT INTO atende.api_keys (tenant_id, id, role, name, digest, created_at, expires_at, last_used_at, revoked_at)
SELECT $1::uuid, $2::text, $3::text, $4::text, $5::bytea,
    $6::timestamptz, $7::timestamptz, $8::timestamptz, $9::timestamptz
WHERE $10 > (
    SELECT count(*) FROM atende.api_keys WHERE tenant_id IS NOT DISTINCT FROM $1::uuid AND revoked_at IS NULL
)
RETURNING true;

-- list --
-- Behind the key of $3 (is it revoked?), $4 and $5, where one is given.
SELECT id, tenant_id, role, name, created_at, expires_at, last_used_at, revoked_at FROM atende.api_keys
WHERE tenant_id IS NOT DISTINCT FROM $1::uuid
    AND ($3::boolean IS NULL OR (revoked_at IS NOT NULL) > $3
        OR ((revoked_at IS NOT NULL) = $3 AND (created_at < $4 OR (created_at = $4 AND id > $5))))
ORDER BY revoked_at IS NOT NULL, created_at DESC, id LIMIT $2;

-- revoke --
UPDATE atende.api_keys SET revoked_at = coalesce(revoked_at, $3)
WHERE tenant_id IS NOT DISTINCT FROM $1::uuid AND id = $2 RETURNING true;

-- used --
UPDATE atende.api_keys SET last_used_at = greatest(last_used_at, $3)
WHERE tenant_id IS NOT DISTINCT FROM $1::uuid AND id = $2;

-- find --
SELECT id, tenant_id, role, name, digest, created_at, expires_at, last_used_at, revoked_at FROM atende.api_keys
WHERE id = $1;
