"""Whether a media module may be started now without harm to the switch, and would be heard. Pure; one for one park.

A stream that ended without `stop` leaves its media bug behind, which refuses the next one: both modules do that. So the
one that takes a lost one's place begins with a `stop`; what is told of the lost one after that concerns nobody.
A fork of mod_audio_fork writes to the caller only while the park sends silence, which the switch looks up once, when
media begins.
"""

from typing import Final

from transports.freeswitch.errors import LocalProtocolError

MAX_TRIES: Final = 2


class StreamGuard:
    """Remembers what was asked in this park; enough for mod_audio_stream."""

    def __init__(self) -> None:
        self._running = False
        self._tries = 0
        self._left_behind = False
        self._old_may_tell = False

    @property
    def running(self) -> bool:
        """Whether one was asked for and has not ended, as far as is known."""
        return self._running

    def check(self) -> None:
        """Raises LocalProtocolError when one runs already."""
        if self._running:
            raise LocalProtocolError("a stream runs already")

    def asked(self) -> None:
        """The command was sent."""
        self._running, self._tries = True, 1

    def clears(self) -> bool:
        """Whether a `stop` has to go ahead of the command: a former one was lost. True once."""
        was, self._left_behind = self._left_behind, False
        self._old_may_tell = was
        return was

    def came(self) -> None:
        """Its socket is there: what is told from now on is told of this one."""
        self._old_may_tell = False

    def again(self) -> bool:
        """The switch refused it. Returns whether it is worth another try, behind a `stop`; counts that one."""
        if self._tries >= MAX_TRIES:
            return False
        self._tries += 1
        return True

    def end(self) -> bool:
        """It is over. Returns whether there was one."""
        was, self._running = self._running, False
        return was

    def lost(self, *, closed: bool = False) -> bool:
        """It has ended by itself, and may have left its bug behind. Returns whether it was this one.

        `closed`: the module tells that its socket was closed, which the former one's may have been.
        """
        if closed and self._old_may_tell:
            return False
        was = self.end()
        self._left_behind |= was
        return was


class ForkGuard(StreamGuard):
    """What a fork needs beside: silence of the park, chosen before the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen = False
        """The park sends silence: a fork is heard, unicast is not."""

    def choose(self, *, answered: bool) -> bool:
        """Returns whether that is news. Raises LocalProtocolError for a call that is `answered` (or will be)."""
        if self.chosen:
            return False
        if answered:
            raise LocalProtocolError("a fork has to be chosen before the answer")
        self.chosen = True
        return True

    def check(self) -> None:
        """Raises LocalProtocolError when one would not be heard, or runs already."""
        if not self.chosen:
            raise LocalProtocolError("a fork that was not chosen before the answer is not heard: re-enter the door")
        super().check()
