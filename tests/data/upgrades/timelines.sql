INSERT INTO atende.timelines (tenant_id, call_id, moments) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'first-schema', '[{"at_ms": 0, "what": "rang"}]');
