"""The event socket as FreeSWITCH speaks it: commands in, replies and events out. No I/O."""

from msgspec import Struct, structs

from control.peer.facts import Channel, Headers, encode, stamps

MAX_COMMAND_BYTES = 64 * 1024
GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"

WRITTEN_AT: dict[str, tuple[str, str, int]] = {
    "CHANNEL_DATA": ("mod_event_socket.c", "parse_command", 2029),
    "CHANNEL_PARK": ("switch_ivr.c", "switch_ivr_park", 1002),
    "CHANNEL_UNPARK": ("switch_ivr.c", "switch_ivr_park", 1213),
    "CHANNEL_EXECUTE": ("switch_core_session.c", "switch_core_session_exec", 2949),
    "CHANNEL_EXECUTE_COMPLETE": ("switch_core_session.c", "switch_core_session_exec", 2972),
    "CHANNEL_PROGRESS_MEDIA": ("switch_channel.c", "switch_channel_perform_mark_pre_answered", 3562),
    "CHANNEL_ANSWER": ("switch_channel.c", "switch_channel_perform_mark_answered", 3848),
    "CHANNEL_STATE": ("switch_channel.c", "switch_channel_perform_set_running_state", 2409),
    "CHANNEL_HANGUP": ("switch_channel.c", "switch_channel_perform_hangup", 3447),
    "CHANNEL_HANGUP_COMPLETE": ("switch_core_state_machine.c", "switch_core_session_reporting_state", 943),
    "CHANNEL_BRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1689),
    "CHANNEL_UNBRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1879),
    "DTMF": ("switch_channel.c", "switch_channel_dequeue_dtmf", 678),
    "PLAYBACK_START": ("switch_ivr_play_say.c", "switch_ivr_play_file", 1649),
    "PLAYBACK_STOP": ("switch_ivr_play_say.c", "switch_ivr_play_file", 2023),
    "BACKGROUND_JOB": ("mod_event_socket.c", "api_exec", 1580),
    "CUSTOM": ("mod_audio_fork.c", "responseHandler", 22),
}
"""Event → source file, function and line in FreeSWITCH 1.11.2."""

WITHOUT_VARIABLES = frozenset({"DTMF", "CHANNEL_STATE"})


class CommandTooLongError(ValueError):
    """The service sent more than `MAX_COMMAND_BYTES` without the empty line that ends a command."""


class Command(Struct, frozen=True):
    """One command: its first line, and the lines after it by lower-case name."""

    line: str
    headers: dict[str, str]
    body: str = ""
    """As many octets as `Content-Length` said."""

    @property
    def verb(self) -> str:
        return self.line.partition(" ")[0].lower()

    @property
    def arguments(self) -> str:
        return self.line.partition(" ")[2].strip()


class CommandReader:
    """Cuts a byte stream into commands; each ends with an empty line, or with the body that it announced."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    @property
    def buffered_bytes(self) -> int:
        """Of a command that is not whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Command]:
        """The commands that are complete now.

        Raises:
            CommandTooLongError: no end within the limit.
        """
        self._buffer += data.replace(b"\r", b"")
        commands: list[Command] = []
        while (end := self._buffer.find(b"\n\n", max(self._searched - 1, 0))) >= 0:
            self._check(end)
            command = _parse(bytes(self._buffer[:end]))
            begin = end + 2
            size = 0 if command is None else _length(command)
            self._check(end + size)
            if len(self._buffer) < begin + size:
                self._searched = end
                return commands
            body = bytes(self._buffer[begin : begin + size]).decode("utf-8", "replace")
            del self._buffer[: begin + size]
            self._searched = 0
            if command is not None:
                commands.append(structs.replace(command, body=body))
        self._searched = len(self._buffer)
        self._check(self._searched - 1)  # the last byte may be half of the end
        return commands

    def _check(self, size: int) -> None:
        if size > MAX_COMMAND_BYTES:
            self._buffer.clear()
            self._searched = 0
            raise CommandTooLongError(f"a command is longer than {MAX_COMMAND_BYTES} bytes")


def _parse(block: bytes) -> Command | None:
    lines = block.decode("utf-8", "replace").strip("\n").split("\n")
    if not lines[0]:
        return None
    pairs = (line.partition(":") for line in lines[1:])
    return Command(lines[0].strip(), {name.strip().lower(): value.strip() for name, _, value in pairs})


def _length(command: Command) -> int:
    text = command.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _block(headers: Headers) -> bytes:
    return ("\n".join(f"{name}: {value}" for name, value in headers) + "\n\n").encode()


def reply(text: str, *extra: tuple[str, str]) -> bytes:
    """A `command/reply`."""
    return _block([("Content-Type", "command/reply"), ("Reply-Text", text), *extra])


def api_response(body: str) -> bytes:
    """The answer to `api`."""
    raw = body.encode()
    return _block([("Content-Type", "api/response"), ("Content-Length", str(len(raw)))]) + raw


def disconnect_notice(channel: Channel, linger_s: int | None = None) -> bytes:
    """The last words; with `linger_s` those that announce how long FreeSWITCH stays after the hang-up."""
    headers = [("Content-Type", "text/disconnect-notice"), ("Controlled-Session-UUID", channel.uuid)]
    if linger_s is not None:
        headers += [("Content-Disposition", "linger"), ("Channel-Name", channel.name)]
        return _block([*headers, ("Linger-Time", str(linger_s)), ("Content-Length", "0")])
    headers += [("Content-Disposition", "disconnect"), ("Content-Length", str(len(GOODBYE)))]
    return _block(headers) + GOODBYE.encode()


class EventWriter:
    """Writes events with FreeSWITCH's own headers, numbered."""

    def __init__(self, core_uuid: str, sequence: int = 500) -> None:
        self._core_uuid = core_uuid
        self._sequence = sequence

    def connect_reply(self, channel: Channel, now_us: int) -> bytes:
        """The reply to `connect`: the channel's data with everything that is known of it."""
        headers = self._core("CHANNEL_DATA", now_us) + channel.profile("Channel") + channel.basics()
        headers += channel.profile("Caller") + channel.variables.headers()
        tail = [("Content-Type", "command/reply"), ("Reply-Text", "+OK\n"), ("Socket-Mode", "async")]
        return _encoded([*headers, *tail, ("Control", "full")])

    def event(self, name: str, channel: Channel, now_us: int, extra: Headers, body: str = "") -> tuple[bytes, bytes]:
        """Outer header and body; FreeSWITCH writes them one after the other. The event may have a `body` of its own."""
        headers = self._core(name, now_us)
        if name == "CUSTOM":
            headers, extra = [*extra, *headers], []
        if name == "CHANNEL_HANGUP_COMPLETE":
            headers.append(("Hangup-Cause", channel.cause))
        headers += channel.basics() + channel.profile("Caller")
        if name not in WITHOUT_VARIABLES:
            headers += channel.variables.headers()
        if not body:
            return _framed(_encoded(headers + extra))
        raw = body.encode()
        return _framed(_encoded([*headers, *extra, ("Content-Length", str(len(raw)))]) + raw)

    def job(self, now_us: int, extra: Headers, result: str) -> tuple[bytes, bytes]:
        """BACKGROUND_JOB, which has a body of its own."""
        raw = result.encode()
        headers = [*self._core("BACKGROUND_JOB", now_us), *extra, ("Content-Length", str(len(raw)))]
        return _framed(_encoded(headers) + raw)

    def _core(self, name: str, now_us: int) -> Headers:
        self._sequence += 1
        file, function, line = WRITTEN_AT[name]
        return [
            ("Event-Name", name),
            ("Core-UUID", self._core_uuid),
            ("FreeSWITCH-Hostname", "pbx.example"),
            ("FreeSWITCH-Switchname", "pbx.example"),
            ("FreeSWITCH-IPv4", "127.0.0.1"),
            ("FreeSWITCH-IPv6", "::1"),
            *stamps(now_us),
            ("Event-Calling-File", file),
            ("Event-Calling-Function", function),
            ("Event-Calling-Line-Number", str(line)),
            ("Event-Sequence", str(self._sequence)),
        ]


def _encoded(headers: Headers) -> bytes:
    plain = {"Content-Type"}
    return _block([(name, value if name in plain else encode(value)) for name, value in headers])


def _framed(body: bytes) -> tuple[bytes, bytes]:
    return _block([("Content-Length", str(len(body))), ("Content-Type", "text/event-plain")]), body
