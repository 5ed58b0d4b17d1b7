"""The media bugs of a channel: mod_audio_fork's and mod_audio_stream's, as far as commands and events show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from control.peer.actions import CloseUnicast, OpenFork, OpenStream

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine

State = Literal["running", "left behind"] | None
"""One whose socket has ended stays behind: `start` fails until `stop`."""


class MediaBugs:
    """One channel's. They survive a park and end with the channel."""

    def __init__(self, machine: ChannelMachine) -> None:
        self._machine = machine
        self._fork: State = None
        self._stream: State = None

    def start_fork(self, url: str, rate: int, *, both_ways: bool) -> bool:
        """Whether a media bug could be put on the channel; the socket comes later, if at all."""
        if self._fork is not None:
            return False
        self._fork = "running"
        muted = not (both_ways and self._machine.writes_silence)
        self._machine.out.append(OpenFork(self._machine.channel.uuid, url, rate, muted=muted))
        return True

    def stop_fork(self) -> bool:
        """Whether there was a bug, running or left behind."""
        was, self._fork = self._fork, None
        self._close_if(was)
        return was is not None

    def fork_told(self, what: str, now: float, body: str = "") -> None:
        """The module tells of its socket, or of a message."""
        if what in {"connect_failed", "disconnect"}:
            self._fork = "left behind"
            self._machine.out.append(CloseUnicast(what))
        self._machine.event("CUSTOM", now, [("Event-Subclass", f"mod_audio_fork::{what}")], body)

    def start_stream(self, url: str, rate: int, now: float) -> bool:
        """As `start_fork`; a call without media gets early media."""
        if self._stream is not None:
            return False
        if not self._machine.channel.has_media:
            self._machine.media_began(now)
        self._stream = "running"
        self._machine.out.append(OpenStream(self._machine.channel.uuid, url, rate))
        return True

    def stop_stream(self) -> bool:
        """Whether there was a bug, running or left behind."""
        was, self._stream = self._stream, None
        self._close_if(was)
        return was is not None

    def stream_told(self, what: str, body: str, now: float) -> None:
        """The module tells of its socket, or of a file. After an error its bug is gone; after a close it stays."""
        if what in {"disconnect", "error"}:
            self._stream = "left behind" if what == "disconnect" else None
            self._machine.out.append(CloseUnicast(what))
        self._machine.event("CUSTOM", now, [("Event-Subclass", f"mod_audio_stream::{what}")], body)

    def end(self) -> bool:
        """The channel goes. Nothing else ends them: they survive the end of the socket, and listen in.

        Whether any ran: its WebSocket closes some 12 ms before CHANNEL_HANGUP is told, as was recorded.
        """
        running = "running" in (self._fork, self._stream)
        self.stop_fork()
        self.stop_stream()
        return running

    def _close_if(self, was: State) -> None:
        if was == "running":
            self._machine.out.append(CloseUnicast("stop"))
