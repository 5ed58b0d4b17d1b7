"""A media module's socket for one call: asked for over the event socket, awaited where the module connects."""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.media_server import Expected, MediaServer
from transports.freeswitch.media_socket import MediaSocket

HANG_UP_TOLD_S = 0.5
"""A media socket that ended, and no hang-up told within this time: the media is lost."""


class SocketOptions(Struct, frozen=True, kw_only=True):
    """How long is waited for a media module."""

    reply_timeout_s: float = 2.0
    socket_timeout_s: float = 3.0
    """The modules connect within milliseconds, and give up after a second."""


async def open_socket(
    wire: DoorWire,
    server: MediaServer,
    start: Callable[[str], None],
    our_host: str,
    options: SocketOptions | None = None,
    *,
    metadata: str = "",
) -> MediaSocket:
    """Ask the machine to `start` a stream to a URL made for this call, and return its socket once it is open.

    `our_host` is where the switch reaches us; `metadata` is what `start` has the module send, at whatever place among
    the audio: all other texts are somebody's, who writes into the call. May be asked again when a former socket was
    lost.
    When it ends by itself the wire tells that the call's media is lost.
    Raises CallEndedError, MediaUnavailableError, PhoneTimeoutError, and LocalProtocolError like `start`.
    """
    options = options or SocketOptions()

    def came(text: str) -> None:
        if text != metadata:
            wire.text_came(text)

    expected = server.expect(wire.machine.hello.call_id, our_host, came)
    wire.socket, wire.socket_accepted, wire.refused_socket = None, False, None
    try:
        wire.ask(lambda: start(expected.url))
        await _accepted(wire, options.reply_timeout_s)
        socket = await _came(wire, expected, options.socket_timeout_s)
    except BaseException:
        expected.withdraw()
        # A stream that was accepted and whose socket never came is stopped before the next is asked for.
        wire.machine.media.socket_lost()
        raise
    # When the call is hung up its media socket closes some 12 ms before the event socket says so. The module tells of a
    # loss, too; a switch that hangs does not.
    loop = asyncio.get_running_loop()

    def not_hung_up() -> None:
        if wire.socket is socket:
            wire.media_lost("the media socket ended")

    def ended() -> None:
        if wire.socket is socket and wire.on_socket_end is not None:
            wire.on_socket_end()
        loop.call_later(HANG_UP_TOLD_S, not_hung_up)

    wire.socket, socket.on_end = socket, ended
    wire.machine.media.socket_came()
    return socket


async def _accepted(wire: DoorWire, timeout_s: float) -> None:
    await wire.until(
        lambda: wire.socket_accepted or wire.refused_socket is not None or not wire.machine.live, timeout_s, "stream"
    )
    if wire.refused_socket is not None:
        raise MediaUnavailableError(f"FreeSWITCH refused to stream: {wire.refused_socket}")
    wire.require_live("stream")


async def _came(wire: DoorWire, expected: Expected, timeout_s: float) -> MediaSocket:
    """The open socket; not waited for any longer than the call is there and the switch tries."""
    machine = wire.machine
    ended = wire.until(lambda: not (machine.live and machine.media.streaming), timeout_s + 1, "stream")
    waits = asyncio.create_task(expected.socket(timeout_s)), asyncio.create_task(ended)
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        wire.require_live("stream")
        if not machine.media.streaming:
            raise MediaUnavailableError("FreeSWITCH could not connect to the media socket, or lost it")
        socket = await waits[0]
        if socket.closed.is_set():
            raise MediaUnavailableError("the media socket ended at once")
        return socket
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
