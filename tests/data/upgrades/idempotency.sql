INSERT INTO atende.idempotency (tenant_id, api_key_id, name, request, attempt, expires_at, answer) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'aaaaaaaaaaaa', sha256('a'), sha256('b'),
     '0f0f0f0f-0000-4000-8000-000000000001', '2026-03-01 12:10:00+00', 'sealed'),
    (NULL, 'bbbbbbbbbbbb', sha256('a'), sha256('b'), '0f0f0f0f-0000-4000-8000-000000000002', '2026-03-01 12:02:00+00',
     NULL);
