-- What is taken away when its time is over. Each statement deals with a batch, the oldest first.

-- due --
SELECT call_id FROM atende.conversations
WHERE tenant_id = $1 AND words_erased_at IS NULL AND opened_at < $2
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
    WHERE tenant_id = $1 AND recording IS NOT NULL AND opened_at < $2
    ORDER BY opened_at LIMIT $3 FOR UPDATE SKIP LOCKED
);
