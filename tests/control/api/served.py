"""A service that listens on a port, in a thread, with two companies that have something of every kind."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from msgspec import Struct

from base.ids import CallId, TenantId
from tenants.api_keys import Role
from tests.control.api.house import ApiHouse, api_house

T = TypeVar("T")

READY_S = 60.0
ANSWER_S = 30.0


class Served(Struct):
    """What another thread may do with it."""

    url: str
    house: ApiHouse
    loop: asyncio.AbstractEventLoop
    holding: list[asyncio.Task[None]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Done in the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(ANSWER_S)

    async def put(self, tenant_id: TenantId, text: str) -> str:
        """The document's new digest. It stands in the place of whatever is there."""
        path = f"/tenants/{tenant_id}/document"
        there = await self.house.ask("GET", path)
        wish = {"If-Match": there.headers["etag"]} if there.status_code == 200 else {"If-None-Match": "*"}
        told = await self.house.ask("PUT", path, content=text, headers=wish)
        assert told.status_code == 200, told.text
        return f'"{told.json()["digest"]}"'

    async def key_id(self, role: Role, tenant_id: TenantId | None) -> str:
        return (await self.house.key(role, tenant_id)).split("_")[1]

    async def call(self, tenant_id: TenantId) -> CallId:
        """A live call, which goes on until the service ends."""
        began: asyncio.Future[CallId] = self.loop.create_future()

        async def hold() -> None:
            async with self.house.call(tenant_id, wait_s=600.0) as call_id:
                began.set_result(call_id)
                await asyncio.Event().wait()

        self.holding.append(asyncio.create_task(hold()))
        await asyncio.wait({began, self.holding[-1]}, return_when=asyncio.FIRST_COMPLETED)
        return began.result()


@contextmanager
def served_house(stock: Callable[[Served], Awaitable[None]]) -> Iterator[Served]:
    """Documents are in the database, so that every operation can do what it is for; `stock` puts things there."""
    made: Future[Served] = Future()
    ends = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_live(stock, made, ends)))
    thread.start()
    try:
        yield made.result(READY_S)
    finally:
        ends.set()
        thread.join(READY_S)


async def _live(stock: Callable[[Served], Awaitable[None]], made: Future[Served], ends: threading.Event) -> None:
    try:
        async with api_house(tenants="database", api_requests_per_s=10_000) as house:
            # Said to be TCP's, or each answer waits for an acknowledgement that is delayed (asyncio's `_set_nodelay`).
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
                listener.bind(("127.0.0.1", 0))
                server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, lifespan="off"))
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                served = Served(url, house, asyncio.get_running_loop())
                try:
                    await stock(served)
                    made.set_result(served)
                    await asyncio.to_thread(ends.wait)
                finally:
                    for task in served.holding:
                        task.cancel()
                    await asyncio.gather(*served.holding, return_exceptions=True)
                    server.should_exit = True
                    await serving
    except BaseException as error:
        if made.done():
            raise
        made.set_exception(error)
