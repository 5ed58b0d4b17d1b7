-- Printed by `atende dialplan` for FusionPBX: print it anew rather than edit it. On the PBX:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 fusionpbx < this-file
--   rm -f /var/cache/fusionpbx/dialplan.$context
-- It replaces the entries that it made before, and changes no others.
BEGIN;
DO $$atende$$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM v_domains WHERE domain_uuid = '$tenant' AND domain_name = '$context') THEN
    RAISE EXCEPTION 'there is no such domain: compare id and domain of the tenant''s document with v_domains';
  END IF;
  IF EXISTS (SELECT 1 FROM v_extensions
             WHERE domain_uuid = '$tenant' AND (extension IN ($numbers) OR number_alias IN ($numbers))) THEN
    RAISE EXCEPTION 'a number of an assistant is an extension of the domain: give one of the two another number';
  END IF;
  -- An inbound route of the same number stands in the context public, and leads to ours.
  IF EXISTS (SELECT 1 FROM v_dialplans
             WHERE domain_uuid = '$tenant' AND dialplan_number IN ($numbers) AND app_uuid IS DISTINCT FROM '$app'
               AND dialplan_context IS DISTINCT FROM 'public') THEN
    RAISE EXCEPTION 'a number of an assistant has a dialplan of its own: give one of the two another number';
  END IF;
END
$$atende$$;
DELETE FROM v_dialplans WHERE app_uuid = '$app' AND domain_uuid = '$tenant';
INSERT INTO v_dialplans
  (domain_uuid, app_uuid, dialplan_continue, dialplan_enabled, dialplan_uuid, dialplan_context, dialplan_name,
   dialplan_number, dialplan_destination, dialplan_order, dialplan_description, dialplan_xml)
VALUES
$rows;
COMMIT;
