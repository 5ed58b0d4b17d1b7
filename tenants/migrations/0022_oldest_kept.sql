-- Whose words and recordings may be due is asked for many tenants at once: one job for each of them in each hour was too
-- much. Each tenant is asked about as itself, one after the other, so that the policies hold as they do everywhere; the
-- two indexes of step 19 make it two looks. The transaction sees no tenant afterwards.

CREATE FUNCTION atende.oldest_kept(tenants uuid[])
    RETURNS TABLE (tenant_id uuid, words timestamptz, recording timestamptz)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    one uuid;
    oldest_words timestamptz;
    oldest_recording timestamptz;
BEGIN
    FOREACH one IN ARRAY tenants LOOP
        PERFORM set_config('app.tenant_id', one::text, true);
        oldest_words := (
            SELECT c.opened_at FROM atende.conversations c
            WHERE c.tenant_id = one AND c.words_erased_at IS NULL AND NOT c.provisional
            ORDER BY c.opened_at LIMIT 1
        );
        oldest_recording := (
            SELECT c.opened_at FROM atende.conversations c
            WHERE c.tenant_id = one AND c.recording IS NOT NULL AND NOT c.provisional
            ORDER BY c.opened_at LIMIT 1
        );
        IF oldest_words IS NOT NULL OR oldest_recording IS NOT NULL THEN
            RETURN QUERY SELECT one, oldest_words, oldest_recording;
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
