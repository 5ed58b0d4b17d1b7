-- The first schema: a tenant that was published twice, and a call of it with all that a turn may have.
INSERT INTO atende.tenants (id, slug, domain, name) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'clinica', 'clinica.example.net', 'Clínica');
INSERT INTO atende.revisions (tenant_id, number, digest, document) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 1, repeat('a', 64), 'slug: clinica'),
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 2, repeat('b', 64), 'slug: clinica # 2');
INSERT INTO atende.conversations (
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, opened_at, ended_at, end_reason,
    hangup_cause, errors, recording
) VALUES (
    '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'first-schema', 'clinica', 'sofia', '1000', '+5511988887777', 2, 'pt-BR',
    '2026-03-01 12:00:00.123456+00', '2026-03-01 12:01:00+00', 'goodbye', 'NORMAL_CLEARING', '{"stt: slow"}',
    'recordings/clinica/c1.wav'
);
INSERT INTO atende.messages (
    tenant_id, call_id, position, role, text, at_ms, interrupted, intent, passage_id, waterfall
) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'first-schema', 0, 'assistant', 'Olá!', 40.5, true, NULL, NULL, NULL),
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'first-schema', 1, 'caller', 'Vocês abrem sábado?', 2100, false, NULL,
     NULL, NULL),
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'first-schema', 2, 'assistant', 'Sim.', 3900.25, false, 'answer',
     'atendimento#3', '{"vad_stop": 210.0, "first_audio": 980.125}');
