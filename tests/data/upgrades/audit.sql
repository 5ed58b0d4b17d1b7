INSERT INTO atende.audit (tenant_id, number, change, digest) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 1, '{"action": "document.put"}', sha256('1')),
    (NULL, 1, '{"action": "key.create"}', sha256('2'));
