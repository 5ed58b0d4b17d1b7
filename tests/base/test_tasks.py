"""Work that goes on beside a block."""

import asyncio
from typing import Any

import pytest

from base import tasks
from base.tasks import beside, given_up


async def for_ever(began: asyncio.Event, ended: list[str]) -> None:
    began.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("given up")


async def test_it_runs_while_the_block_does_and_no_longer() -> None:
    before, began, ended = asyncio.all_tasks(), asyncio.Event(), list[str]()

    async def block() -> None:
        async with beside(wait_for_ever=for_ever(began, ended)):
            await began.wait()
            assert "wait for ever" in {task.get_name() for task in asyncio.all_tasks() - before}
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert ended == ["given up"]
    assert asyncio.all_tasks() == before


async def test_what_ends_by_a_mistake_is_told_at_once_and_the_rest_goes_on() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    began, ended = asyncio.Event(), list[str]()

    async def breaks() -> None:
        raise ValueError("no")

    async with beside(break_at_once=breaks(), wait_for_ever=for_ever(began, ended)):
        await began.wait()
        await asyncio.sleep(0)
        assert [(one["message"], str(one["exception"])) for one in told] == [("'break at once' has ended", "no")]
        assert ended == []


async def loses_a_cancellation(began: asyncio.Event) -> None:
    """As `asyncio.wait_for` of Python 3.11 does when what is waited for is ready in that moment."""
    for _ in range(2):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def test_a_cancellation_that_is_lost_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.001)
    began = asyncio.Event()
    task = asyncio.create_task(loses_a_cancellation(began))
    await began.wait()
    async with asyncio.timeout(10):
        await given_up([task])
    assert task.cancelled()
    await given_up([task])
    await given_up([])
