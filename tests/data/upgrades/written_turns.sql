INSERT INTO atende.messages (tenant_id, call_id, position, role, text, at_ms, interrupted, written) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'of-a-switch', 0, 'caller', 'Rua das Flores, 7', 500, false, true);
