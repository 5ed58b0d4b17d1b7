-- Finished calls as an operator looks for them. What is not looked for is NULL, and is gone once a statement is planned
-- for its very values (`plan_cache_mode`), so that each search has the index that is made for it.

-- search --
-- $2 limit, $3 assistant, $4 number, $5 caller, $6 end_reason, $7 revision, $8 and $9 dates, $10 text, $11 and $12 cursor.
-- The first half holds the calls that began on the revision, or all; the second those that changed over to it.
-- The text is looked for with a value and not with EXISTS, of which a join may be made that reads all that was ever said
-- to a tenant. `opened_at <= $11` says nothing new, but under the policies only a comparison that is known to leak nothing
-- finds its place in an index, and that of both columns at once is not.
WITH found AS (
    (
        SELECT * FROM atende.conversations c
        WHERE c.tenant_id = $1
            AND ($7::integer IS NULL OR c.revision = $7)
            AND ($3::text IS NULL OR c.assistant = $3)
            AND ($4::text IS NULL OR (c.number = $4 AND octet_length(c.number) <= 256))
            AND ($5::text IS NULL OR (c.caller = $5 AND octet_length(c.caller) <= 256))
            AND ($6::text IS NULL OR c.end_reason = $6)
            AND ($8::timestamptz IS NULL OR c.opened_at >= $8)
            AND ($9::timestamptz IS NULL OR c.opened_at < $9)
            AND ($11::timestamptz IS NULL OR (c.opened_at <= $11 AND (c.opened_at, c.call_id) < ($11, $12::text)))
            AND ($10::text IS NULL OR (
                SELECT true FROM atende.messages m
                WHERE m.tenant_id = $1 AND m.call_id = c.call_id AND strpos(lower(m.text), lower($10)) > 0 LIMIT 1
            ))
        ORDER BY c.opened_at DESC, c.call_id DESC LIMIT $2
    )
    UNION ALL
    (
        SELECT * FROM atende.conversations c
        WHERE c.tenant_id = $1
            AND $7::integer IS NOT NULL
            AND cardinality(c.revisions) > 1 AND $7 = ANY (c.revisions) AND c.revision <> $7
            AND ($3::text IS NULL OR c.assistant = $3)
            AND ($4::text IS NULL OR (c.number = $4 AND octet_length(c.number) <= 256))
            AND ($5::text IS NULL OR (c.caller = $5 AND octet_length(c.caller) <= 256))
            AND ($6::text IS NULL OR c.end_reason = $6)
            AND ($8::timestamptz IS NULL OR c.opened_at >= $8)
            AND ($9::timestamptz IS NULL OR c.opened_at < $9)
            AND ($11::timestamptz IS NULL OR (c.opened_at <= $11 AND (c.opened_at, c.call_id) < ($11, $12::text)))
            AND ($10::text IS NULL OR (
                SELECT true FROM atende.messages m
                WHERE m.tenant_id = $1 AND m.call_id = c.call_id AND strpos(lower(m.text), lower($10)) > 0 LIMIT 1
            ))
        ORDER BY c.opened_at DESC, c.call_id DESC LIMIT $2
    )
    ORDER BY opened_at DESC, call_id DESC LIMIT $2
)
SELECT found.*, (
    SELECT count(*) FROM atende.messages m WHERE m.tenant_id = $1 AND m.call_id = found.call_id
) AS turns
FROM found ORDER BY opened_at DESC, call_id DESC;

-- saying --
SELECT DISTINCT call_id FROM atende.messages
WHERE tenant_id = $1 AND call_id = ANY ($2) AND strpos(lower(text), lower($3)) > 0;
