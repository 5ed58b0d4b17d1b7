"""What the event socket tells of one call, to those whom it concerns; and audio that is had again when it ended."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

import structlog

from control.returns import LiveCall
from control.wires import reopen_media
from pipelines.session import CallSession
from transports.freeswitch.errors import CallEndedError, LocalProtocolError, MediaUnavailableError, PhoneTimeoutError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.renewed import Media, RenewedWire
from transports.freeswitch.transport import FreeSwitchTransport
from transports.freeswitch.unicast_socket import UnicastMedia
from transports.freeswitch.words import Disconnected, Dtmf, HungUp, MediaEnded, PhoneEvent, Text

log = structlog.get_logger()

RETURN_TIMEOUT_S: Final = 3.0
"""A call that left by the door is back within 40 ms."""
RENEW_TIMEOUT_S: Final = 5.0
"""No caller listens to silence for longer: then the dialplan has the call."""
TAKEN_S: Final = 0.3
TRIES: Final = 3
PAUSE_S: Final = 0.2
MAX_LOSSES: Final = 5
LOSSES_WITHIN_S: Final = 30.0
"""Audio that ended `MAX_LOSSES` times within this time would end again."""


class Attendant:
    """One call's. `attend` until cancelled, or until the event socket has ended for good.

    While there is no audio the transport's clock goes on, the assistant waits, and keys are told afterwards.
    """

    def __init__(
        self,
        live: LiveCall,
        session: CallSession,
        transport: FreeSwitchTransport,
        wire: RenewedWire,
        server: MediaServer | None,
    ) -> None:
        self._live = live
        self._session = session
        self._transport = transport
        self._wire = wire
        self._server = server
        self._losses: deque[float] = deque(maxlen=MAX_LOSSES)

    async def attend(self) -> None:
        """Follow the call over all of its connections. Never raises: a mistake of ours is the dialplan's chance."""
        try:
            await self._follow()
        except Exception:
            log.exception("the call's events are followed no more")
            self._session.end("lost")

    async def _follow(self) -> None:
        while True:
            line = self._live.line
            # At once: what is sent from here on nobody hears, whether the caller hangs up or only the socket broke.
            line.on_socket_end(self._transport.wire_lost)
            async for event in line.events():
                await self._told(line, event)
                if self._live.line is not line:
                    break
            else:
                return

    async def _told(self, line: DoorCall, event: PhoneEvent) -> None:
        match event:
            case Dtmf(digit=digit, duration_ms=duration_ms):
                self._transport.dtmf(digit, duration_ms)
            case Text(text=text):
                self._transport.written(text)
            case HungUp(cause=cause, by_caller=by_caller):
                # FreeSWITCH does not always say; that it was somebody else it says.
                self._session.end("hangup" if by_caller is False else "caller_hangup", cause)
                await self._transport.caller_gone()
            case MediaEnded(for_good=False) if line.has_audio:
                pass  # of a try that another one followed
            case MediaEnded():
                if not await self._renewed(event):
                    self._session.end("lost")
            case Disconnected() if line.joined:
                await self._transport.caller_gone()  # to a person; the session knows
            case Disconnected():
                self._session.end("lost")
                await self._transport.caller_gone()
            case _:
                pass

    async def _renewed(self, ended: MediaEnded) -> bool:
        """Whether the conversation can go on; also when the call has ended meanwhile, which its end tells."""
        self._session.timeline.note("audio_lost")
        self._transport.wire_lost()
        self._wire.lose()
        began = asyncio.get_running_loop().time()
        if ended.for_good:
            # Who has taken the call tells more of it in a moment, or our socket ends by itself.
            await asyncio.sleep(TAKEN_S)
        if ended.for_good or self._too_often(began):
            log.warning("the audio ended", reason=ended.reason, losses=len(self._losses))
            return False
        try:
            if not await self._had_again():
                return True
        except (MediaUnavailableError, LocalProtocolError, PhoneTimeoutError, TimeoutError) as error:
            log.warning("the audio ended and cannot be had again", reason=ended.reason, error=str(error))
            return False
        self._transport.wire_back()
        self._session.timeline.note("audio_renewed")
        took_ms = round((asyncio.get_running_loop().time() - began) * 1000)
        log.info("the audio ended and is back", reason=ended.reason, took_ms=took_ms)
        return True

    async def _had_again(self) -> bool:
        """False when the call has ended. Raises what the media does, and TimeoutError."""
        for _ in range(TRIES):
            # A caller who is being connected with a person needs no audio of ours, unless that fails.
            await self._live.line.joined_or_not()
            with suppress(CallEndedError):
                async with asyncio.timeout(RENEW_TIMEOUT_S):
                    self._wire.renew(await self._once_more())
                return True
            if not (self._live.line.live or self._live.line.joining):
                return False
        raise MediaUnavailableError(f"the call was not ours at {TRIES} tries")

    async def _once_more(self) -> Media:
        lost, tries = self._wire.media, TRIES
        if isinstance(lost, UnicastMedia):
            # One unicast per park: a fresh park, which the dialplan makes of a call that comes through the door anew.
            await self._through_the_door()
            tries = 1
        line = self._live.line
        for _ in range(tries - 1):
            try:
                return await reopen_media(line, lost, self._server)
            except (MediaUnavailableError, PhoneTimeoutError) as error:
                log.warning("the audio is not back yet", error=str(error))
            await asyncio.sleep(PAUSE_S)
        return await reopen_media(line, lost, self._server)

    async def _through_the_door(self) -> None:
        """To another connection; what the caller pressed, or anybody wrote, on the way out is not lost."""
        left = self._live.line
        await self._live.re_enter(RETURN_TIMEOUT_S)
        async for event in left.events():
            if isinstance(event, Dtmf | Text):
                await self._told(left, event)

    def _too_often(self, at: float) -> bool:
        self._losses.append(at)
        return len(self._losses) == MAX_LOSSES and at - self._losses[0] < LOSSES_WITHIN_S
