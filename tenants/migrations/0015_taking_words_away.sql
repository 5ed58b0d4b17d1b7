-- What was said may be taken away when its time is over (`retention` of a tenant's document); that a call was, and its
-- figures, stay.

ALTER TABLE atende.conversations ADD COLUMN words_erased_at timestamptz;

-- What is to be looked at: the oldest that still have words, or name a recording.
CREATE INDEX conversations_with_words ON atende.conversations (tenant_id, opened_at) WHERE words_erased_at IS NULL;
CREATE INDEX conversations_recorded ON atende.conversations (tenant_id, opened_at) WHERE recording IS NOT NULL;

GRANT UPDATE (words_erased_at, recording) ON atende.conversations TO atende_app;
GRANT UPDATE (text, intent, passage_id) ON atende.messages TO atende_app;

-- Taken away, and nothing put in its place: not by the owner either.
CREATE FUNCTION atende.refuse_other_words() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'what was said is only taken away: another % is refused', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER words_only_go BEFORE UPDATE OF text, intent, passage_id ON atende.messages
    FOR EACH ROW WHEN (NEW.text <> '' OR NEW.intent IS NOT NULL OR NEW.passage_id IS NOT NULL)
    EXECUTE FUNCTION atende.refuse_other_words();
CREATE TRIGGER words_only_go BEFORE UPDATE OF words_erased_at, recording ON atende.conversations
    FOR EACH ROW WHEN (
        (NEW.recording IS NOT NULL AND NEW.recording IS DISTINCT FROM OLD.recording)
        OR (OLD.words_erased_at IS NOT NULL AND NEW.words_erased_at IS DISTINCT FROM OLD.words_erased_at)
    )
    EXECUTE FUNCTION atende.refuse_other_words();
