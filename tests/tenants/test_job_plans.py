"""How PostgreSQL finds what the queue of jobs is asked for every few seconds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from base.secret import Secret
from tenants.database import Database
from tenants.job_store import DONE_WITHIN, PostgresJobs
from tenants.migrate import connect
from tenants.sql import queries
from tests.tenants.plans import scans

pytestmark = pytest.mark.postgres

DONE = 10_000
FILL = """
INSERT INTO atende.job_log (created, job_id, status, priority, entrypoint)
SELECT now() - n / 3 * interval '16 seconds', n / 3,
    (ARRAY['queued', 'picked', 'successful'])[1 + n % 3]::atende.job_status, 0,
    (ARRAY['retention', 'recordings@node-1', 'audit'])[1 + n / 3 % 3]
FROM generate_series(3, 3 * $1 + 2) n
"""


@pytest.fixture
async def log(postgres: Secret, database: Database) -> AsyncIterator[Database]:
    """Of two days, in which so many jobs were done."""
    owner = await connect(postgres)
    await owner.execute(FILL, DONE)
    await owner.execute("ANALYZE atende.job_log")
    try:
        yield database
    finally:
        await owner.execute("DELETE FROM atende.job_log")
        await owner.execute("ANALYZE atende.job_log")
        await owner.close()


async def test_what_was_done_in_a_day_is_found_by_the_index_of_what_was_done(log: Database) -> None:
    async with log.platform() as connection:
        sql = "EXPLAIN (FORMAT JSON) " + queries("jobs")["ended"]
        (read,) = scans(str(await connection.fetchval(sql, datetime.now(UTC) - DONE_WITHIN)))
    assert read.get("Index Name") == "job_log_done", "whether the rows are read too depends on when they were vacuumed"
    assert "created >" in read["Index Cond"]


async def test_so_much_was_done_as_the_log_of_a_day_tells(log: Database) -> None:
    loads = {load.kind: load for load in await PostgresJobs(log).load(datetime.now(UTC))}
    assert sum(load.done_last_day for load in loads.values()) == pytest.approx(86_400 / 16, abs=10)
    for load in loads.values():
        assert load.last_done_at is not None
        assert datetime.now(UTC) - load.last_done_at < timedelta(minutes=5)
