INSERT INTO atende.conversations (
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, opened_at, ended_at, end_reason,
    hangup_cause, errors, recording, switch, revisions
) VALUES (
    '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'changed-over', 'clinica', 'sofia', '1000', '200', 1, 'pt-BR',
    '2026-03-03 12:00:00+00', '2026-03-03 12:09:00+00', 'silence', 'NORMAL_CLEARING', '{}', NULL, 'default', '{1,2}'
);
