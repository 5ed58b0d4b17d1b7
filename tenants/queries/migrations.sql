-- What the owner runs before and around the numbered migrations.

-- lock --
-- Whether it is had; held until the connection closes.
SELECT pg_try_advisory_lock(4702988131);

-- holder --
-- Who has it, and for how long that one has done nothing: null while it works, or where we may not know.
SELECT a.pid, host(a.client_addr) AS address, extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS for_s,
    CASE WHEN a.state LIKE 'idle%' THEN extract(epoch FROM clock_timestamp() - a.state_change)::float8 END AS idle_s
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid::bigint << 32 | l.objid::bigint = 4702988131;

-- history --
CREATE SCHEMA IF NOT EXISTS atende;
CREATE TABLE IF NOT EXISTS atende.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- has_vector --
SELECT to_regtype('vector') IS NOT NULL;

-- vector_version --
SELECT coalesce(
    (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
    (SELECT default_version || ', made at the next start' FROM pg_available_extensions
     WHERE name = 'vector' AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
);

-- create_vector --
CREATE EXTENSION IF NOT EXISTS vector;

-- made --
SELECT to_regclass('atende.migrations') IS NOT NULL;

-- applied --
SELECT number, name, checksum FROM atende.migrations ORDER BY number;

-- note --
INSERT INTO atende.migrations (number, name, checksum) VALUES ($1, $2, $3);

-- role --
-- A member of a role may become it: that of the owner, and any that goes round the policies, are as good as its own.
SELECT rolsuper, rolbypassrls, pg_has_role(oid, current_user, 'MEMBER') OR EXISTS (
    SELECT FROM pg_roles AS other
    WHERE other.oid <> app.oid AND (other.rolsuper OR other.rolbypassrls) AND pg_has_role(app.oid, other.oid, 'MEMBER')
) AS is_owner
FROM pg_roles AS app WHERE rolname = 'atende_app';

-- tables --
SELECT relname AS name, relrowsecurity AS guarded,
    coalesce(pg_has_role((SELECT oid FROM pg_roles WHERE rolname = 'atende_app'), relowner, 'MEMBER'), false) AS owned
FROM pg_class
WHERE relnamespace = to_regnamespace('atende') AND relkind IN ('r', 'p') AND relname <> 'migrations'
ORDER BY relname;

-- create_role --
CREATE ROLE atende_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;

-- password_statement --
SELECT format('ALTER ROLE atende_app PASSWORD %L', $1::text);
