-- Which PBX a call came from. All that were kept before came from the only one.

ALTER TABLE atende.conversations ADD COLUMN switch text NOT NULL DEFAULT 'default';
