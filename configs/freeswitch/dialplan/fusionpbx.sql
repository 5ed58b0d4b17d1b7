-- Printed by `atende dialplan` for FusionPBX: print it anew rather than edit it. On the PBX:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 fusionpbx < this-file
--   rm -f /var/cache/fusionpbx/dialplan.sorriso.example.net
-- It replaces the entries that it made before, and changes no others.
BEGIN;
DO $atende$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM v_domains WHERE domain_uuid = '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10' AND domain_name = 'sorriso.example.net') THEN
    RAISE EXCEPTION 'there is no such domain: compare id and domain of the tenant''s document with v_domains';
  END IF;
  IF EXISTS (SELECT 1 FROM v_extensions
             WHERE domain_uuid = '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10' AND (extension IN ('1000') OR number_alias IN ('1000'))) THEN
    RAISE EXCEPTION 'a number of an assistant is an extension of the domain: give one of the two another number';
  END IF;
  -- An inbound route of the same number stands in the context public, and leads to ours.
  IF EXISTS (SELECT 1 FROM v_dialplans
             WHERE domain_uuid = '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10' AND dialplan_number IN ('1000') AND app_uuid IS DISTINCT FROM 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5'
               AND dialplan_context IS DISTINCT FROM 'public') THEN
    RAISE EXCEPTION 'a number of an assistant has a dialplan of its own: give one of the two another number';
  END IF;
END
$atende$;
DELETE FROM v_dialplans WHERE app_uuid = 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5' AND domain_uuid = '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10';
INSERT INTO v_dialplans
  (domain_uuid, app_uuid, dialplan_continue, dialplan_enabled, dialplan_uuid, dialplan_context, dialplan_name,
   dialplan_number, dialplan_destination, dialplan_order, dialplan_description, dialplan_xml)
VALUES
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '1f8ad592-f238-5978-8167-925d71f7bdb9', 'sorriso.example.net', 'atende_1000', '1000', 'true', '101', 'Atende answers', '<extension name="atende_1000" continue="false" uuid="1f8ad592-f238-5978-8167-925d71f7bdb9">
  <condition field="destination_number" expression="^1000$">
    <action application="set" data="atende_tenant=6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"/>
    <action application="set" data="atende_number=1000"/>
    <action application="set" data="atende_sig=example.459057505da773f24ea3aa241df96fa8dfdd2a0633fe42c32db6acbed436b07c"/>
    <action application="set" data="atende_again_at=127.0.0.1:8084"/>
    <action application="set" data="door=failed"/>
    <action application="set" data="socket_resume=true"/>
    <action application="socket" data="127.0.0.1:8084 async full"/>
    <action application="transfer" data="door_${door} XML sorriso.example.net"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '57685862-2063-5936-82c7-011886a0467d', 'sorriso.example.net', 'door_failed', 'door_failed', 'false', '101', 'Atende: where a call goes on', '<extension name="door_failed" continue="false" uuid="57685862-2063-5936-82c7-011886a0467d">
  <condition field="destination_number" expression="^door_failed$">
    <action application="transfer" data="1001 XML sorriso.example.net"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '136fded4-79a1-5032-b9a2-524693d50f0b', 'sorriso.example.net', 'door_busy', 'door_busy', 'false', '101', 'Atende: where a call goes on', '<extension name="door_busy" continue="false" uuid="136fded4-79a1-5032-b9a2-524693d50f0b">
  <condition field="destination_number" expression="^door_busy$">
    <action application="hangup" data="USER_BUSY"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '2586eba4-776a-51c3-b513-945490fba091', 'sorriso.example.net', 'door_voicemail', 'door_voicemail', 'false', '101', 'Atende: where a call goes on', '<extension name="door_voicemail" continue="false" uuid="2586eba4-776a-51c3-b513-945490fba091">
  <condition field="destination_number" expression="^door_voicemail$">
    <action application="transfer" data="*991001 XML sorriso.example.net"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '1abe5f26-fce5-5df2-9544-dbf5381ff2fc', 'sorriso.example.net', 'door_operator', 'door_operator', 'false', '101', 'Atende: where a call goes on', '<extension name="door_operator" continue="false" uuid="1abe5f26-fce5-5df2-9544-dbf5381ff2fc">
  <condition field="destination_number" expression="^door_operator$">
    <action application="transfer" data="1001 XML sorriso.example.net"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', '265b5264-b7c8-5174-a745-ab8655f67e0e', 'sorriso.example.net', 'door_again', 'door_again', 'false', '101', 'Atende: where a call goes on', '<extension name="door_again" continue="false" uuid="265b5264-b7c8-5174-a745-ab8655f67e0e">
  <condition field="destination_number" expression="^door_again$">
    <action application="set" data="door=failed"/>
    <action application="set" data="socket_resume=true"/>
    <action application="socket" data="${atende_again_at}|127.0.0.1:8084 async full"/>
    <action application="transfer" data="door_${door} XML sorriso.example.net"/>
  </condition>
</extension>'),
  ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5', 'false', 'true', 'da50e50a-0947-5b14-b655-a93406384f21', 'sorriso.example.net', 'door_other', 'door_other', 'false', '102', 'Atende: where a call goes on', '<extension name="door_other" continue="false" uuid="da50e50a-0947-5b14-b655-a93406384f21">
  <condition field="destination_number" expression="^door_">
    <action application="transfer" data="1001 XML sorriso.example.net"/>
  </condition>
</extension>');
COMMIT;
