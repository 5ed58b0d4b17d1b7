"""mod_audio_fork's WebSocket as values: what it sends becomes frames, what we say becomes messages. Pure.

jambonz/freeswitch-modules 30f2189, started with a binary downlink; what it really sends is in
`tests/data/captures/audio_fork_*.ws`. Audio is mono S16LE at one rate both ways, in messages of any size: frames
merge (640 bytes for 320) and a message may end in the middle of one. Texts are our own metadata or what
`send_text` relays (see `text`). Marks are not used: a quiet sample of -1 fires them (in band), and `killAudio` swallows
them.
"""

from typing import Final

from base.ids import CallId
from transports.audio import frame_bytes

SUBPROTOCOL: Final = "audio.drachtio.org"
"""Offered by the module; the answer has to be this or none."""
KILL_AUDIO: Final = '{"type":"killAudio"}'
"""Forget what was sent and not yet played; streamed audio is silent with the next packet."""
LAG_MS: Final = 160
"""Two steps of 80 ms, in which the module moves audio into the call."""
MAX_MESSAGE_BYTES: Final = 1 << 20
"""A minute of 8 kHz; the module sends 20 ms at a time."""


def metadata(call_id: CallId) -> str:
    """What we have the module send when it has connected; it is no text of anybody's."""
    return f'{{"call":"{call_id}"}}'


class Uplink:
    """Cuts the caller's audio into frames of 20 ms at `sample_rate` Hz, whatever messages it comes in."""

    def __init__(self, sample_rate: int) -> None:
        self.frame_bytes: Final = frame_bytes(sample_rate)
        self._rest = bytearray()

    @property
    def buffered_bytes(self) -> int:
        """Less than a frame."""
        return len(self._rest)

    def take(self, message: bytes) -> list[bytes]:
        """The frames that a message completes."""
        self._rest += message
        whole = len(self._rest) // self.frame_bytes * self.frame_bytes
        frames = [bytes(self._rest[at : at + self.frame_bytes]) for at in range(0, whole, self.frame_bytes)]
        del self._rest[:whole]
        return frames
