"""The URL of a media socket is a key: no line of ours or of a library's tells it, whatever becomes of the socket."""

import asyncio
import gc
import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from loguru import logger as loguru_logger
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from base.ids import CallId
from control.logs import configure
from control.peer import HangUp, Script
from tests.calls.callers import document, hears
from tests.calls.house import House, house
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.media_tickets import PREFIX, Tickets
from transports.freeswitch.words import WIRE_VARIABLE

SERVICE_LOGGERS = ("websockets", "websockets.server", "websockets.client", "asyncio", "uvicorn", "uvicorn.access")


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Everything that is logged at the lowest level that an operator can choose."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in SERVICE_LOGGERS}
    configure("json", "debug", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    loguru_logger.remove()


@pytest.fixture
def minted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The token of each URL that was made."""
    tokens: list[str] = []
    mint = Tickets.mint

    def kept(tickets: Tickets, call_id: CallId) -> str:
        path = mint(tickets, call_id)
        tokens.append(path.removeprefix(PREFIX))
        return path

    monkeypatch.setattr(Tickets, "mint", kept)
    return tokens


async def refused(server: MediaServer, token: str, status: int) -> None:
    host, port = server.address
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://{host}:{port}{PREFIX}{token}")
    assert caught.value.response.status_code == status


async def broken(server: MediaServer, token: str) -> None:
    """An upgrade that stops in the middle, and one that is none."""
    for request in (f"GET {PREFIX}{token} HTTP/1.1\r\nHost: x\r\n", f"POST {PREFIX}{token} HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(request.encode())
        writer.write_eof()
        await reader.read()
        writer.close()


def tells_of(stream: io.StringIO, minted: list[str]) -> bool:
    gc.collect()  # What nobody awaited is told when it goes.
    return any(token[:12] in stream.getvalue() for token in minted)


@pytest.mark.parametrize("wire", ["audio_fork", "audio_stream"])
async def test_a_call_its_used_key_and_a_refused_socket_leave_no_key_behind(
    wire: str, told: io.StringIO, minted: list[str]
) -> None:
    async with house(document()) as home:
        rung = await call(home, wire)
        assert rung == ["Welcome to us"]
        [used] = minted
        await refused(home.media_server, used, 403)
        waiting = home.media_server.expect(CallId("waits"))
        await broken(home.media_server, minted[-1])
        home.media_server._max_sockets = 0
        await refused(home.media_server, minted[-1], 503)
        waiting.withdraw()
        await refused(home.media_server, minted[-1], 503)
    assert "media socket that no call expects" in told.getvalue()
    assert "media socket turned away" in told.getvalue()
    assert '"level": "debug"' in told.getvalue()
    assert len(minted) == 2
    assert all(len(token) > 30 for token in minted)
    assert not tells_of(told, minted)


async def test_a_socket_that_the_module_cannot_open_is_told_without_its_key(
    told: io.StringIO, minted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module gives up; the call goes on to its dialplan with an error that names no URL."""
    async with house(document()) as home:
        monkeypatch.setattr(home.media_server, "_max_sockets", 0)
        for wire in ("audio_fork", "audio_stream"):
            await call(home, wire)
    assert len(minted) == 2
    assert "media socket turned away" in told.getvalue()
    assert not tells_of(told, minted)


async def test_the_fence_is_what_keeps_the_library_silent(told: io.StringIO, minted: list[str]) -> None:
    """Were both fences down, the library would tell the path: the other tests look at something that can be seen."""
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    for handler in logging.getLogger().handlers:
        handler.filters.clear()
    async with house(document()) as home:
        await call(home, "audio_fork")
    assert tells_of(told, minted)


async def call(home: House, wire: str) -> list[str]:
    script = Script(steps=(hears(), HangUp()), limit_s=8)
    rung = await home.call(script, home.dialed(variables={WIRE_VARIABLE: wire}))
    return rung.heard() if rung.found else []
