-- The owner of the tables is held by their policies, too: a connection that is taken for the service's, and is the
-- owner's, sees nothing. Only a superuser and a role with BYPASSRLS go round them; a dump needs one of these
-- (docs/operations.md). A later step that changes rows takes FORCE off its table first, and puts it on again.

DO $$
DECLARE
    each_table regclass;
BEGIN
    FOR each_table IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'atende'::regnamespace AND relkind = 'r' AND relrowsecurity AND NOT relforcerowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', each_table);
    END LOOP;
END $$;
