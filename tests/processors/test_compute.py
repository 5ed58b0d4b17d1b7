"""Lanes: hearing does not wait for speaking, and what can wait does."""

import asyncio
import os
import threading

import pytest

from processors import compute
from processors.compute import BACKGROUND_NICENESS, LINUX, ComputeLanes, LaneFullError

LIMIT_S = 5.0


@pytest.fixture
def lanes() -> ComputeLanes:
    return ComputeLanes(cores=2)


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, LIMIT_S)


async def test_recognition_does_not_queue_behind_renderings(lanes: ComputeLanes) -> None:
    gate = threading.Event()
    renderings = [asyncio.create_task(lanes.run("tts", gate.wait)) for _ in range(5)]
    try:
        assert await asyncio.wait_for(lanes.run("stt", lambda: "heard"), LIMIT_S) == "heard"
    finally:
        gate.set()
        await asyncio.gather(*renderings)
        lanes.close()


async def test_background_work_begins_when_the_live_work_is_done(lanes: ComputeLanes) -> None:
    gate, order = threading.Event(), list[str]()
    live = asyncio.create_task(lanes.run("stt", lambda: (gate.wait(), order.append("live"))))
    later = asyncio.create_task(lanes.run("background", lambda: order.append("background")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(asyncio.gather(live, later), LIMIT_S)
    lanes.close()
    assert order == ["live", "background"]


async def test_background_work_is_not_held_up_for_ever(lanes: ComputeLanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "MAX_YIELD_S", 0.01)
    gate = threading.Event()
    live = asyncio.create_task(lanes.run("tts", gate.wait))
    assert await asyncio.wait_for(lanes.run("background", lambda: "done"), LIMIT_S) == "done"
    gate.set()
    await live
    lanes.close()


@pytest.mark.skipif(not LINUX, reason="niceness belongs to a thread on Linux only")
async def test_only_the_background_has_low_priority(lanes: ComputeLanes) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert await lanes.run("stt", niceness) == before
    assert await lanes.run("background", niceness) == min(19, max(before, BACKGROUND_NICENESS))
    lanes.close()


async def test_cancelled_work_that_has_not_begun_is_dropped(lanes: ComputeLanes) -> None:
    gate, ran, running = threading.Event(), threading.Event(), threading.Event()
    first = asyncio.create_task(lanes.run("tts", lambda: (running.set(), gate.wait())))
    await until(running)
    second = asyncio.create_task(lanes.run("tts", ran.set))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    await lanes.run("tts", lambda: None)
    lanes.close()
    assert not ran.is_set()


async def test_a_full_lane_refuses(lanes: ComputeLanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compute.MAX_WAITING, "stt", 1)
    gate = threading.Event()
    first = asyncio.create_task(lanes.run("stt", gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(LaneFullError):
        await lanes.run("stt", lambda: None)
    gate.set()
    await first
    lanes.close()


async def test_an_exception_of_the_work_is_the_callers(lanes: ComputeLanes) -> None:
    def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await lanes.run("stt", fails)
    assert await lanes.run("background", lambda: 1) == 1
    lanes.close()
