-- Finished calls as an operator looks for them, a piece of them at a time (`tenants/call_looking.py`). What is not looked
-- for is NULL, and is gone once a statement is planned for its very values (`plan_cache_mode`), so that each search has
-- the index that is made for it.
--
-- $1 tenant, $2 how many, $3 assistant, $4 number, $5 caller, $6 end_reason, $7 revision, $8 and $9 dates, $10 and $11
-- cursor, $12 the one of these by which calls are read ('newest': none).
-- `opened_at <= $10` says nothing new, but under the policies only a comparison that is known to leak nothing finds its
-- place in an index, and that of both columns at once is not.

-- reach --
-- The last of the next $2 calls: by 'revision' of those that began on it, by 'changed_over' of those that changed over.
SELECT c.opened_at, c.call_id FROM atende.conversations c
WHERE c.tenant_id = $1
    AND ($12::text <> 'assistant' OR c.assistant = $3::text)
    AND ($12 <> 'number' OR (c.number = $4::text AND octet_length(c.number) <= 256))
    AND ($12 <> 'caller' OR (c.caller = $5::text AND octet_length(c.caller) <= 256))
    AND ($12 <> 'end_reason' OR c.end_reason = $6::text)
    AND ($12 <> 'revision' OR c.revision = $7::integer)
    AND ($12 <> 'changed_over' OR cardinality(c.revisions) > 1)
    AND ($8::timestamptz IS NULL OR c.opened_at >= $8)
    AND ($9::timestamptz IS NULL OR c.opened_at < $9)
    AND ($10::timestamptz IS NULL OR (c.opened_at <= $10 AND (c.opened_at, c.call_id) < ($10, $11::text)))
ORDER BY c.opened_at DESC, c.call_id DESC OFFSET $2::bigint - 1 LIMIT 1;

-- search --
-- $13 and $14: the last call of the piece, or NULL; $15 how many calls are read at the most, or NULL; $16 text.
-- What is read are the calls of the piece by the one fact, with LIMIT as a fence: all else is looked for in these alone,
-- by no index that would read others. The second half holds the calls that changed over to the revision.
WITH piece AS (
    SELECT * FROM (
        (
            SELECT * FROM atende.conversations c
            WHERE c.tenant_id = $1
                AND ($12::text <> 'assistant' OR c.assistant = $3::text)
                AND ($12 <> 'number' OR (c.number = $4::text AND octet_length(c.number) <= 256))
                AND ($12 <> 'caller' OR (c.caller = $5::text AND octet_length(c.caller) <= 256))
                AND ($12 <> 'end_reason' OR c.end_reason = $6::text)
                AND ($12 <> 'revision' OR c.revision = $7::integer)
                AND ($8::timestamptz IS NULL OR c.opened_at >= $8)
                AND ($9::timestamptz IS NULL OR c.opened_at < $9)
                AND ($10::timestamptz IS NULL OR (c.opened_at <= $10 AND (c.opened_at, c.call_id) < ($10, $11::text)))
                AND ($13::timestamptz IS NULL OR (c.opened_at >= $13 AND (c.opened_at, c.call_id) >= ($13, $14::text)))
            ORDER BY c.opened_at DESC, c.call_id DESC LIMIT $15::bigint
        )
        UNION ALL
        (
            SELECT * FROM atende.conversations c
            WHERE c.tenant_id = $1
                AND $12 = 'revision' AND cardinality(c.revisions) > 1 AND c.revision <> $7 AND $7 = ANY (c.revisions)
                AND ($8::timestamptz IS NULL OR c.opened_at >= $8)
                AND ($9::timestamptz IS NULL OR c.opened_at < $9)
                AND ($10::timestamptz IS NULL OR (c.opened_at <= $10 AND (c.opened_at, c.call_id) < ($10, $11::text)))
                AND ($13::timestamptz IS NULL OR (c.opened_at >= $13 AND (c.opened_at, c.call_id) >= ($13, $14::text)))
            ORDER BY c.opened_at DESC, c.call_id DESC LIMIT $15
        )
    ) halves
    ORDER BY opened_at DESC, call_id DESC LIMIT $15
),
found AS (
    SELECT * FROM piece c
    WHERE ($3::text IS NULL OR c.assistant = $3)
        AND ($4::text IS NULL OR c.number = $4)
        AND ($5::text IS NULL OR c.caller = $5)
        AND ($6::text IS NULL OR c.end_reason = $6)
        AND ($7::integer IS NULL OR c.revision = $7 OR $7 = ANY (c.revisions))
        AND ($16::text IS NULL OR (
            SELECT true FROM atende.messages m
            WHERE m.tenant_id = $1 AND m.call_id = c.call_id AND strpos(lower(m.text), lower($16)) > 0 LIMIT 1
        ))
    ORDER BY c.opened_at DESC, c.call_id DESC LIMIT $2
)
SELECT found.*, (
    SELECT count(*) FROM atende.messages m WHERE m.tenant_id = $1 AND m.call_id = found.call_id
) AS turns
FROM found ORDER BY opened_at DESC, call_id DESC;
