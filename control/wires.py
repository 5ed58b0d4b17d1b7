"""How a call's audio comes: the wire is chosen before the answer, and started behind it."""

import structlog

from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.stream_media import StreamMedia
from transports.freeswitch.unicast_socket import UnicastMedia

log = structlog.get_logger()

Media = UnicastMedia | ForkMedia | StreamMedia


async def open_media(line: DoorCall, wire: str, server: MediaServer | None, answer_timeout_s: float) -> Media:
    """Answer, and have the call's audio by `wire`; all but unicast need the `server`.

    Raises CallEndedError, MediaUnavailableError, PhoneTimeoutError.
    """
    if wire == "audio_fork" and not line.can_fork:
        log.warning("an answered call cannot be forked any more: unicast", hint="set send_silence_when_idle=-1")
        wire = "unicast"
    if wire == "audio_fork":
        line.choose_fork()
    await line.answer(answer_timeout_s)
    if server is None or wire == "unicast":
        return await line.start_unicast()
    return await (line.start_fork(server) if wire == "audio_fork" else line.start_stream(server))
