"""Records reach the sink whatever the sink, the disk or a kill -9 does."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from pipelines import spool_files as files
from pipelines.calls import Call, CallRecord, Turn
from pipelines.events import Event, event
from pipelines.spool import Spool
from tests.pipelines.virtual import eventually

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def a_call(call_id: str = "c1") -> Call:
    return Call(
        id=CallId(call_id),
        tenant_id=TenantId("t1"),
        tenant_slug="us",
        assistant=AssistantName("front"),
        number="100",
        caller="+5511",
        revision=1,
        language="en",
        opened_at=AT,
    )


def a_record(call_id: str = "c1") -> CallRecord:
    turns = (Turn(role="caller", text="olá\nsim", at_ms=1.0),)
    return CallRecord(
        call=a_call(call_id), ended_at=AT, end_reason="goodbye", hangup_cause="NORMAL_CLEARING", turns=turns
    )


class Sink:
    """Stores, unless it is told to be down or to refuse some calls."""

    def __init__(self) -> None:
        self.stored: dict[str, CallRecord] = {}
        self.first: dict[str, CallRecord] = {}
        """What a database that keeps the first record of a call would have."""
        self.down = False
        self.refused: set[str] = set()
        self.tried = 0

    async def __call__(self, record: CallRecord) -> None:
        self.tried += 1
        if self.down or record.call.id in self.refused:
            raise ConnectionError("no database")
        self.stored[record.call.id] = record
        self.first.setdefault(record.call.id, record)


def spool(folder: Path, sink: Sink, **options: Any) -> Spool:
    bounds = {"first_pause_s": 0.01, "longest_pause_s": 0.02, "close_timeout_s": 1.0}
    return Spool(folder, sink, SystemClock(), **bounds, **options)


class Keeper:
    """Keeps events and hears of beginnings, unless it is told to be down."""

    def __init__(self) -> None:
        self.down = False
        self.tried = 0
        self.kept: list[Event] = []
        self.begun: list[str] = []
        self.refused: set[str] = set()

    def _come_in(self) -> None:
        self.tried += 1
        if self.down:
            raise ConnectionError("no database")

    async def keep(self, event: Event) -> None:
        self._come_in()
        if event.subject in self.refused:
            raise ValueError("never")
        self.kept.append(event)

    async def begin(self, call: Call) -> None:
        self._come_in()
        self.begun.append(call.id)


def telling(folder: Path, sink: Sink, keeper: Keeper) -> Spool:
    return Spool(
        folder,
        sink,
        SystemClock(),
        begun=keeper.begin,
        keep=keeper.keep,
        first_pause_s=0.01,
        longest_pause_s=0.02,
        close_timeout_s=1.0,
    )


def an_event(number: int = 1) -> Event:
    return event(TenantId("t1"), AT + timedelta(seconds=number), "canary.aborted", str(number), once=True)


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix == ".call"]


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_finished_call_reaches_the_sink_and_leaves_the_disk(tmp_path: Path) -> None:
    sink = Sink()
    async with spool(tmp_path, sink) as log:
        await log.opened(a_call())
        assert left(tmp_path) == ["c1.call"]
        await log.closed(a_record())
        await eventually(lambda: "c1" in sink.stored)
    assert sink.stored == {"c1": a_record()}
    assert left(tmp_path) == []


async def test_a_sink_that_is_down_is_tried_until_it_is_back(tmp_path: Path) -> None:
    sink = Sink()
    sink.down = True
    async with spool(tmp_path, sink) as log:
        for n in range(10):
            await log.closed(a_record(f"c{n}"))
        await eventually(lambda: sink.tried > 6)
        assert sink.stored == {}
        sink.down = False
        await eventually(lambda: len(sink.stored) == 10)
    assert left(tmp_path) == []


async def test_a_record_that_is_always_refused_does_not_block_the_others(tmp_path: Path) -> None:
    sink = Sink()
    sink.refused = {f"a{n}" for n in range(5)}
    async with spool(tmp_path, sink) as log:
        for name in [*sorted(sink.refused), "z1", "z2"]:
            await log.closed(a_record(name))
        await eventually(lambda: set(sink.stored) == {"z1", "z2"})
    assert len(left(tmp_path)) == 5


async def test_what_is_left_is_handed_on_by_the_next_process(tmp_path: Path) -> None:
    sink = Sink()
    sink.down = True
    async with spool(tmp_path, sink) as log:
        await log.opened(a_call("crashed"))
        await log.opened(a_call("finished"))
        await log.closed(a_record("finished"))
    sink.down = False
    async with spool(tmp_path, sink):
        await eventually(lambda: len(sink.stored) == 2)
    assert sink.stored["finished"] == a_record("finished")
    assert (sink.stored["crashed"].end_reason, sink.stored["crashed"].call) == ("lost", a_call("crashed"))


async def test_a_live_call_is_not_taken_for_a_crashed_one(tmp_path: Path) -> None:
    sink = Sink()
    async with spool(tmp_path, sink) as log:
        await log.opened(a_call("live"))
        await log.closed(a_record("other"))
        await eventually(lambda: "other" in sink.stored)
        assert set(sink.stored) == {"other"}
        await log.closed(a_record("live"))
    assert sink.stored["live"].end_reason == "goodbye"


async def test_a_disk_that_refuses_keeps_the_record_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, line: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    sink = Sink()
    async with spool(tmp_path, sink) as log:
        await log.opened(a_call())
        monkeypatch.setattr(files, "append", full)
        await log.closed(a_record())
        await eventually(lambda: "c1" in sink.stored)
    assert sink.stored["c1"] == a_record()
    assert left(tmp_path) == []


async def test_what_is_in_memory_alone_is_told_and_is_nothing_once_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    sink, keeper = Sink(), Keeper()
    sink.down = keeper.down = True
    async with telling(tmp_path, sink, keeper) as log:
        await log.opened(a_call("live"))
        await log.opened(a_call())
        assert log.queued == {"unwritten_records": 0, "unwritten_events": 0, "call_beginnings": 2}
        monkeypatch.setattr(files, "append", full)
        monkeypatch.setattr(files, "put_event", full)
        await log.closed(a_record())
        log.tell(an_event())
        assert log.queued == {"unwritten_records": 1, "unwritten_events": 1, "call_beginnings": 2}
        sink.down = keeper.down = False
        await eventually(lambda: not any(log.queued.values()))
    assert (set(sink.stored), len(keeper.kept), set(keeper.begun)) == ({"c1"}, 1, {"live", "c1"})


async def test_a_disk_that_takes_half_a_line_keeps_the_record_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write

    def half(descriptor: int, data: bytes) -> int:
        return whole(descriptor, data[: len(data) // 2])

    sink = Sink()
    async with spool(tmp_path, sink) as log:
        await log.opened(a_call())
        with monkeypatch.context() as filling_up:
            filling_up.setattr(files.os, "write", half)
            await log.closed(a_record())
        await eventually(lambda: "c1" in sink.stored)
    assert sink.stored == {"c1": a_record()}
    assert left(tmp_path) == []


async def test_a_record_in_memory_is_not_overtaken_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses the end of a call while a round that began before looks through the folder."""
    sink, looking, go_on, look = Sink(), threading.Event(), threading.Event(), files.waiting

    def slowly(folder: Path, limit: int) -> list[str]:
        looking.set()
        assert go_on.wait(10)
        return look(folder, limit)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no space left")

    async with spool(tmp_path, sink) as log:
        await log.opened(a_call())
        monkeypatch.setattr(files, "waiting", slowly)
        await log.closed(a_record("other"))
        assert await asyncio.to_thread(looking.wait, 10)
        monkeypatch.setattr(files, "append", refuse)
        await log.closed(a_record())
        go_on.set()
        await eventually(lambda: set(sink.stored) == {"c1", "other"})
        await eventually(lambda: left(tmp_path) == [])
    assert sink.first["c1"] == a_record()


async def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    async with spool(tmp_path, Sink()):
        with pytest.raises(files.SpoolError, match="another process"):
            files.lock(tmp_path)


def test_a_file_cut_at_any_byte_means_what_was_whole(tmp_path: Path) -> None:
    path = tmp_path / files.name_of(CallId("c1"))
    files.append(path, files.CallOpened(a_call()))
    opened_whole = path.stat().st_size - 1  # The line break behind it says nothing.
    files.append(path, files.CallClosed(a_record()))
    whole = path.read_bytes()
    cut = tmp_path / "cut.call"
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        record = files.read(cut)
        if size < opened_whole:
            assert record is None
        elif size < len(whole) - 1:
            assert record is not None
            assert (record.end_reason, record.call) == ("lost", a_call())
        else:
            assert record == a_record()


def test_a_line_after_one_that_was_cut_short_counts(tmp_path: Path) -> None:
    path = tmp_path / "c1.call"
    files.append(path, files.CallOpened(a_call()))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        files.append(path, files.CallClosed(a_record()))
        assert files.read(path) == a_record()


async def test_what_nobody_understands_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "x.call").write_bytes(b"\n00000000 {}\n")
    async with spool(tmp_path, Sink()):
        await eventually(lambda: left(tmp_path) == [])
    assert (tmp_path / "x.unreadable").exists()


def test_a_call_id_cannot_leave_the_folder() -> None:
    for name in ("../../etc/passwd", "a/b", "", ".", "x" * 300):
        assert "/" not in files.name_of(CallId(name))
        assert len(files.name_of(CallId(name))) < 100


async def test_events_are_kept_in_their_order_and_leave_the_disk(tmp_path: Path) -> None:
    class Back(Keeper):
        async def keep(self, event: Event) -> None:
            # Not amid a round: who was refused at its beginning comes behind the others.
            if event.subject == "1" and len(files.waiting(tmp_path, 10)) == 3:
                self.down = False
            await super().keep(event)

    keeper = Back()
    keeper.down = True
    async with telling(tmp_path, Sink(), keeper) as log:
        for number in (1, 2, 3):
            log.tell(an_event(number))
        await eventually(lambda: len(keeper.kept) == 3 and files.waiting(tmp_path, 10) == [])
    assert [one.subject for one in keeper.kept] == ["1", "2", "3"]


async def test_events_that_are_always_refused_block_neither_others_nor_calls(tmp_path: Path) -> None:
    sink, keeper = Sink(), Keeper()
    keeper.refused = {"1", "2"}
    async with telling(tmp_path, sink, keeper) as log:
        for number in (1, 2, 3, 4):
            log.tell(an_event(number))
        await log.closed(a_record())
        await eventually(lambda: len(keeper.kept) == 2 and "c1" in sink.stored)
    assert [one.subject for one in keeper.kept[:2]] == ["3", "4"]
    assert len(list(files.waiting(tmp_path, 10))) == 2, "they stay, and are tried again"


async def test_events_that_are_left_are_kept_by_the_next_process(tmp_path: Path) -> None:
    down, keeper = Keeper(), Keeper()
    down.down = True
    async with telling(tmp_path, Sink(), down) as log:
        log.tell(told := an_event())
    async with telling(tmp_path, Sink(), keeper):
        await eventually(lambda: keeper.kept == [told])


async def test_an_event_that_the_disk_refuses_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write

    def half(descriptor: int, data: bytes) -> int:
        return whole(descriptor, data[: len(data) // 2])

    keeper = Keeper()
    monkeypatch.setattr(files.os, "write", half)
    async with telling(tmp_path, Sink(), keeper) as log:
        log.tell(told := an_event())
        await eventually(lambda: keeper.kept == [told])
    assert everything(tmp_path) == ["lock"], "what was half written takes no room"


async def test_an_event_that_is_being_written_is_not_taken_for_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round looks through the folder while the disk has half of it."""
    sink, keeper, begun, go_on, whole = Sink(), Keeper(), threading.Event(), threading.Event(), os.write

    def slowly(descriptor: int, data: bytes) -> int:
        if b'"event"' not in data:
            return whole(descriptor, data)
        written = whole(descriptor, data[: len(data) // 2])
        begun.set()
        assert go_on.wait(10)
        return written + whole(descriptor, data[len(data) // 2 :])

    monkeypatch.setattr(files.os, "write", slowly)
    async with telling(tmp_path, sink, keeper) as log:
        log.tell(told := an_event())
        assert await asyncio.to_thread(begun.wait, 10)
        await log.closed(a_record())
        await eventually(lambda: "c1" in sink.stored)
        assert (keeper.kept, [name for name in everything(tmp_path) if name.endswith(".unreadable")]) == ([], [])
        go_on.set()
        await eventually(lambda: keeper.kept == [told])


async def test_what_a_dead_process_was_writing_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / f"{files.name_of_event(an_event())}{files.DRAFT_SUFFIX}").write_bytes(b"\n0000")
    async with spool(tmp_path, Sink()) as log:
        assert (await log.load()).used_bytes == 0


async def test_a_call_that_goes_on_is_told_once_it_can_be_and_not_behind_its_record(tmp_path: Path) -> None:
    sink, keeper = Sink(), Keeper()
    keeper.down = True
    async with telling(tmp_path, sink, keeper) as log:
        await log.opened(a_call("short"))
        await log.opened(a_call("long"))
        await log.closed(a_record("short"))
        await eventually(lambda: "short" in sink.stored and keeper.tried > 0)
        keeper.down = False
        await eventually(lambda: keeper.begun == ["long"])
    assert keeper.begun == ["long"]


async def test_a_sink_that_is_well_again_is_not_left_alone_any_longer(tmp_path: Path) -> None:
    """Also where that is said while a round is failing."""
    sink, trying, fail = Sink(), asyncio.Event(), asyncio.Event()

    async def store(record: CallRecord) -> None:
        if not fail.is_set():
            trying.set()
            await fail.wait()
            raise ConnectionError
        await sink(record)

    async with Spool(tmp_path, store, SystemClock(), first_pause_s=3600.0, close_timeout_s=1.0) as log:
        await log.closed(a_record())
        await trying.wait()
        log.hurry()
        fail.set()
        await eventually(lambda: "c1" in sink.stored)


def test_an_event_that_was_cut_at_any_byte_is_whole_or_none(tmp_path: Path) -> None:
    path = tmp_path / files.name_of_event(an_event())
    files.append(path, files.EventTold(an_event()))
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        assert files.read(path) == (an_event() if size >= len(whole) - 1 else None)


async def test_a_lost_call_ended_when_its_process_was_there_last_and_not_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.spool.RENEW_S", 0.01)
    long_ago, ahead = a_call("long"), structs.replace(a_call("ahead"), opened_at=datetime(2999, 1, 1, tzinfo=UTC))
    async with spool(tmp_path, Sink()) as log:
        for one in (long_ago, ahead):
            await log.opened(one)
            os.utime(tmp_path / f"{one.id}.call", (1000, 1000))
        await eventually(lambda: (tmp_path / "long.call").stat().st_mtime > 1000)
        there_at = (tmp_path / "long.call").stat().st_mtime
    sink = Sink()
    async with spool(tmp_path, sink):
        await eventually(lambda: len(sink.stored) == 2)
    assert sink.stored["long"].ended_at.timestamp() >= there_at - 0.001
    assert sink.stored["ahead"].ended_at == ahead.opened_at


OPEN_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
import msgspec
from base.clock import SystemClock
from pipelines.calls import Call
from pipelines.spool import Spool

async def main() -> None:
    async def store(record):
        pass
    async with Spool(Path(sys.argv[1]), store, SystemClock()) as log:
        await log.opened(msgspec.json.decode(sys.argv[2], type=Call))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_killed_process_leaves_a_row(tmp_path: Path) -> None:
    argument = msgspec.json.encode(a_call("killed")).decode()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", OPEN_AND_DIE, str(tmp_path), argument], env=environment, timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    sink = Sink()
    async with spool(tmp_path, sink):
        await eventually(lambda: "killed" in sink.stored)
    assert sink.stored["killed"].end_reason == "lost"


async def test_what_dead_processes_have_left_is_handed_on_by_another(tmp_path: Path) -> None:
    sink, spools = Sink(), tmp_path / "spool"
    async with spool(spools / "media-1", sink) as living:
        await living.opened(a_call("living"))
        for name in ("", "media-0"):
            (spools / name).mkdir(exist_ok=True)
            dead = a_call(f"dead-{name}")
            files.append(spools / name / files.name_of(dead.id), files.CallOpened(dead))
        async with spool(spools / "control-0", sink, left_by=spools):
            await eventually(lambda: len(sink.stored) == 2)
        assert {(one.call.id, one.end_reason) for one in sink.stored.values()} == {
            ("dead-", "lost"),
            ("dead-media-0", "lost"),
        }
        assert left(spools / "media-1") == ["living.call"]


async def test_a_folder_whose_process_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    former = spool(tmp_path, Sink())
    await former.__aenter__()
    heir = spool(tmp_path, Sink(), lock_timeout_s=5.0)
    waiting = asyncio.create_task(heir.__aenter__())
    await former.__aexit__()
    assert await waiting is heir
    with pytest.raises(files.SpoolError):
        await spool(tmp_path, Sink()).__aenter__()
    await heir.__aexit__()


async def test_it_closes_also_when_the_sink_loses_the_cancellation(tmp_path: Path) -> None:
    """As asyncpg does under Python 3.11 that cannot connect in just that moment: a process hung for ever."""
    asked = asyncio.Event()

    async def store(_: CallRecord) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise FileNotFoundError(2, "no such socket") from None

    async with asyncio.timeout(30):
        async with Spool(tmp_path / "spool", store, SystemClock(), close_timeout_s=0.1) as spool:
            await spool.opened(a_call())
            shutil.rmtree(tmp_path / "spool")  # the record is kept in memory, and goes to the sink from there
            await spool.closed(a_record())
            await asked.wait()
