"""What may be left behind: tasks and sockets of this process."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any


def open_sockets() -> set[str]:
    """The sockets of this process."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:")}


async def nothing_left(tasks: set[asyncio.Task[Any]], sockets: set[str], limit_s: float = 6.0) -> None:
    """Return when no task and no socket is left but these. Fails with their names at the limit."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while _left(tasks) or open_sockets() - sockets:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
    assert not _left(tasks), "tasks outlive the house"
    assert not open_sockets() - sockets, "sockets outlive the house"


def _left(tasks: set[asyncio.Task[Any]]) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() - tasks if task is not asyncio.current_task()]
