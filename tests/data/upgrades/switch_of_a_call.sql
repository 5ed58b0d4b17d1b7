INSERT INTO atende.conversations (
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, opened_at, ended_at, end_reason,
    hangup_cause, errors, recording, switch
) VALUES (
    '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'of-a-switch', 'clinica', 'sofia', '1000', 'anonymous', 2, 'pt-BR',
    '2026-03-02 12:00:00+00', '2026-03-02 12:00:01+00', 'caller_hangup', 'ORIGINATOR_CANCEL', '{}', NULL, 'matriz'
);
