"""What was said is taken away when its time is over: of whom, when, and what stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from base.clock import SystemClock
from base.ids import TenantId
from control.jobs.work import remove_before
from pipelines.calls import without_words
from pipelines.events import event
from tenants.call_search import CallFilter
from tenants.retention import RetentionUnknownError, cutoff, retention_of
from tenants.spec import RetentionSpec
from tenants.sql import queries
from tests.control.jobs.hall import Hall, nothing, of
from tests.tenants.records import TIMELINE, TURNS, someone

pytestmark = pytest.mark.postgres

MORNING = datetime(2026, 3, 31, 0, 0, 1, tzinfo=UTC)


def test_days_are_whole_days_in_utc() -> None:
    assert cutoff(MORNING, 30) == datetime(2026, 3, 1, tzinfo=UTC)
    assert cutoff(MORNING - timedelta(seconds=2), 30) == datetime(2026, 2, 28, tzinfo=UTC)
    assert cutoff(MORNING, 0) == MORNING, "what is there goes at once"


def test_a_document_says_how_long_and_nothing_is_guessed() -> None:
    assert retention_of(b"slug: a\n") == RetentionSpec()
    assert retention_of(b"retention: {transcripts_days: 7}").transcripts_days == 7
    assert retention_of(b'{"retention": {"recordings_days": 0}}').recordings_days == 0
    for bad in (b"a: {b: [", b"- a", b"retention: {transcripts_days: soon}", b"retention: {transcript_days: 7}"):
        with pytest.raises(RetentionUnknownError):
            retention_of(bad)


async def test_words_older_than_the_tenants_days_go_and_its_figures_and_everybody_elses_stay(hall: Hall) -> None:
    ours, theirs, undocumented = await hall.tenant("{transcripts_days: 30}"), await hall.tenant("{}"), someone()
    old = await hall.call(ours, "old", days_ago=31.5)
    young = await hall.call(ours, "young", days_ago=29)
    others = [await hall.call(tenant_id, "old", days_ago=31.5) for tenant_id in (theirs, undocumented)]
    before = (await hall.conversations.search(ours, CallFilter(), 10)).calls
    async with hall.node(hall.kinds("retention")):
        await hall.done("retention")
    queued = await hall.ask("SELECT id FROM atende.job_log WHERE status = 'queued'")
    assert len(queued) == 1, "whoever has nothing that is due has no job"
    erased = await hall.read(ours, "old")
    assert erased.words_erased_at is not None
    assert erased == without_words(old, erased.words_erased_at)
    assert [(turn.text, turn.intent, turn.passage_id) for turn in erased.turns] == [("", None, None)] * 3
    assert [(turn.role, turn.at_ms, turn.waterfall) for turn in erased.turns] == [
        (turn.role, turn.at_ms, turn.waterfall) for turn in TURNS
    ]
    assert (erased.timeline, erased.errors) == (TIMELINE, old.errors)
    assert await hall.read(ours, "young") == young
    assert [await hall.read(one.call.tenant_id, "old") for one in others] == others
    after = (await hall.conversations.search(ours, CallFilter(), 10)).calls
    assert [(one.call, one.turns, one.duration_s) for one in after] == [
        (one.call, one.turns, one.duration_s) for one in before
    ]
    assert [one.call.id for one in (await hall.conversations.search(ours, CallFilter(text="sábado"), 10)).calls] == [
        "young"
    ]
    rows = await hall.ask("SELECT * FROM atende.messages WHERE tenant_id = $1 AND call_id = 'old'", ours)
    assert "sábado" not in repr(rows)
    assert 'atende_jobs_items_total{kind="retention"} 1.0' in hall.counts.text().decode()


async def test_what_a_document_says_anew_counts_from_then_on_and_what_was_done_is_not_done_again(hall: Hall) -> None:
    ours = await hall.tenant("{transcripts_days: 365, recordings_days: 365}")
    await hall.call(ours, "old", days_ago=40)
    [retention] = hall.kinds("retention")
    assert await retention.whose() == []
    assert [gone async for gone in retention.work(ours)] == []
    await hall.tenant("{transcripts_days: 30, recordings_days: 365}", ours)
    async with hall.node([retention]):
        await hall.done("retention")
    erased = await hall.read(ours, "old")
    assert erased.words_erased_at is not None
    assert erased.recording is not None, "of which another time counts"
    assert await retention.whose() == []
    assert [gone async for gone in retention.work(ours)] == []
    assert await hall.read(ours, "old") == erased
    await hall.call(ours, "older", days_ago=50)
    async with hall.node([retention, of("upkeep", [None], nothing)]):
        await hall.done("upkeep")  # which was never due before, and has been looked for beside the other
    queued = await hall.ask("SELECT id FROM atende.job_log WHERE status = 'queued' AND entrypoint = 'retention'")
    assert len(queued) == 1, "its time had not come again"
    await hall.is_due("retention")
    async with hall.node([retention]):
        await hall.done("retention", times=2)
    assert (await hall.read(ours, "older")).words_erased_at is not None


async def test_a_tenant_that_was_removed_is_not_forgotten(hall: Hall) -> None:
    ours = await hall.tenant("{transcripts_days: 0}")
    await hall.call(ours, "today", days_ago=0)
    await hall.revisions.remove(ours)
    async with hall.node(hall.kinds("retention")):
        await hall.done("retention")
    assert (await hall.read(ours, "today")).turns[1].text == ""


async def test_whose_time_has_come_is_asked_in_few_statements_and_each_tenant_sees_its_own(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.jobs.work.TENANTS_AT_ONCE", 4)
    tenants = [await hall.tenant("{transcripts_days: 30, recordings_days: 60}") for _ in range(6)]
    broken = await hall.tenant("{transcripts_days: soon}")
    silent = await hall.tenant("{transcripts_days: soon}")
    today = await hall.tenant("{transcripts_days: 0}")
    for tenant_id in (*tenants[1:3], broken):
        await hall.call(tenant_id, "old", days_ago=40, recording=None)
    await hall.call(tenants[3], "young", days_ago=29)
    await hall.call(tenants[4], "recorded", days_ago=29)
    await hall.call(tenants[4], "old", days_ago=70, turns=(), words_erased_at=hall.now())
    await hall.call(today, "now", days_ago=0)
    old, young, *_ = files(tmp_path, tenants[0], 70, 1)
    files(tmp_path, tenants[5], 59)
    (tmp_path / tenants[5] / "0000-00-00").mkdir()
    retention, recordings = hall.kinds("retention", "recordings", room=hall.room(tmp_path))
    expected = {*tenants[1:3], tenants[4], broken, today}
    assert set(await retention.whose()) == expected
    assert set(await retention.whose()) == expected, "what is known of the documents is what they say"
    assert silent not in expected
    assert await recordings.whose() == [tenants[0]]
    assert old.exists()
    assert young.exists()
    async with hall.database.platform() as connection:
        await connection.fetch(queries("retention")["oldest"], tenants)
        assert await connection.fetchval("SELECT count(*) FROM atende.conversations") == 0, "nobody is seen afterwards"


async def test_many_calls_go_in_batches(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.jobs.work.CALLS_AT_ONCE", 2)
    ours = await hall.tenant("{transcripts_days: 1}")
    for number in range(5):
        await hall.call(ours, f"c{number}", days_ago=3, recording=None)
    kind = hall.kinds("retention")[0]
    assert [gone async for gone in kind.work(ours)] == [2, 2, 1]
    assert [gone async for gone in kind.work(ours)] == []


async def test_what_was_said_can_only_be_taken_away(hall: Hall) -> None:
    ours, theirs = someone(), someone()
    await hall.call(ours, "c1", days_ago=1)
    await hall.call(theirs, "c1", days_ago=1)
    for change in (
        "UPDATE atende.messages SET text = 'another'",
        "UPDATE atende.messages SET text = '', intent = 'another'",
        "UPDATE atende.messages SET role = 'caller'",
        "UPDATE atende.conversations SET recording = 'another.wav'",
        "UPDATE atende.conversations SET caller = '1'",
        "DELETE FROM atende.messages",
        "DELETE FROM atende.conversations",
        "DELETE FROM atende.timelines",
    ):
        async with hall.database.tenant(ours) as connection:
            await connection.execute(queries("retention")["erasing"])
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
    erase = "UPDATE atende.messages SET text = '', intent = NULL, passage_id = NULL"
    async with hall.database.tenant(ours) as connection:
        assert await connection.execute(erase) == "UPDATE 0", "who does not say so takes nothing away"
        await connection.execute(queries("retention")["erasing"])
        assert await connection.execute(erase) == "UPDATE 3", "those of the other are not seen"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only taken away"):
        await hall.ask("UPDATE atende.messages SET text = 'put back' WHERE tenant_id = $1", ours)
    assert [turn.text for turn in (await hall.read(theirs, "c1")).turns] == [turn.text for turn in TURNS]


def files(folder: Path, tenant_id: TenantId, *days: int) -> list[Path]:
    """A recording of each day so many days ago."""
    made = []
    for ago in days:
        day = folder / tenant_id / f"{datetime.now(UTC) - timedelta(days=ago):%Y-%m-%d}"
        day.mkdir(parents=True, exist_ok=True)
        made.append(day / f"{someone()}.wav")
        made[-1].write_bytes(b"RIFF")
    return made


async def test_recordings_go_from_their_own_node_and_records_name_them_no_more(hall: Hall, tmp_path: Path) -> None:
    ours = await hall.tenant("{recordings_days: 30}")
    silent = await hall.tenant("{recordings_days: 0}")
    stranger = someone()
    here, there = tmp_path / "here", tmp_path / "there"
    old, young = files(here, ours, 31, 30)
    [today] = files(here, silent, 0)
    [elsewhere] = files(there, ours, 31)
    [nobodys] = files(here, stranger, 400)
    await hall.call(ours, "old", days_ago=31)
    await hall.call(ours, "young", days_ago=29)
    async with hall.node(hall.kinds("retention", "recordings", room=hall.room(here))):
        await hall.done("recordings@node-1", times=2)
        await hall.done("retention")
    assert not old.parent.exists()
    assert not today.exists()
    assert young.exists()
    assert nobodys.exists(), "of whom no document is stored"
    assert elsewhere.exists(), "the other node's own"
    assert (await hall.read(ours, "old")).recording is None
    assert (await hall.read(ours, "young")).recording is not None
    async with hall.node(hall.kinds("recordings", room=hall.room(there)), "node-2"):
        await hall.done("recordings@node-2")
    assert not elsewhere.exists()


class FarClock(SystemClock):
    """A machine's that is so many days ahead."""

    def __init__(self, days: int) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._ahead


async def test_a_machine_whose_clock_is_years_ahead_takes_nothing_away(
    hall: Hall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = await hall.tenant("{transcripts_days: 30, recordings_days: 30}")
    young = await hall.call(ours, "young", days_ago=29)
    old = await hall.call(ours, "old", days_ago=31.5)
    gone, recorded = files(tmp_path, ours, 40, 29)
    await hall.events.append(ours, event(ours, hall.now(), "call.ended", "young"))
    await hall.is_put("of_a_node_that_is_away")
    hall.clock = FarClock(days=20 * 365)
    async with hall.node(hall.kinds("retention", "recordings", "events", "upkeep", room=hall.room(tmp_path))):
        for name in ("retention", "recordings@node-1", "events", "upkeep"):
            await hall.done_of(name)
    assert await hall.read(ours, "young") == young
    assert await hall.read(ours, "old") != old, "by the database's clock"
    assert recorded.exists()
    assert not gone.exists()
    assert "young" in [one.event.subject for one in await hall.events.of_tenant(ours, 0, 10)]
    assert [one.kind for one in await hall.queue()] == ["of_a_node_that_is_away"]
    assert capsys.readouterr().out.count("this machine's clock is ahead of the database's") == 1


async def test_nor_does_one_whose_database_is_ahead(hall: Hall) -> None:
    async def far() -> datetime:
        return hall.now() + timedelta(days=20 * 365)

    ours = await hall.tenant("{transcripts_days: 30}")
    young = await hall.call(ours, "young", days_ago=29)
    [retention] = hall.kinds("retention", room=replace(hall.room(), database_now=far))
    assert [gone async for gone in retention.work(ours)] == []
    assert await hall.read(ours, "young") == young


def test_only_recordings_are_removed_and_only_so_many_at_once(tmp_path: Path) -> None:
    ours = someone()
    recordings = files(tmp_path, ours, 9, 8, 7)
    day = recordings[0].parent
    note = day / "note.txt"
    note.write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / f"{someone()}.wav").write_bytes(b"RIFF")
    (tmp_path / ours / "2001-01-01").symlink_to(outside)
    (tmp_path / ours / "notes").mkdir()
    before = datetime.now(UTC).date()
    assert remove_before(tmp_path / ours, before, 2) == 2
    assert remove_before(tmp_path / ours, before, 2) == 1
    assert remove_before(tmp_path / ours, before, 2) == 0
    assert note.exists()
    assert len(list(outside.iterdir())) == 1
    assert sorted(one.name for one in (tmp_path / ours).iterdir()) == ["2001-01-01", day.name, "notes"]
    assert remove_before(tmp_path / "nobody", before, 2) == 0
