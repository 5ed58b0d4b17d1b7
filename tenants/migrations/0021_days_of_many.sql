-- What calls of many tenants took, in one question. Nobody sees more by it: the question is asked of one tenant after the
-- other, each behind its own policies, as who asks could do with a question for each.
CREATE FUNCTION atende.taken(
    tenants uuid[], assistants text[], opened_from timestamptz[], opened_to timestamptz[],
    OUT seconds double precision, OUT cost_usd double precision
) RETURNS SETOF record
    LANGUAGE plpgsql
    AS $$
DECLARE
    asker text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    FOR place IN 1 .. cardinality(tenants) LOOP
        PERFORM set_config('app.tenant_id', tenants[place]::text, true);
        SELECT coalesce(sum(extract(epoch FROM c.ended_at - c.opened_at)), 0), coalesce(sum(c.cost_usd), 0)
        INTO seconds, cost_usd
        FROM atende.conversations c
        WHERE c.tenant_id = tenants[place] AND c.assistant = assistants[place]
            AND c.opened_at >= opened_from[place] AND c.opened_at < opened_to[place];
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('app.tenant_id', asker, true);
END
$$;
