-- How many jobs of a kind were done in the last day is asked every few seconds, by every process that does jobs: with
-- some thousands of companies the log holds hundreds of thousands of rows, of which every third tells of one.

CREATE INDEX job_log_done ON atende.job_log (created, entrypoint) WHERE status = 'successful'::atende.job_status;
