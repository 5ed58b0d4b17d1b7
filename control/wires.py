"""How a call's audio comes: the wire is chosen before the answer, and started behind it."""

from typing import Final

import structlog

from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.stream_media import StreamMedia
from transports.freeswitch.unicast_socket import UnicastMedia

log = structlog.get_logger()

Media = UnicastMedia | ForkMedia | StreamMedia
RATES: Final = (8000, 16000)
"""Wire rates that the ear takes, in Hz."""


async def open_media(line: DoorCall, wire: str, server: MediaServer | None, answer_timeout_s: float) -> Media:
    """Answer, and have the call's audio by `wire`; all but unicast need the `server`.

    Raises CallEndedError, MediaUnavailableError, PhoneTimeoutError.
    """
    if wire == "audio_fork" and not line.can_fork:
        log.warning("an answered call cannot be forked any more: unicast", hint="set send_silence_when_idle=-1")
        wire = "unicast"
    if wire == "audio_fork":
        line.choose_fork()
    answered = await line.answer(answer_timeout_s)
    if answered.sample_rate not in RATES:
        raise MediaUnavailableError(f"the call's rate is {answered.sample_rate} Hz; 8000 and 16000 are taken")
    if server is None or wire == "unicast":
        return await line.start_unicast()
    return await (line.start_fork(server) if wire == "audio_fork" else line.start_stream(server))
