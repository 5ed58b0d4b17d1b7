"""Work for a client that may go away: then nobody waits for it, and it is given up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from litestar import Request

MAX_REQUEST_S: Final = 290.0
"""From the request to its answer, or to the first audio."""
T = TypeVar("T")


class ClientGoneError(Exception):
    """Nobody hears the answer."""


async def unless_gone(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; cancelled when the client closes its connection. The body has been read.

    Raises ClientGoneError, TimeoutError, and what `work` does.
    """
    working = asyncio.create_task(work, name="work for a client")
    leaving = asyncio.create_task(_left(request), name="whether the client leaves")
    try:
        async with asyncio.timeout(MAX_REQUEST_S):
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
