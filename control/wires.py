"""How a call's audio comes: the wire is chosen before the answer, and started behind it; once more when it was lost."""

from collections.abc import Callable
from typing import Final, Literal

import structlog

from transports.freeswitch.call_sockets import SocketOptions
from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.renewed import Media
from transports.freeswitch.unicast_socket import UnicastMedia

log = structlog.get_logger()

AGAIN: Final = SocketOptions(reply_timeout_s=1.0, socket_timeout_s=1.0)
"""A caller waits in silence: a module that works connects within milliseconds."""


Step = Callable[[Literal["answered", "media_started"], str], None]


async def open_media(
    line: DoorCall, wire: str, server: MediaServer | None, answer_timeout_s: float, note: Step
) -> Media:
    """Answer, and have the call's audio by `wire`; all but unicast need the `server`. `note` is told of both steps.

    Raises CallEndedError, MediaUnavailableError, PhoneTimeoutError.
    """
    if wire == "audio_fork" and not line.can_fork:
        log.warning("an answered call cannot be forked any more: unicast", hint="set send_silence_when_idle=-1")
        wire = "unicast"
    if wire == "audio_fork":
        line.choose_fork()
    await line.answer(answer_timeout_s)
    note("answered", "")
    media: Media
    if server is None or wire == "unicast":
        wire, media = "unicast", await line.start_unicast()
    else:
        media = await (line.start_fork(server) if wire == "audio_fork" else line.start_stream(server))
    note("media_started", wire)
    return media


async def reopen_media(line: DoorCall, lost: Media, server: MediaServer | None) -> Media:
    """The audio of an answered call once more, by the wire that was `lost`; unicast needs a park of its own.

    Raises CallEndedError, MediaUnavailableError, PhoneTimeoutError.
    """
    if isinstance(lost, UnicastMedia):
        await line.answer()
        return await line.start_unicast()
    if server is None:
        raise MediaUnavailableError("no media socket is served here")
    return await (line.start_fork(server, AGAIN) if isinstance(lost, ForkMedia) else line.start_stream(server, AGAIN))
