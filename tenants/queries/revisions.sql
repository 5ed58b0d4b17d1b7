-- Tenants and their numbered documents.

-- put_tenant --
INSERT INTO atende.tenants (id, slug, domain, name) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, domain = excluded.domain, name = excluded.name, updated_at = now();

-- lock_tenant --
SELECT id FROM atende.tenants WHERE id = $1 FOR NO KEY UPDATE;

-- current --
SELECT number, digest, document, swap, created_at FROM atende.revisions
WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1;

-- revision --
SELECT number, digest, document, swap, created_at FROM atende.revisions WHERE tenant_id = $1 AND number = $2;

-- list --
SELECT number, digest, octet_length(document) AS size_bytes, created_at FROM atende.revisions
WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3;

-- add --
INSERT INTO atende.revisions (tenant_id, number, digest, document, swap) VALUES ($1, $2, $3, $4, $5)
RETURNING number, digest, document, swap, created_at;
