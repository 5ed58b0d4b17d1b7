-- The queue as an operator sees it, and what becomes of old rows. pgqueuer has statements of its own.

-- list --
SELECT j.id, j.entrypoint, j.payload, j.status::text AS status, j.created, j.updated, j.execute_after, j.attempts,
    (
        SELECT l.traceback ->> 'exception_message' FROM atende.job_log l
        WHERE l.job_id = j.id AND l.traceback IS NOT NULL ORDER BY l.created DESC, l.id DESC LIMIT 1
    ) AS last_error
FROM atende.jobs j
WHERE j.id < $1 AND ($3::text IS NULL OR split_part(j.entrypoint, '@', 1) = $3)
ORDER BY j.id DESC LIMIT $2;

-- load --
SELECT entrypoint,
    count(*) FILTER (WHERE status = 'queued') AS waiting,
    count(*) FILTER (WHERE status = 'picked') AS running,
    count(*) FILTER (WHERE status = 'queued' AND attempts >= $1) AS failing,
    coalesce(extract(epoch FROM now() - min(execute_after) FILTER (WHERE status = 'queued' AND execute_after < now())), 0)
        ::double precision AS oldest_s
FROM atende.jobs GROUP BY entrypoint;

-- ended --
SELECT entrypoint, max(created) AS last_done, count(*) AS done FROM atende.job_log
WHERE created > $1 AND status = 'successful' GROUP BY entrypoint;

-- timetable --
SELECT entrypoint, last_run, next_run FROM atende.job_schedules;

-- old_log --
DELETE FROM atende.job_log WHERE id IN (
    SELECT id FROM atende.job_log WHERE created < $1 AND (traceback IS NULL OR created < $2) ORDER BY created LIMIT $3
);

-- forgotten --
-- Of a node that is gone, or a kind that there is no more. What those who are there ($3) do is late and not forgotten.
DELETE FROM atende.jobs WHERE id IN (
    SELECT id FROM atende.jobs
    WHERE status = 'queued' AND execute_after < $1 AND entrypoint <> ALL ($3::text[])
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
);

-- forgotten_times --
DELETE FROM atende.job_schedules WHERE updated < $1;
