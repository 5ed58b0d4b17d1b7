-- A live call is of a tenant that is there. Which references there are otherwise, by tenant and id, so that no row hangs
-- from another tenant's:
--
--   revisions, changes, api_keys, live_calls     -> tenants
--   messages, timelines                          -> conversations
--   passage_vectors -> passages                  -> passage_documents
--
-- and which tables have none, since their rows are there when no tenant is:
--
--   conversations      what came from a spool must find a place, also in a database that was restored from before
--   events, audit      a document that failed, or whose PUT was begun, may be the first of its tenant; what was done to a
--                      tenant is told when it is gone
--   secrets            set before the first document that names them
--   passage_documents  brought in before the revision that looks things up in them is stored
--
-- The owner is held by the policies, and would find no tenants and no calls. Calls of a tenant that is not here are
-- taken away: the constraint holds for what is there already, too.
ALTER TABLE atende.tenants NO FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.live_calls NO FORCE ROW LEVEL SECURITY;

ALTER TABLE atende.live_calls
    ADD CONSTRAINT live_calls_of_tenants FOREIGN KEY (tenant_id) REFERENCES atende.tenants ON DELETE CASCADE NOT VALID;
DELETE FROM atende.live_calls l WHERE NOT EXISTS (SELECT FROM atende.tenants t WHERE t.id = l.tenant_id);
ALTER TABLE atende.live_calls VALIDATE CONSTRAINT live_calls_of_tenants;

ALTER TABLE atende.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE atende.live_calls FORCE ROW LEVEL SECURITY;
