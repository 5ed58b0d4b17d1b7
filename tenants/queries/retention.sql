-- What is taken away when its time is over. Each statement deals with a batch, the oldest first.

-- erasing --
-- Until the transaction ends: the policies let nobody else.
SELECT set_config('app.erasing', 'on', true);

-- oldest --
-- Of many tenants: when the oldest calls were that still have words, and that name a recording; no row: there are none.
SELECT tenant_id, words, recording FROM atende.oldest_kept($1);

-- due --
SELECT call_id FROM atende.conversations
WHERE tenant_id = $1 AND words_erased_at IS NULL AND NOT provisional AND opened_at < $2
ORDER BY opened_at LIMIT $3 FOR UPDATE SKIP LOCKED;

-- erase_words --
UPDATE atende.messages SET text = '', intent = NULL, passage_id = NULL
WHERE tenant_id = $1 AND call_id = ANY ($2);

-- erased --
UPDATE atende.conversations SET words_erased_at = $3 WHERE tenant_id = $1 AND call_id = ANY ($2);

-- forget_recordings --
UPDATE atende.conversations SET recording = NULL
WHERE tenant_id = $1 AND call_id IN (
    SELECT call_id FROM atende.conversations
    WHERE tenant_id = $1 AND recording IS NOT NULL AND NOT provisional AND opened_at < $2
    ORDER BY opened_at LIMIT $3 FOR UPDATE SKIP LOCKED
);
