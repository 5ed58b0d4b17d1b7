"""The caller's side of a realtime stage: what belongs to a turn, and how much of an answer was heard. Pure.

All times are seconds of one monotonic clock.
"""

from typing import Final

import numpy as np
import soxr

from processors.realtime.speech_model import MODEL_RATE

MAX_TURN_S: Final = 60.0
"""Of one turn; what came before is forgotten."""
LEAD_S: Final = 0.6
"""Of what is heard before a voice is, so much may be its beginning."""
ALL_MS: Final = 10**9
PASSED_OVER_S: Final = 0.2
"""Behind a voice that was no turn the assistant speaks on after so long (`pipelines.barge_in.QUIET_S`)."""


class Utterance:
    """One call's audio, S16LE at `rate` Hz, kept until it has been answered, or was of no turn.

    It goes to a listener (a model's session) as it comes; another one gets all of the turn from its beginning.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kept = bytearray()
        self._given = 0
        """Bytes of it that the listener has."""
        self._listener: object | None = None
        self._up: soxr.ResampleStream | None = None
        self._voice: bool | None = None
        """None until the detector has said anything: there may have been a voice before we listened."""
        self._ended_at: float | None = None
        """When a voice ended of which nobody has said yet that it was a turn."""
        self.in_turn = False

    @property
    def empty(self) -> bool:
        """Whether nothing was heard."""
        return not self._kept

    def voice_began(self, at: float) -> None:
        """The detector hears a voice."""
        self._forget_what_was_nothing(at)
        if not self.in_turn and not self._voice:
            self._keep_last(LEAD_S)
        self._voice, self._ended_at = True, None

    def voice_ended(self, at: float) -> None:
        """It hears none any more."""
        self._voice, self._ended_at = False, at

    def turn_began(self, at: float) -> None:
        """The turn is the caller's: what is kept is its beginning."""
        self._forget_what_was_nothing(at)
        self.in_turn = True

    def heard(self, pcm: bytes, at: float) -> None:
        """More of what comes from the caller."""
        self._forget_what_was_nothing(at)
        self._kept += pcm
        self._keep_last(LEAD_S if self._voice is False and not self.in_turn else MAX_TURN_S)

    def answered(self) -> None:
        """It has been asked for an answer to all of this."""
        self._clear()
        self.in_turn = False

    def more_for(self, listener: object, *, last: bool = False) -> bytes:
        """What of the turn a listener does not have yet, at the model's rate; with the `last` of it, all that is left.

        Empty when it has everything.
        """
        if listener is not self._listener:
            self._listener, self._given, self._up = listener, 0, None
        pcm, self._given = bytes(self._kept[self._given :]), len(self._kept)
        if self._up is None:
            if not pcm:
                return b""
            self._up = soxr.ResampleStream(self._rate, MODEL_RATE, 1, dtype="int16")
        more = bytes(self._up.resample_chunk(np.frombuffer(pcm, "<i2"), last=last).tobytes())
        if last:
            self._up = None
        return more

    def _forget_what_was_nothing(self, at: float) -> None:
        if not self.in_turn and self._ended_at is not None and at - self._ended_at > PASSED_OVER_S:
            self._clear()
            self._ended_at = None

    def _keep_last(self, seconds: float) -> None:
        excess = len(self._kept) - int(seconds * self._rate) * 2
        if excess > 0:
            del self._kept[:excess]
            self._given = max(0, self._given - excess)

    def _clear(self) -> None:
        self._kept.clear()
        self._given = 0
        self._listener = self._up = None


class Audibility:
    """How much of a reply has been heard, over all its stretches of speech.

    It errs to the early side: while a voice is judged nothing is heard.
    """

    def __init__(self) -> None:
        self._before_s = 0.0
        """In the stretches that are over."""
        self._since: float | None = None
        self._held_at: float | None = None
        self._all = False

    def another(self) -> None:
        """Another reply is being said from now on: nothing of it has been heard."""
        self._before_s = 0.0
        self._since = None
        self._all = False

    def began(self, at: float) -> None:
        """The first sample of a stretch is heard."""
        self._all = False
        if self._since is None:
            self._since, self._held_at = at, None

    def ended(self, at: float, *, all_of_it: bool) -> None:
        """The stretch was heard to its end, and with it, for all that is known, the reply."""
        self._all = all_of_it
        if self._since is not None:
            self._before_s += max(0.0, (at if self._held_at is None else self._held_at) - self._since)
        self._since = None

    def voice_began(self, at: float) -> None:
        """The caller's voice holds it."""
        if self._held_at is None:
            self._held_at = at

    def voice_ended(self, at: float) -> None:
        """If that was no turn, it goes on in a moment."""
        if self._since is not None and self._held_at is not None:
            self._since += at + PASSED_OVER_S - self._held_at
        self._held_at = None

    def heard_ms(self, at: float) -> int:
        """So far; far more than there is where all of it was heard."""
        if self._all:
            return ALL_MS
        until = at if self._held_at is None else self._held_at
        now_s = 0.0 if self._since is None else max(0.0, until - self._since)
        return round((self._before_s + now_s) * 1000)
