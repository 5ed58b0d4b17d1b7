INSERT INTO atende.processes (
    id, node, role, slot, pid, url, version, state, told, started_at, renewed_at
) VALUES (
    '0f0f0f0f-0000-4000-8000-0000000000aa', 'pbx-1', 'media', 0, 4711, 'http://127.0.0.1:9000', '0.1.0', 'ok', '{}',
    '2026-03-01 12:00:00+00', '2026-03-01 12:00:01+00'
);
INSERT INTO atende.live_calls (tenant_id, call_id, process_id, assistant, since) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'talks-now', '0f0f0f0f-0000-4000-8000-0000000000aa', 'sofia',
     '2026-03-01 12:00:00+00');
