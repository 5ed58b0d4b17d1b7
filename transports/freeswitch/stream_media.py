"""A call's audio over mod_audio_stream, as the transport above wants it."""

import asyncio
from collections.abc import Callable
from typing import Final

from base.ids import CallId
from transports.freeswitch.door_events import FileEvent, FilePlays, FileReady, FileUnusable
from transports.freeswitch.media_socket import MediaSocket
from transports.freeswitch.socket_media import SocketMedia
from transports.freeswitch.stream import Playlist, message

LEAD_MS: Final = 1000
"""A file begins 25-60 ms after its audio was sent: half of this is always there for the next one."""


NOT_PLAYED_S: Final = 2.0
"""Nothing of an utterance is heard so long after it was sent: it is not going to be."""


class StreamMedia(SocketMedia):
    """Audio of one call: the caller's as frames of 20 ms at `sample_rate` Hz, ours ahead of time as files that
    the event socket has to play. Satisfies `MediaWire`.

    `play(file)` and `hush()` (stop all that plays or waits) say it over the event socket, `lost(reason, for_good)`
    tells that the caller hears nothing of us, and whether another stream would fare no better; they never raise.
    """

    def __init__(
        self,
        socket: MediaSocket,
        sample_rate: int,
        call_id: CallId,
        *,
        play: Callable[[str], None],
        hush: Callable[[], None],
        lost: Callable[[str, bool], None],
    ) -> None:
        super().__init__(socket, sample_rate)
        self._playlist = Playlist(call_id)
        self._play, self._hush, self._lost = play, hush, lost
        self._time = asyncio.get_running_loop().time

    @property
    def burst_ms(self) -> int:
        """See `lead_ms`."""
        return 0

    @property
    def lead_ms(self) -> int:
        """How far ahead audio is wanted."""
        return LEAD_MS

    @property
    def lag_ms(self) -> int:
        """How long after our clock the caller hears it, as measured at the last utterance's beginning."""
        return round(self._playlist.lag_s(self._time()) * 1000)

    def send(self, pcm: bytes) -> None:
        """Have this much played behind what was sent before; nothing means that all of it was. See MediaWire."""
        now = self._time()
        if self._playlist.waits_s(now) > NOT_PLAYED_S:
            self._playlist.cancel()
            self._lost("FreeSWITCH does not play what was said", False)
        elif not pcm:
            self._playlist.paused()
        elif self._socket.send_text(message(pcm, self.sample_rate)):
            self._playlist.sent(now)

    def flush(self) -> None:
        """Silence within 25 ms, and what is still being written is not played; see MediaWire."""
        self._playlist.cancel()
        self._hush()

    def on_file(self, event: FileEvent) -> None:
        """What the event socket tells of the files."""
        match event:
            case FileReady(file):
                if self._playlist.ready(file):
                    self._play(file)
            case FileUnusable():
                self._lost("FreeSWITCH writes what was said where we do not look for it", True)
            case FilePlays(file):
                self._playlist.plays(file, self._time())
            case _:
                pass  # when a file ends is known: our clock plays as fast as the switch's
