-- Finished calls are looked for, newest first, by each of these alone or together with others.
--
-- The number and the caller come from the network, and an index refuses a row whose values are too long for it (2,700
-- bytes), so that the record could not be kept: such a row is in the table and not in these two.

CREATE INDEX conversations_by_assistant ON atende.conversations (tenant_id, assistant, opened_at DESC, call_id DESC);
CREATE INDEX conversations_by_number ON atende.conversations (tenant_id, number, opened_at DESC, call_id DESC)
    WHERE octet_length(number) <= 256;
CREATE INDEX conversations_by_caller ON atende.conversations (tenant_id, caller, opened_at DESC, call_id DESC)
    WHERE octet_length(caller) <= 256;
CREATE INDEX conversations_by_end ON atende.conversations (tenant_id, end_reason, opened_at DESC, call_id DESC);
CREATE INDEX conversations_by_revision ON atende.conversations (tenant_id, revision, opened_at DESC, call_id DESC);

-- The few that changed over while they were live are also looked for by what they changed over to.
CREATE INDEX conversations_changed_over ON atende.conversations (tenant_id, opened_at DESC, call_id DESC)
    WHERE cardinality(revisions) > 1;
