"""Every recorded stream through its codec, in any chunking: whoever adds a recording to the folder has it read here."""

import base64
import random
from itertools import pairwise

import pytest

from benchmarks.fuzzer.sockets import FakeWire
from control.peer.esl import Command, CommandReader
from tests.transports.freeswitch.captures import from_us, load, names
from tests.transports.freeswitch.captures_ws import OPCODES, WsFrame, masked, rows, unmasked, ws_frames
from transports.freeswitch.fork import Uplink
from transports.freeswitch.media_socket import MediaSocket
from transports.freeswitch.unicast import UnicastCodec

EVENT_SOCKETS, WEB_SOCKETS, DATAGRAMS = names("*esl*"), names("*.ws*"), names("*.udp")
JOINED = [name for name in WEB_SOCKETS if " 101 " in rows(name)[0]["response"]["status_line"]]
PIECES = (1, 7, 40, 400, 4000)


def test_no_recording_is_left_out() -> None:
    # The bytes of an event socket are read in `test_esl`, over the same names.
    assert sorted(names("*")) == sorted({*EVENT_SOCKETS, *WEB_SOCKETS, *DATAGRAMS})
    assert (len(EVENT_SOCKETS), len(WEB_SOCKETS), len(DATAGRAMS)) >= (33, 10, 5)


def cut(stream: bytes, pieces: int, chance: random.Random) -> list[bytes]:
    edges = sorted({0, len(stream), *(chance.randrange(len(stream)) for _ in range(pieces - 1))})
    return [stream[a:b] for a, b in pairwise(edges)]


class Joined:
    """Our end of a recorded WebSocket, without a loop's sockets."""

    def __init__(self, name: str, chance: random.Random, pieces: int, status: int = 0) -> None:
        self.asked: list[str] = []
        self.heard: list[bytes] = []
        self.wire = FakeWire(unread=False)
        self.socket = MediaSocket(lambda _socket, path: self.asked.append(path) or status)
        self.socket.connection_made(self.wire)
        self.socket.listen(self.heard.append)
        for part in cut(base64.b64decode(rows(name)[0]["upgrade"]["raw_b64"]), min(pieces, 50), chance):
            self.socket.data_received(part)
        head, _, self._rest = bytes(self.wire.written).partition(b"\r\n\r\n")
        self.status_line, *lines = head.decode().split("\r\n")
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        self._answered = len(head) + 4

    def said(self) -> list[WsFrame]:
        """The frames of ours so far."""
        return unmasked(bytes(self.wire.written[self._answered :]))


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("name", JOINED)
async def test_a_web_socket_gives_the_same_messages_in_any_chunking(name: str, pieces: int) -> None:
    chance = random.Random(f"{name} {pieces}")
    joined, sent = Joined(name, chance, pieces), ws_frames(name, "fs")
    theirs = {key.lower(): value for key, value in rows(name)[0]["response"]["headers"]}
    assert joined.asked == [rows(name)[0]["upgrade"]["request_line"].split()[1]]
    assert joined.headers["sec-websocket-accept"] == theirs["sec-websocket-accept"]
    assert joined.headers.get("sec-websocket-protocol") == theirs.get("sec-websocket-protocol")

    stream = b"".join(masked(frame, chance.randbytes(4)) for frame in sent)
    most = 0
    for part in cut(stream, pieces, chance):
        joined.socket.data_received(part)
        most = max(most, joined.socket.buffered_bytes)
    audio = [frame.payload for frame in sent if frame.opcode == OPCODES["binary"]]
    assert joined.heard == audio
    assert joined.socket.counters.received == len(audio)
    assert joined.socket.counters.received_texts == sum(frame.opcode == OPCODES["text"] for frame in sent)
    assert most <= max(map(len, audio)) + 14, "no more than one frame is ever held"

    # Pings and a close are answered with their own payloads, and nothing else is said; the close ends TCP at once.
    answers = {OPCODES["ping"]: OPCODES["pong"], OPCODES["close"]: OPCODES["close"]}
    assert joined.said() == [WsFrame(answers[o], payload) for o, payload in sent if o in answers]
    assert joined.wire.closing is any(frame.opcode == OPCODES["close"] for frame in sent)
    joined.socket.connection_lost(None)
    assert joined.socket.closed.is_set()


@pytest.mark.parametrize("name", JOINED)
def test_the_audio_becomes_the_same_frames_in_any_chunking(name: str) -> None:
    rate = 16000 if "16k" in name else 8000
    messages = [frame.payload for frame in ws_frames(name, "fs") if frame.opcode == OPCODES["binary"]]
    audio, whole = b"".join(messages), Uplink(rate)
    frames = [frame for message in messages for frame in whole.take(message)]
    assert len(frames) > 20
    assert b"".join(frames) == audio, "a recording ends with a whole frame"
    chance = random.Random(name)
    for pieces in PIECES:
        codec = Uplink(rate)
        assert [frame for part in cut(audio, pieces, chance) for frame in codec.take(part)] == frames
        assert codec.buffered_bytes == 0


@pytest.mark.parametrize("name", sorted({*WEB_SOCKETS} - {*JOINED}))
async def test_a_refused_socket_is_refused_in_the_same_words(name: str) -> None:
    status_line = rows(name)[0]["response"]["status_line"]
    joined = Joined(name, random.Random(name), 3, status=int(status_line.split()[1]))
    assert joined.status_line == status_line
    assert (joined.wire.closing, joined.socket.open, joined.heard) == (True, False, [])


@pytest.mark.parametrize("name", [name for name in JOINED if "closed_by_server" in name or "server_closes" in name])
async def test_our_close_is_that_of_the_recording(name: str) -> None:
    joined = Joined(name, random.Random(name), 3)
    [close] = [frame for frame in ws_frames(name, "us") if frame.opcode == OPCODES["close"]]
    joined.socket.close(int.from_bytes(close.payload[:2], "big"), close.payload[2:].decode())
    assert joined.said() == [close]
    assert joined.wire.closing


@pytest.mark.parametrize("name", DATAGRAMS)
def test_datagrams_are_frames_of_the_call_s_size_or_nothing(name: str) -> None:
    codec, silence = UnicastCodec(8000), bytes(320)
    seen = set()
    for row in load(name):
        if row.by_switch:
            expected = None if len(row.data) != 320 else silence if set(row.data) == {0xFF} else row.data
            assert codec.decode(row.data) == expected
            seen.add(len(row.data))
    # A stream that was asked for in the channel's own codec is told by its size, and never heard as noise.
    assert seen <= {160, 320}


@pytest.mark.parametrize("name", EVENT_SOCKETS)
def test_what_was_said_to_freeswitch_is_read_the_same_in_any_chunking(name: str) -> None:
    said = from_us(name)
    whole = CommandReader().feed(b"".join(said))
    assert [command.line for command in whole] == [block.decode().split("\n")[0].strip() for block in said]
    chance = random.Random(name)
    for pieces in PIECES:
        reader, commands = CommandReader(), list[Command]()
        for part in cut(b"".join(said), pieces, chance):
            commands += reader.feed(part)
        assert (commands, reader.buffered_bytes) == (whole, 0)
