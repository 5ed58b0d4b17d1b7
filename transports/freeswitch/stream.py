"""mod_audio_stream's downlink as values: what is said becomes messages, which come back as files to be played. Pure.

amigniter/mod_audio_stream ec2a781 (community edition); what it really sends is in `tests/data/captures/audio_stream_*`.
It takes the caller's audio to us like a fork, but plays nothing: audio sent to it is written to a file and announced by
`mod_audio_stream::play`. The files of one socket are numbered from 0 in the order of the messages
(`…/<channel>_<number>.tmp.r8`), and that number is all that tells what a file is.
"""

import base64
import re
from typing import Final

from base.ids import CallId

TYPICAL_DELAY_S: Final = 0.06
"""From a message to its first sound: 54 ms were measured."""
_NUMBERED: Final = re.compile(r"/(?P<call>[0-9A-Za-z_.-]+)_(?P<number>[0-9]{1,9})\.tmp\.r(8|16)$", re.ASCII)


def message(pcm: bytes, sample_rate: int) -> str:
    """The text that has mono S16LE written to a file. Raises ValueError for a rate whose file is played wrongly."""
    if sample_rate not in {8000, 16000}:
        # .r24 is read as 24-bit samples, .r32 as 32-bit ones; .r48 is not played at all.
        raise ValueError(f"{sample_rate} Hz; 8000 and 16000 are played rightly")
    audio = base64.b64encode(pcm).decode("ascii")
    return f'{{"type":"streamAudio","data":{{"audioDataType":"raw","sampleRate":{sample_rate},"audioData":"{audio}"}}}}'


class Playlist:
    """Which of the pieces sent on one socket are still wanted, and when the caller began to hear them.

    Times are seconds of any one clock.
    """

    def __init__(self, call_id: CallId) -> None:
        self._call_id = call_id
        self._sent = 0
        self._wanted_from = 0
        self._began: tuple[int, float] | None = None
        self._last_delay_s = TYPICAL_DELAY_S

    def sent(self, now: float) -> None:
        """One more piece was sent."""
        if self._began is None:
            self._began = (self._sent, now)
        self._sent += 1

    def ready(self, file: str) -> bool:
        """Whether a file that the module has written is to be played: it is this call's, and was not given up."""
        number = self._number(file)
        return number is not None and self._wanted_from <= number < self._sent

    def plays(self, file: str, now: float) -> None:
        """A file's first sound goes out."""
        if self._began is not None and self._number(file) == self._began[0]:
            self._last_delay_s = now - self._began[1]
            self._began = (-1, now)

    def cancel(self) -> None:
        """What was sent is given up: files that are still announced are not played."""
        self._wanted_from = self._sent
        self._began = None

    def paused(self) -> None:
        """All that was sent has been heard, as far as our clock tells: the next piece begins anew."""
        if self._began is not None and self._began[0] < 0:
            self._began = None

    def waits_s(self, now: float) -> float:
        """How long the first piece of an utterance has waited to be played; 0 when none does."""
        return now - self._began[1] if self._began is not None and self._began[0] >= 0 else 0.0

    def lag_s(self, now: float) -> float:
        """How far what is heard is behind what was sent to be heard at once."""
        if self._began is not None and self._began[0] >= 0:
            return max(now - self._began[1], self._last_delay_s)  # not heard at all yet
        return self._last_delay_s

    def _number(self, file: str) -> int | None:
        found = _NUMBERED.search(file)
        return int(found["number"]) if found is not None and found["call"] == self._call_id else None
