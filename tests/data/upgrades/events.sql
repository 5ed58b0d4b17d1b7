INSERT INTO atende.events (tenant_id, at, kind, subject, data, key) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', '2026-03-01 12:00:00+00', 'document.published', '1', '{"revision": 1}',
     '0f0f0f0f-0000-4000-8000-000000000001'),
    (NULL, '2026-03-01 12:00:01+00', 'disk.low', '', '{}', '0f0f0f0f-0000-4000-8000-000000000002');
