-- On which revisions a call ran; those from before changed over to none.

ALTER TABLE atende.conversations ADD COLUMN revisions integer[] NOT NULL DEFAULT '{}';
