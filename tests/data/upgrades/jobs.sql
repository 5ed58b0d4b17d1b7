INSERT INTO atende.jobs (priority, status, entrypoint, dedupe_key, payload, headers) VALUES
    (0, 'queued', 'retention', 'retention 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10',
     '{"tenant_id":"6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"}', 'null');
INSERT INTO atende.job_log (job_id, status, priority, entrypoint) VALUES (1, 'queued', 0, 'retention');
INSERT INTO atende.job_statistics (count, priority, status, entrypoint) VALUES (1, 0, 'queued', 'retention');
INSERT INTO atende.job_schedules (expression, entrypoint) VALUES ('17 * * * *', 'retention');
