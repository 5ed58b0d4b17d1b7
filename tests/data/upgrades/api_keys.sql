INSERT INTO atende.api_keys (id, tenant_id, role, name, digest, created_at, expires_at, last_used_at, revoked_at) VALUES
    ('aaaaaaaaaaaa', '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'tenant-admin', 'Site', sha256('a'),
     '2026-03-01 12:00:00+00', '2036-03-01 12:00:00+00', '2026-03-02 12:00:00+00', NULL),
    ('bbbbbbbbbbbb', NULL, 'platform-viewer', '', sha256('b'), '2026-03-01 12:00:00+00', NULL, NULL,
     '2026-03-05 12:00:00+00');
