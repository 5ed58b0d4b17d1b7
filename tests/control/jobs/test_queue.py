"""The queue: each job is done once by one node, goes on after a death, is tried again, and is given back at the end."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from pgqueuer.adapters.persistence import schema_inspect, schema_plan
from pgqueuer.domain.schema.declaration import target

from base.ids import TenantId
from control import dependencies
from control.jobs.queue import SETTINGS, PlatformDriver, put, queries_on
from control.jobs.runner import GIVEN_BACK
from control.jobs.watch import JobWatch
from tenants.database import PoolBounds, connect_app
from tenants.job_rows import KINDS, KindLoad
from tenants.job_store import FAILING_AFTER
from tests.control.jobs.hall import Hall, nothing, of
from tests.tenants.records import someone

pytestmark = pytest.mark.postgres

SECRET = "sk-live-4711"


async def test_its_tables_are_what_this_version_of_pgqueuer_wants_without_the_trigger(hall: Hall) -> None:
    class Owner:
        fetch = staticmethod(lambda query, *args: _dicts(hall, query, *args))

    live = await schema_inspect.inspect(Owner(), SETTINGS)  # type: ignore[arg-type]
    plan = schema_plan.plan(live, target(SETTINGS), SETTINGS)
    lacking = [statement.split("(")[0].split("AS $$")[0].strip() for statement in plan.statements]
    assert all("tell_jobs_changed" in statement for statement in plan.statements), lacking
    assert plan.statements, "the trigger is left out, and this test would see it"


async def _dicts(hall: Hall, query: str, *args: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in await hall.ask(query, *args)]


async def test_two_nodes_share_the_jobs_out_and_do_none_twice(hall: Hall) -> None:
    tenants = [someone() for _ in range(12)]
    done: Counter[TenantId | None] = Counter()
    both, by = asyncio.Barrier(2), Counter[str]()

    def work(node: str) -> Any:
        async def do(tenant_id: TenantId | None) -> AsyncGenerator[int, None]:
            by[node] += 1
            if by[node] == 1:
                await asyncio.wait_for(both.wait(), 20)  # the first of each waits for the other's
            done[tenant_id] += 1
            yield 1

        return do

    first = hall.node([of("retention", tenants, work("a"))], "a")
    second = hall.node([of("retention", tenants, work("b"))], "b")
    async with first, second:
        await hall.done("retention", times=12)
    assert done == Counter(tenants)
    assert len(await hall.ask("SELECT id FROM atende.job_log WHERE status = 'queued'")) == 12, "put in once"


async def test_what_a_dead_node_had_in_hand_is_gone_on_with_by_another(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.jobs.work.CALLS_AT_ONCE", 1)
    ours = await hall.tenant("{transcripts_days: 30}")
    for number in range(3):
        await hall.call(ours, f"c{number}", days_ago=40 - number)
    dying = await connect_app(hall.url, None, PoolBounds(max_connections=4))
    [whole] = hall.kinds("retention", room=hall.room(database=dying))
    began, never = asyncio.Event(), asyncio.Event()

    async def stuck(tenant_id: TenantId | None) -> AsyncGenerator[int, None]:
        async for gone in whole.work(tenant_id):
            yield gone
            began.set()
            await never.wait()

    # Of a process that is killed the database sees that its connections end, and nothing more.
    doomed = hall.node([of("retention", [ours], stuck)], "doomed", database=dying, stop_s=0.1, heartbeat_s=60)
    async with doomed:
        await asyncio.wait_for(began.wait(), 20)
        dying._pool.terminate()
    states = [(await hall.read(ours, f"c{number}")).words_erased_at is not None for number in range(3)]
    assert states == [True, False, False], "the oldest first"
    first = await hall.read(ours, "c0")
    assert [job.state for job in await hall.queue()] == ["running"]
    async with hall.node(hall.kinds("retention"), "heir", heartbeat_s=0.5):
        await hall.done("retention")
    assert [(await hall.read(ours, f"c{number}")).turns[1].text for number in range(3)] == [""] * 3
    assert await hall.read(ours, "c0") == first, "what was done was not done again"


async def test_one_that_lives_keeps_its_job_however_long_it_takes(hall: Hall) -> None:
    slow, begun = asyncio.Event(), Counter[str]()

    async def work(_: TenantId | None) -> AsyncGenerator[int, None]:
        begun["times"] += 1
        await slow.wait()
        yield 1

    async with hall.node([of("upkeep", [None], work)], "a", heartbeat_s=0.4) as node:
        await hall.until(lambda: _true(node.in_hand == 1))
        picked = [job.changed_at for job in await hall.queue()]
        async with hall.node([of("upkeep", [None], work), of("events", [None], nothing)], "b", heartbeat_s=0.4):
            await hall.done_of("events")
            beats = await hall.ask("SELECT heartbeat FROM atende.jobs")
            await hall.until(lambda: _later(hall, beats[0]["heartbeat"] + timedelta(seconds=0.8)))
            assert [job.changed_at for job in await hall.queue()] == picked, "nobody else took it"
            slow.set()
            await hall.done("upkeep")
    assert begun["times"] == 1


async def _true(so: bool) -> bool:
    return so


async def _later(hall: Hall, than: Any) -> bool:
    return bool((await hall.ask("SELECT heartbeat > $1 AS so FROM atende.jobs", than))[0]["so"])


async def test_a_job_that_fails_is_tried_again_and_told_without_a_secret_until_it_is_done(hall: Hall) -> None:
    ours, mended = someone(), asyncio.Event()

    async def work(_: TenantId | None) -> AsyncGenerator[int, None]:
        if not mended.is_set():
            raise ValueError(f"the key {SECRET} is wrong")
        yield 1

    async with hall.node([of("retention", [ours], work)]):
        await hall.until(lambda: _attempts(hall, FAILING_AFTER))
        [job] = await hall.queue()
        assert (job.kind, job.tenant_id, job.last_error) == ("retention", ours, "ValueError")
        assert job.state in ("retrying", "running")
        watch = JobWatch(hall.jobs, hall.clock)
        await hall.until(lambda: _failing(watch))
        assert "retention failed again and again" in (watch.found.problem or "")
        assert 'atende_jobs_failing{kind="retention"} 1.0' in watch.text().decode()
        mended.set()
        await hall.done("retention")
    [event] = [one for one in hall.told if one.kind == "job.failing"]
    assert (event.tenant_id, event.subject, event.data.attempts) == (ours, "retention", FAILING_AFTER)
    stored = repr(await hall.ask("SELECT * FROM atende.job_log")) + repr(await hall.ask("SELECT * FROM atende.jobs"))
    assert "ValueError" in stored
    assert SECRET not in stored
    figures = hall.counts.text().decode()
    assert 'atende_jobs_ended_total{kind="retention",outcome="done"} 1.0' in figures
    failed = re.search(r'atende_jobs_ended_total{kind="retention",outcome="failed"} ([0-9.]+)', figures)
    assert failed is not None
    assert float(failed[1]) >= FAILING_AFTER


async def _attempts(hall: Hall, at_least: int) -> bool:
    return any(job.attempts >= at_least for job in await hall.queue())


async def _failing(watch: JobWatch) -> bool:
    await watch.look()
    return watch.found.state == "degraded"


async def test_a_document_that_cannot_be_read_takes_nothing_away_and_is_told(hall: Hall) -> None:
    ours = await hall.tenant("{transcripts_days: soon}")
    kept = await hall.call(ours, "c1", days_ago=4000)
    async with hall.node(hall.kinds("retention")):
        await hall.until(lambda: _attempts(hall, 1))
        [job] = await hall.queue()
        assert job.last_error == "`retention` of the newest document cannot be read"
        assert await hall.read(ours, "c1") == kept
        await hall.tenant("{transcripts_days: 30}", ours)
        await hall.done("retention")
    assert (await hall.read(ours, "c1")).words_erased_at is not None


@pytest.mark.parametrize("between", ["batches", "never"])
async def test_a_job_in_hand_is_given_back_when_its_process_is_to_end(hall: Hall, between: str) -> None:
    began, goes_on, seen = asyncio.Event(), asyncio.Event(), list[int]()

    async def work(_: TenantId | None) -> AsyncGenerator[int, None]:
        began.set()
        await goes_on.wait()
        for number in range(3):
            seen.append(number)
            yield 1

    async with hall.node([of("upkeep", [None], work)], stop_s=0.2) as node:
        await asyncio.wait_for(began.wait(), 20)
        node.stop()
        if between == "batches":
            goes_on.set()
    assert seen == ([0] if between == "batches" else [])
    [job] = await hall.queue()
    assert (job.state, job.attempts, job.last_error) == ("retrying", 1, GIVEN_BACK)
    goes_on.set()
    async with hall.node([of("upkeep", [None], work)], "another"):
        await hall.done("upkeep")
    assert [one for one in hall.told if one.kind == "job.failing"] == []


async def test_a_database_that_goes_away_is_waited_for(hall: Hall) -> None:
    async with hall.node([of("upkeep", [None], nothing)]):
        await hall.done("upkeep")
        await hall.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await hall.is_put("upkeep")
        await hall.done("upkeep", times=2)


async def test_the_service_may_do_what_the_queue_needs_and_no_more(hall: Hall) -> None:
    queries = queries_on(PlatformDriver(hall.database))
    assert await put(queries, "upkeep", [None, someone()]) == 2
    assert await put(queries, "upkeep", [None]) == 0, "it has one that waits"
    for table in ("jobs", "job_log", "job_schedules", "job_statistics"):
        async with hall.database.tenant(someone()) as connection:
            assert await connection.fetch(f"SELECT * FROM atende.{table}") == [], "the platform's alone"
    for change in (
        "UPDATE atende.jobs SET payload = ''",
        "UPDATE atende.jobs SET entrypoint = 'audit'",
        "UPDATE atende.job_log SET traceback = NULL",
        "UPDATE atende.job_schedules SET entrypoint = 'x'",
        "INSERT INTO atende.job_statistics (count, priority, status, entrypoint) VALUES (1, 0, 'queued', 'x')",
        "TRUNCATE atende.jobs",
        "DROP TABLE atende.job_log",
        "SELECT setval('atende.jobs_id_seq', 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with hall.database.platform() as connection:
                await connection.execute(change)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with hall.database.tenant(someone()) as connection:
            await connection.execute("INSERT INTO atende.jobs (priority, status, entrypoint) VALUES (0, 'queued', 'x')")


async def test_old_rows_of_the_log_and_jobs_of_nodes_that_are_gone_are_taken_away(hall: Hall) -> None:
    queries = queries_on(PlatformDriver(hall.database))
    await put(queries, "recordings@gone", [None])
    await put(queries, "recordings@here", [None])
    gone = "WHERE entrypoint = 'recordings@gone'"
    await hall.ask(f"UPDATE atende.jobs SET execute_after = now() - interval '25 h' {gone}")
    await hall.ask(f"UPDATE atende.job_log SET created = now() - interval '3 days' {gone}")
    await hall.ask(
        "INSERT INTO atende.job_schedules (expression, entrypoint, updated) "
        "VALUES ('* * * * *', 'recordings@gone', now() - interval '31 days')"
    )
    async with hall.node(hall.kinds("upkeep")):
        await hall.done_of("upkeep")
    assert [job.node for job in await hall.queue()] == ["here"]
    logged, scheduled = [
        {row["entrypoint"] for row in await hall.ask(f"SELECT entrypoint FROM atende.{table}")}
        for table in ("job_log", "job_schedules")
    ]
    assert (logged, scheduled) == ({"recordings@here", "upkeep"}, {"upkeep"})


async def test_what_somebody_is_there_for_is_not_forgotten_however_long_it_has_waited(hall: Hall) -> None:
    """All were away for days, or had more to do than they could."""
    queries = queries_on(PlatformDriver(hall.database))
    await put(queries, "audit", [None, someone()])
    for name in ("recordings@node-1", "recordings@gone", "of_another_version"):
        await put(queries, name, [None])
    await hall.ask("UPDATE atende.jobs SET execute_after = now() - interval '25 h'")
    [upkeep] = hall.kinds("upkeep")
    assert [gone async for gone in upkeep.work(None)] == [2]
    assert sorted((job.kind, job.node) for job in await hall.queue()) == [
        ("audit", ""),
        ("audit", ""),
        ("recordings", "node-1"),
    ]


async def test_how_each_kind_fares_is_told_and_what_waits_for_nobody_is_a_problem(hall: Hall) -> None:
    await put(queries_on(PlatformDriver(hall.database)), "recordings@away", [someone(), someone()])
    watch = JobWatch(hall.jobs, hall.clock)
    await watch.look()
    assert (watch.found.state, watch.found.waiting) == ("ok", 2)
    await hall.ask("UPDATE atende.jobs SET execute_after = now() - interval '1000 s'")
    await watch.look()
    assert watch.found.state == "degraded"
    assert (watch.found.problem or "").startswith("recordings on away has waited for 100")
    assert 'atende_jobs_waiting{kind="recordings"} 2.0' in watch.text().decode()
    async with hall.node(hall.kinds(*(kind for kind in KINDS if kind != "recordings"))):
        await hall.done_of("upkeep")
    [found] = [one for one in await hall.jobs.load(hall.now()) if one.kind == "upkeep"]
    assert (found.done_last_day, found.waiting, found.node) == (1, 0, "")
    assert found.last_done_at is not None
    assert found.next_run_at is not None
    assert found.next_run_at > hall.now()


def test_a_queue_that_only_waits_for_its_time_is_well() -> None:
    assert dependencies.jobs([]).state == "ok"
    assert dependencies.jobs([KindLoad(kind="audit", node="", waiting=3)]).state == "ok"
