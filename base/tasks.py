"""Work that goes on beside a block, and how it is given up."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

AGAIN_S: Final = 1.0


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
        await given_up(tasks)


async def given_up(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """They are cancelled, and have ended when this returns; how they ended is nobody's business.

    They are cancelled again where once is not enough. Python 3.11's `asyncio.wait_for`, by which asyncpg waits for a
    connection, returns what is ready in the moment of the cancellation, and the cancellation is lost
    (https://github.com/python/cpython/issues/86296): who tries for ever would then go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        told = {"message": f"{task.get_name()!r} has ended", "exception": error, "task": task}
        task.get_loop().call_exception_handler(told)
