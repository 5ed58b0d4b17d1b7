-- Whether the caller wrote it. All that was kept before was said.

ALTER TABLE atende.messages ADD COLUMN written boolean NOT NULL DEFAULT false;
