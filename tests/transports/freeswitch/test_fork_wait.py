"""While a fork's socket is awaited: the wait ends with the call, or with the switch's own try."""

import pytest

from tests.transports.freeswitch.test_esl_door import ANSWERED, API_OK, FORK_OK, OK, custom, event
from tests.transports.freeswitch.test_esl_server import Script, door, ring
from transports.freeswitch.call_sockets import SocketOptions
from transports.freeswitch.errors import CallEndedError, MediaUnavailableError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.media_server import MediaServer

HUNG_UP = event("CHANNEL_HANGUP", "Hangup-Cause: ORIGINATOR_CANCEL")


@pytest.mark.parametrize(
    ("happens", "error"), [(HUNG_UP, CallEndedError), (custom("connect_failed"), MediaUnavailableError)]
)
async def test_it_is_not_waited_out(happens: bytes, error: type[Exception]) -> None:
    """The limit is longer than the test may run: what ends the wait is what happens."""
    async with MediaServer("127.0.0.1", 0) as media:

        async def act(call: DoorCall) -> None:
            call.choose_fork()
            await call.answer(5.0)
            with pytest.raises(error):
                await call.start_fork(media, SocketOptions(socket_timeout_s=3600.0))
            script.done.set()

        script = Script(act)
        async with door(script) as server, ring(server) as switch:
            await switch.greet("Answer-State: ringing")
            for reply in (API_OK, OK):
                await switch.hear()
                await switch.say(reply)
            await switch.say(ANSWERED)
            assert b"uuid_audio_fork" in await switch.hear()
            await switch.say(FORK_OK + happens)
            await script.done.wait()
