-- What was said may be taken away when its time is over (`retention` of a tenant's document); that a call was, and its
-- figures, stay.

ALTER TABLE atende.conversations ADD COLUMN words_erased_at timestamptz;

-- What is to be looked at: the oldest that still have words, or name a recording.
CREATE INDEX conversations_with_words ON atende.conversations (tenant_id, opened_at)
    WHERE words_erased_at IS NULL AND NOT provisional;
CREATE INDEX conversations_recorded ON atende.conversations (tenant_id, opened_at)
    WHERE recording IS NOT NULL AND NOT provisional;

-- Whoever takes away says so, for his transaction: a query that forgets it changes no row.
CREATE FUNCTION atende.is_erasing() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('app.erasing', true) = 'on', false) $$;

ALTER POLICY provisional_rows_change_once ON atende.conversations
    USING (provisional OR atende.is_erasing()) WITH CHECK (NOT provisional);
CREATE POLICY words_only_go ON atende.messages AS RESTRICTIVE FOR UPDATE TO atende_app
    USING (atende.is_erasing()) WITH CHECK (text = '' AND intent IS NULL AND passage_id IS NULL);

GRANT UPDATE (words_erased_at) ON atende.conversations TO atende_app;
GRANT UPDATE (text, intent, passage_id) ON atende.messages TO atende_app;

-- Taken away, and nothing put in its place, nor anything else changed: not by the owner either.
CREATE FUNCTION atende.refuse_other_words() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'what was said is only taken away: another change of % is refused', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER words_only_go BEFORE UPDATE ON atende.messages
    FOR EACH ROW WHEN (
        NEW.text <> '' OR NEW.intent IS NOT NULL OR NEW.passage_id IS NOT NULL
        OR to_jsonb(NEW) - '{text,intent,passage_id}'::text[] IS DISTINCT FROM
            to_jsonb(OLD) - '{text,intent,passage_id}'::text[]
    )
    EXECUTE FUNCTION atende.refuse_other_words();
CREATE TRIGGER words_only_go BEFORE UPDATE ON atende.conversations
    FOR EACH ROW WHEN (NOT OLD.provisional AND (
        (NEW.recording IS NOT NULL AND NEW.recording IS DISTINCT FROM OLD.recording)
        OR (OLD.words_erased_at IS NOT NULL AND NEW.words_erased_at IS DISTINCT FROM OLD.words_erased_at)
        OR to_jsonb(NEW) - '{recording,words_erased_at}'::text[] IS DISTINCT FROM
            to_jsonb(OLD) - '{recording,words_erased_at}'::text[]
    ))
    EXECUTE FUNCTION atende.refuse_other_words();
