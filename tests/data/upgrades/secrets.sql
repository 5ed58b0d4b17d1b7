INSERT INTO atende.secrets (tenant_id, name, version, key_id, sealed, created_at, created_by, erased_at) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'llm-key', 1, NULL, NULL, '2026-03-01 12:00:00+00', 'command line root',
     '2026-03-02 12:00:00+00'),
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'llm-key', 2, 'first', sha256('sealed'), '2026-03-02 12:00:00+00',
     'key aaaaaaaaaaaa', NULL);
