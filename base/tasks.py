"""Work that goes on beside a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(**work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """These run while the block does, each in a task of its name, and are given up at its end.

    None of them is waited for meanwhile: one that ends by an exception is told at once, to the loop's
    exception handler.
    """
    tasks = [asyncio.create_task(one, name=name.replace("_", " ")) for name, one in work.items()]
    for task in tasks:
        task.add_done_callback(_tell)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        told = {"message": f"{task.get_name()!r} has ended", "exception": error, "task": task}
        task.get_loop().call_exception_handler(told)
