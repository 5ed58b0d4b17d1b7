"""Every codec against 20,000 inputs that it was not made for, and what such inputs have found."""

import tracemalloc
from collections.abc import Iterator

import pytest

from base.secret import Secret
from benchmarks.fuzzer import grammar, run
from benchmarks.fuzzer.codec import BrokenError
from benchmarks.fuzzer.run import CODECS, HangError, fuzz
from benchmarks.fuzzer.sockets import PATH, FakeWire
from benchmarks.fuzzer.streams import EslCodec
from control.peer.esl import MAX_COMMAND_BYTES, CommandReader, CommandTooLongError
from transports.freeswitch import esl
from transports.freeswitch.door_events import DoorEvent
from transports.freeswitch.errors import RemoteProtocolError
from transports.freeswitch.esl import EslDecoder
from transports.freeswitch.esl_client import SwitchAddress, SwitchClient, SwitchLimits
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.esl_switch import Over, SwitchMachine
from transports.freeswitch.esl_switch_commands import Auth
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.media_socket import MAX_UNSENT_BYTES, MediaSocket
from transports.freeswitch.words import Disconnected

INPUTS = 20_000


@pytest.mark.no_cover  # what it covers is covered elsewhere, and tracing it takes four times as long
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
async def test_no_input_breaks_a_codec(codec: run.Codec) -> None:
    tally = await fuzz(codec, 0, INPUTS)
    assert tally.inputs == INPUTS
    assert tally.words > INPUTS / 4, "most of it never got anywhere"
    assert len(tally.outcomes) > 1
    if codec.refuses_with:
        assert 0 < tally.refusals.total() < INPUTS


class TestTheFuzzerItself:
    async def test_the_same_number_is_the_same_input(self) -> None:
        one, two = [await fuzz(EslCodec(), 500, 200) for _ in range(2)]
        assert (one.octets, one.words, one.refusals) == (two.octets, two.words, two.refusals)

    @pytest.mark.parametrize(
        ("broken", "told"),
        [
            ("raises", "IndexError"),
            ("hoards", "bytes are held"),
            ("toils", "steps for"),
            ("depends on the cut", "in one piece"),
        ],
    )
    async def test_a_broken_codec_is_found(self, monkeypatch: pytest.MonkeyPatch, broken: str, told: str) -> None:
        feed = EslDecoder.feed

        def fed(decoder: EslDecoder, data: bytes) -> Iterator[esl.Message]:
            if broken == "raises" and b"\x00" in data:
                raise IndexError
            if broken == "toils":
                for _ in range(len(data) ** 2):
                    len(data)
            return feed(decoder, data[1:] if broken == "depends on the cut" and len(data) == 3 else data)

        monkeypatch.setattr(EslDecoder, "feed", fed)
        if broken == "hoards":
            monkeypatch.setattr(EslDecoder, "buffered_bytes", property(lambda _: esl.MAX_BODY_BYTES + 100_000))
        with pytest.raises(BrokenError, match=rf"esl, input \d+: .*{told}"):
            await fuzz(EslCodec(), 0, 2000)

    async def test_a_hang_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fed(_decoder: EslDecoder, _data: bytes) -> Iterator[esl.Message]:
            while True:
                pass

        monkeypatch.setattr(EslDecoder, "feed", fed)
        monkeypatch.setattr(run, "HANGS_AFTER_CPU_S", 0.1)
        with pytest.raises(HangError, match="esl, input 1"):
            await fuzz(EslCodec(), 1, 1)


NOTICE = b"Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye"
NONSENSE = b"no header\n\n"


class TestNonsenseBehindTheEnd:
    """The end and nonsense in one read: the end was lost, and whoever waited for it waited for ever."""

    def test_a_call_s_end_is_told(self) -> None:
        machine = DoorMachine()
        assert machine.receive(NOTICE + NONSENSE) == [Disconnected("FreeSWITCH let go of the call")]
        assert machine.receive(NONSENSE) == []

    async def test_a_wire_knows_that_it_is_over(self) -> None:
        wire, events = DoorWire(lambda _: True, max_events=9), list[DoorEvent]()
        wire.connection_made(FakeWire(unread=False))
        wire.data_received(NOTICE + NONSENSE)
        assert wire.over.is_set()
        events += [event async for event in wire.events()]
        assert [type(event) for event in events] == [Disconnected]

    def test_a_switch_connection_s_end_is_told(self) -> None:
        machine = SwitchMachine(Auth(Secret("ClueCon")))
        assert machine.receive(NOTICE + NONSENSE) == [Over("the switch let go")]

    async def test_a_client_is_closed_so_that_it_can_connect_again(self) -> None:
        client = SwitchClient(SwitchAddress(host="127.0.0.1", port=8021, login=Auth(Secret("ClueCon"))), SwitchLimits())
        client.connection_made(FakeWire(unread=False))
        client.data_received(NOTICE + NONSENSE)
        assert client.closed.is_set()


class TestBoundsOfTheDecoder:
    def test_a_block_s_bound_is_the_same_wherever_it_is_cut(self) -> None:
        for size, refused in ((esl.MAX_HEADER_BYTES, False), (esl.MAX_HEADER_BYTES + 1, True)):
            block = b"Content-Type: auth/request\n" + (b"A: " + b"x" * 1000 + b"\n") * (size // 1004 - 1) + b"B: "
            stream = block.ljust(size, b"y") + b"\n\n"
            for cut in (0, size - 5, size, size + 1):
                decoder, told = EslDecoder(), ""
                try:
                    for part in (stream[:cut], stream[cut:]):
                        list(decoder.feed(part))
                except RemoteProtocolError as error:
                    told = str(error)
                assert (f"more than {esl.MAX_HEADER_BYTES}" in told) is refused, (size, cut, told)

    def test_an_event_of_empty_lines_takes_no_more_than_its_size_and_some(self) -> None:
        body = b"a\n" * (esl.MAX_BODY_BYTES // 2)
        stream = b"Content-Type: text/event-plain\nContent-Length: %d\n\n" % len(body) + body
        tracemalloc.start()
        try:
            with pytest.raises(RemoteProtocolError, match="more than 4096 headers"):
                list(EslDecoder().feed(stream))
            assert tracemalloc.get_traced_memory()[1] < 5 * len(body)
        finally:
            tracemalloc.stop()

    def test_a_json_event_has_no_more_headers_than_a_plain_one(self) -> None:
        body = b'{"Event-Name":"X"' + b"".join(b',"h%d":""' % n for n in range(esl.MAX_HEADERS)) + b"}"
        with pytest.raises(RemoteProtocolError, match="more than 4096 headers"):
            list(EslDecoder().feed(b"Content-Type: text/event-json\nContent-Length: %d\n\n" % len(body) + body))


def test_the_scripted_switch_s_bound_is_the_same_wherever_a_command_is_cut() -> None:
    for size, refused in ((MAX_COMMAND_BYTES, False), (MAX_COMMAND_BYTES + 1, True)):
        stream = b"x" * size + b"\n\n"
        for cut in (0, size, size + 1):
            reader, told = CommandReader(), False
            try:
                commands = reader.feed(stream[:cut]) + reader.feed(stream[cut:])
                assert [len(command.line) for command in commands] == [size]
            except CommandTooLongError:
                told = True
            assert (told, reader.buffered_bytes) == (refused, 0)


class TestMediaSockets:
    PING = b"\x89\xe4" + bytes(104)
    CLOSE = b"\x88\x80" + bytes(4)
    EMPTY, EMPTY_END = b"\x00\x80" + bytes(4), b"\x80\x80" + bytes(4)

    def joined(self, *, unread: bool = False) -> tuple[MediaSocket, FakeWire]:
        socket, wire = MediaSocket(lambda _socket, path: 0 if path == PATH else 403), FakeWire(unread=unread)
        socket.connection_made(wire)
        socket.data_received(grammar.upgrade(PATH))
        assert socket.open
        return socket, wire

    @pytest.mark.parametrize("path", [PATH, "/media/another"])
    @pytest.mark.parametrize("early", [CLOSE, PING, b"\x82\x80" + bytes(4), b"\xff\xff"])
    async def test_frames_before_our_answer_end_it_and_nobody_is_admitted(self, path: str, early: bytes) -> None:
        # A close frame there used to raise an AssertionError; a ping was answered before the upgrade was.
        admitted: list[str] = []
        socket, wire = MediaSocket(lambda _socket, path: admitted.append(path) or 0), FakeWire(unread=False)
        socket.connection_made(wire)
        socket.data_received(grammar.upgrade(path) + early)
        assert (admitted, bytes(wire.written), wire.closing, socket.open) == ([], b"", True, False)
        assert socket.closed.is_set()

    async def test_half_a_frame_behind_the_request_does_no_harm(self) -> None:
        socket, wire = MediaSocket(lambda _socket, _path: 0), FakeWire(unread=False)
        socket.connection_made(wire)
        heard: list[bytes] = []
        socket.listen(heard.append)
        socket.data_received(grammar.upgrade(PATH) + b"\x82")
        socket.data_received(b"\x82" + bytes(4) + b"ab")
        assert heard == [b"ab"]

    async def test_a_message_of_empty_pieces_holds_no_memory(self) -> None:
        socket, _ = self.joined()
        heard: list[bytes] = []
        socket.listen(heard.append)
        socket.data_received(b"\x02\x82" + bytes(4) + b"ab")
        pieces = self.EMPTY * 5000
        socket.data_received(pieces)
        tracemalloc.start()
        try:
            for _ in range(4):
                socket.data_received(pieces)
            # Of what this code keeps: other threads of the process may do what they like meanwhile.
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/transports/*")])
            assert sum(trace.size for trace in ours.traces) < 50_000  # a list of them took 57 bytes for each
        finally:
            tracemalloc.stop()
        socket.data_received(self.EMPTY_END)
        assert heard == [b"ab"]

    async def test_who_pings_and_does_not_read_costs_no_memory(self) -> None:
        socket, wire = self.joined(unread=True)
        for _ in range(50):
            socket.data_received(self.PING * 100)
        assert len(wire.written) <= MAX_UNSENT_BYTES + len(self.PING)
        assert socket.open
