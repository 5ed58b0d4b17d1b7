"""The audio of one park: which wire may be started now, and what FreeSWITCH tells of it. Pure; `DoorMachine`'s half.

One park carries one wire. Two of the three kill a whole switch when they are started before the call has media: all
of it is behind `rate`, which is there only then.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from base.ids import CallId
from transports.freeswitch.door_events import (
    DoorEvent,
    FileOver,
    FilePlays,
    FileReady,
    FileUnusable,
    Refused,
    SocketAccepted,
    UnicastAccepted,
)
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl import Event, Headers
from transports.freeswitch.esl_commands import (
    Command,
    EventClass,
    ForkStart,
    ForkStop,
    KeysDoNotStop,
    Play,
    SendSilenceWhenIdle,
    StreamStart,
    StreamStop,
    Unicast,
)
from transports.freeswitch.esl_encoding import checked_sound_file
from transports.freeswitch.esl_facts import read_codec_of, read_rate_of, sequence_of
from transports.freeswitch.esl_switch_commands import BreakAll, Kill
from transports.freeswitch.stream_guard import ForkGuard, StreamGuard
from transports.freeswitch.unicast_guard import NoDatagrams, UnicastGuard
from transports.freeswitch.words import Hello, MediaEnded
from transports.wire import carried_rate

_SILENCE: Final = "send_silence_when_idle"
_ENDS_UNICAST: Final = {"PLAYBACK_START": "playback", "CHANNEL_BRIDGE": "bridge", "CHANNEL_UNPARK": "unpark"}
_TAKEN: Final = {"CHANNEL_BRIDGE", "CHANNEL_UNPARK"}
"""Somebody else moves the call: a door that is re-entered then would cut people apart, or freeze the call."""
_ENDS_FORK: Final = {
    EventClass.FORK_CONNECT_FAILED.value: "the switch could not connect",
    EventClass.FORK_DISCONNECT.value: "the media socket was lost",
}
_ENDS_STREAM: Final = {
    EventClass.STREAM_ERROR.value: "the switch could not connect, or the media socket broke",
    EventClass.STREAM_DISCONNECT.value: "the media socket was lost",
}
_CLOSED: Final = {EventClass.FORK_DISCONNECT.value, EventClass.STREAM_DISCONNECT.value}


class _FileNews(Struct, frozen=True):
    """The body of `mod_audio_stream::play`; it has more."""

    file: str


class DoorMedia:
    """The three wires of one park.

    `say` sends a command; `require_live` raises LocalProtocolError when the call is over.
    Every wish raises LocalProtocolError when it could do harm or would not be heard; nothing was said then.
    """

    def __init__(self, say: Callable[[Command], None], require_live: Callable[[str], None]) -> None:
        self._say = say
        self._require_live = require_live
        self._unicast = UnicastGuard()
        self._fork = ForkGuard()
        self._stream = StreamGuard()
        self._call_id = CallId("")
        self._told_at = 0
        self.rate: int | None = None
        """The read codec's, in Hz; None before the call is answered and has media."""
        self.codec = ""
        """The read codec's name as FreeSWITCH has it; empty where `rate` is None."""
        self.answering = False
        """The call is answered, or will be."""

    @property
    def fork_chosen(self) -> bool:
        """Whether this park sends silence: audio goes by a fork, and by no unicast."""
        return self._fork.chosen

    @property
    def streaming(self) -> bool:
        """Whether a fork or a stream was asked for and has not ended, as far as FreeSWITCH has told."""
        return self._fork.running or self._stream.running

    @property
    def alive(self) -> bool:
        """Whether there is audio by any wire, or will be, as far as is known."""
        return self.streaming or self._unicast.alive

    def told(self, hello: Hello, sequence: int) -> None:
        """`connect` was answered, at this place among the switch's events."""
        self._call_id, self._told_at = hello.call_id, sequence
        # The dialplan, or we in an earlier park of this channel.
        self._fork.chosen = hello.variables.get(_SILENCE, "0") not in {"", "0", "false"}

    def has_codec(self, headers: Headers) -> None:
        """The call is answered; these headers may name its codec."""
        self.answering = True
        self.rate, self.codec = read_rate_of(headers), read_codec_of(headers)

    # Wishes

    def unicast(
        self,
        switch: tuple[str, int],
        ours: tuple[str, int],
        evidence: NoDatagrams | None = None,
        *,
        native: bool = False,
    ) -> None:
        """Start the unicast stream between FreeSWITCH's (host, port) and ours, decoded or as the call's RTP has it.

        `evidence` is needed for another try in the same park. Refused: no media yet, a stream that may be alive, a
        port named before, a park that has had its one.
        """
        self._require_live("unicast")
        if self._fork.chosen:
            raise LocalProtocolError("unicast in a park that sends silence would not be heard: re-enter the door")
        if self.rate is None:
            raise LocalProtocolError("unicast before CHANNEL_ANSWER would crash the switch")
        self._require_no_stream()
        self._unicast.check(switch[1], evidence)
        self._say(Unicast(*switch, *ours, native))
        self._unicast.asked(switch[1])

    def datagram_heard(self) -> None:
        """The stream is alive: no other can be started in this park."""
        self._unicast.heard()

    def prepare_fork(self) -> None:
        """Choose mod_audio_fork for this park, before the answer: else nothing of ours is heard. Idempotent.

        Refused when the call is answered already and was not prepared then.
        """
        self._require_live("fork")
        if self._fork.choose(answered=self.answering):
            self._say(SendSilenceWhenIdle(self._call_id))

    def fork(self, url: str) -> None:
        """Start the fork to our WebSocket at `url`. Refused: no media yet, not prepared, a stream that runs already."""
        self._require_live("fork")
        if self.rate is None:
            raise LocalProtocolError("uuid_audio_fork before CHANNEL_ANSWER would crash the switch")
        self._require_no_stream()
        self._fork.check()
        if self._fork.clears():
            self._say(ForkStop(self._call_id))
        self._say(ForkStart(self._call_id, url, carried_rate(self.rate)))
        self._fork.asked()

    def stream(self, url: str) -> None:
        """Start mod_audio_stream to our WebSocket at `url`. Refused: no media yet, unicast, a stream that runs."""
        self._require_live("stream")
        if self.rate is None:
            raise LocalProtocolError("uuid_audio_stream before the answer would stream early media")
        self._require_no_stream()
        if self._unicast.alive:
            raise LocalProtocolError("playing a file would end unicast: re-enter the door")
        self._say(KeysDoNotStop(self._call_id))
        if self._stream.clears():
            self._say(StreamStop(self._call_id))
        self._say(StreamStart(self._call_id, url, carried_rate(self.rate)))
        self._stream.asked()

    def socket_came(self) -> None:
        """The media socket of what was asked for is open."""
        self._fork.came()
        self._stream.came()

    def socket_lost(self) -> bool:
        """Our end of the media socket knows that it is of no use any more. Whether that is news."""
        return self._fork.lost() or self._stream.lost()

    def play(self, file: str) -> None:
        """Play a file that FileReady named, behind those asked for before."""
        self._require_live("play")
        if not self._stream.running:
            raise LocalProtocolError("nothing streams that files would belong to")
        self._say(Play(file))

    def break_all(self) -> None:
        """Stop the file that plays and forget those that wait."""
        self._require_live("break")
        self._say(BreakAll(self._call_id))

    def quieten(self) -> None:
        """Let no file play on into what comes; the stream stays."""
        if self._stream.running:
            self._say(BreakAll(self._call_id))

    def leave(self) -> None:
        """Stop what would outlive the door, and listen in on whoever comes next."""
        if self._fork.end():
            self._say(ForkStop(self._call_id))
        if self._stream.end():
            self._say(BreakAll(self._call_id))
            self._say(StreamStop(self._call_id))

    # What comes

    def replied(self, command: Command, text: str, *, ok: bool, live: bool) -> list[DoorEvent]:
        """The reply to any command that is none of the greeting's."""
        match command:
            case Unicast():
                self._unicast.replied(ok)
                return [UnicastAccepted(command.local_port) if ok else Refused(command, text)]
            case ForkStart():
                return self._socket_replied(self._fork, command, ForkStop(command.call_id), text, ok=ok, live=live)
            case StreamStart():
                return self._socket_replied(self._stream, command, StreamStop(command.call_id), text, ok=ok, live=live)
            case ForkStop() | StreamStop() | BreakAll() | Kill():
                return []  # what is left may be gone by itself: there is nothing to stop then
        return [] if ok else [Refused(command, text)]

    def custom(self, event: Event, *, live: bool) -> list[DoorEvent]:
        """A module's own event; `live` while the call is not hung up."""
        kind = event.headers.get("Event-Subclass", "")
        if kind == EventClass.STREAM_PLAY.value:
            return self._file_ready(event) if live and self._stream.running else []
        closed = kind in _CLOSED
        ended = (kind in _ENDS_FORK and self._fork.lost(closed=closed)) or (
            kind in _ENDS_STREAM and self._stream.lost(closed=closed)
        )
        return [MediaEnded((_ENDS_FORK | _ENDS_STREAM)[kind])] if ended and live else []

    def event(self, event: Event) -> list[DoorEvent]:
        """Any other event of the channel, while the call is not hung up."""
        if sequence_of(event.headers) < self._told_at:
            return []  # what happened before this connection belongs to an earlier park
        found: list[DoorEvent] = []
        file = event.headers.get("Playback-File-Path", "")
        if self._stream.running and event.name == "PLAYBACK_START":
            found.append(FilePlays(file))
        elif self._stream.running and event.name == "PLAYBACK_STOP":
            found.append(FileOver(file, whole=event.headers.get("Playback-Status") == "done"))
        reason = _ENDS_UNICAST.get(event.name)
        # A module streams on during a bridge: it would listen in on people who do not talk to us.
        overheard = event.name == "CHANNEL_BRIDGE" and self.streaming
        if reason is not None and (self._unicast.spoil() or overheard):
            found.append(MediaEnded(reason, for_good=event.name in _TAKEN))
        return found

    def _socket_replied(
        self, guard: StreamGuard, command: Command, stop: Command, text: str, *, ok: bool, live: bool
    ) -> list[DoorEvent]:
        if ok:
            return [SocketAccepted()]
        if live and guard.again():
            self._say(stop)
            self._say(command)
            return []
        guard.end()
        return [Refused(command, text)]

    def _file_ready(self, event: Event) -> list[DoorEvent]:
        try:
            return [FileReady(checked_sound_file(msgspec.json.decode(event.body, type=_FileNews).file))]
        except (msgspec.DecodeError, LocalProtocolError):
            return [FileUnusable()]

    def _require_no_stream(self) -> None:
        if self.streaming:
            raise LocalProtocolError("a fork or a stream runs already")
