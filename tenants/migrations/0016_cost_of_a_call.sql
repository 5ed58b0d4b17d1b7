-- What hosted providers cost in each call; of those from before nobody knows it. The columns are under the policies and
-- the grants of their table.

ALTER TABLE atende.conversations
    ADD COLUMN cost_usd double precision CHECK (cost_usd >= 0 AND cost_usd < 'Infinity'),
    ADD COLUMN usage jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(usage) = 'array');

-- A call that others told as lost is told anew by its own process, with what it cost.
GRANT UPDATE (cost_usd, usage) ON atende.conversations TO atende_app;
