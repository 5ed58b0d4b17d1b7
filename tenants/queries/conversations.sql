-- Finished calls and what was said in them.

-- store --
INSERT INTO atende.conversations (
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, switch,
    opened_at, ended_at, end_reason, hangup_cause, errors, recording, revisions, cost_usd, usage,
    words_erased_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (tenant_id, call_id) DO UPDATE SET
    tenant_slug = excluded.tenant_slug, assistant = excluded.assistant, number = excluded.number,
    caller = excluded.caller, revision = excluded.revision, language = excluded.language, switch = excluded.switch,
    opened_at = excluded.opened_at, end_reason = excluded.end_reason,
    ended_at = CASE -- of a lost call the last that is known of it
        WHEN excluded.end_reason = 'lost' THEN greatest(conversations.ended_at, excluded.ended_at)
        ELSE excluded.ended_at END,
    hangup_cause = excluded.hangup_cause, errors = excluded.errors, recording = excluded.recording,
    revisions = excluded.revisions, cost_usd = excluded.cost_usd, usage = excluded.usage,
    words_erased_at = excluded.words_erased_at,
    provisional = false, stored_at = now()
WHERE conversations.provisional RETURNING true;

-- store_lost --
INSERT INTO atende.conversations ( -- of a call whose process is gone; that one's own record takes the place
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language, switch,
    opened_at, ended_at, end_reason, hangup_cause, errors, recording, revisions, cost_usd, usage,
    words_erased_at, provisional
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, true)
ON CONFLICT (tenant_id, call_id) DO NOTHING RETURNING call_id;

-- store_message --
INSERT INTO atende.messages (
    tenant_id, call_id, position, role, text, at_ms, interrupted, written, intent, passage_id, waterfall
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- get --
SELECT * FROM atende.conversations WHERE tenant_id = $1 AND call_id = $2;

-- newest --
SELECT * FROM atende.conversations WHERE tenant_id = $1
ORDER BY opened_at DESC, call_id DESC LIMIT $2;

-- before --
SELECT * FROM atende.conversations WHERE tenant_id = $1 AND opened_at <= $3 AND (opened_at, call_id) < ($3, $4)
ORDER BY opened_at DESC, call_id DESC LIMIT $2;

-- messages --
SELECT call_id, role, text, at_ms, interrupted, written, intent, passage_id, waterfall FROM atende.messages
WHERE tenant_id = $1 AND call_id = ANY ($2) ORDER BY call_id, position;

-- store_timeline --
INSERT INTO atende.timelines (tenant_id, call_id, moments) VALUES ($1, $2, $3);

-- timelines --
SELECT call_id, moments FROM atende.timelines WHERE tenant_id = $1 AND call_id = ANY ($2);

-- taken --
-- In the order in which they are asked for.
SELECT seconds, cost_usd FROM atende.taken($1, $2, $3, $4);
