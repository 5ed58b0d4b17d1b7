-- Requests with an idempotency key. `$1` is whose they are; NULL: the platform's own. `owner` alone is asked for beside
-- it: with a condition on tenant_id the primary key is of no use.

-- claim --
INSERT INTO atende.idempotency (tenant_id, api_key_id, name, request, attempt, expires_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval)
ON CONFLICT (owner, api_key_id, name) DO UPDATE
SET request = excluded.request, attempt = excluded.attempt, answer = NULL,
    begun_at = excluded.begun_at, expires_at = excluded.expires_at
WHERE idempotency.expires_at <= clock_timestamp()
RETURNING true;

-- known --
SELECT request, answer FROM atende.idempotency
WHERE owner = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND api_key_id = $2 AND name = $3;

-- make_room --
-- The oldest answers go beyond the newest $2; what is being worked on stays, which would act twice.
DELETE FROM atende.idempotency
WHERE owner = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND answer IS NOT NULL AND begun_at <= (
    SELECT begun_at FROM atende.idempotency
    WHERE owner = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND answer IS NOT NULL
    ORDER BY begun_at DESC OFFSET $2 LIMIT 1
);

-- answered --
UPDATE atende.idempotency SET answer = $5, expires_at = clock_timestamp() + $6::interval
WHERE owner = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND api_key_id = $2 AND name = $3
    AND attempt = $4;

-- released --
DELETE FROM atende.idempotency
WHERE owner = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND api_key_id = $2 AND name = $3
    AND attempt = $4;

-- forget --
DELETE FROM atende.idempotency WHERE expires_at <= clock_timestamp();
