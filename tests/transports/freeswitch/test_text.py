"""Texts into a call and out of it: what counts as one, what is refused, and that none is ever more than a text."""

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from base.ids import CallId
from benchmarks.fuzzer import grammar
from benchmarks.fuzzer.sockets import PATH, FakeWire
from control.peer.esl import CommandReader
from tests.transports.freeswitch.captures_ws import rows
from tests.transports.freeswitch.test_esl_door import ANSWERED, API_OK, FORK_OK, NOTICE, OK, UUID, live
from tests.transports.freeswitch.test_esl_server import Script, Switch, door, ring
from tests.transports.freeswitch.test_legs import taken
from transports.freeswitch.door_events import TextRefused
from transports.freeswitch.errors import CallEndedError, LocalProtocolError, MediaUnavailableError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_commands import SendText
from transports.freeswitch.esl_encoding import encode
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.fork import metadata
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.media_socket import MediaSocket
from transports.freeswitch.text import MAX_TEXT_CHARS, message_of, text_of
from transports.freeswitch.words import Disconnected, DoorName, HangupCause, Text

HEAD = b"sendevent CUSTOM\nEvent-Subclass: atende::text-out\nUnique-ID: %b\nContent-Length: %d\n\n"
LONGEST = "á" * MAX_TEXT_CHARS


def written(body: str, call_id: str = UUID, subclass: str = "atende%3A%3Atext") -> bytes:
    """The event of somebody who writes, as an event socket tells it."""
    inner = f"Event-Subclass: {subclass}\nEvent-Name: CUSTOM\nUnique-ID: {call_id}\n"
    inner += f"Content-Length: {len(body.encode())}\n\n{body}"
    return f"Content-Length: {len(inner.encode())}\nContent-Type: text/event-plain\n\n{inner}".encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Vocês abrem no sábado?", "Vocês abrem no sábado?"),
        ("  two\nlines\r\n\tand\x00 more\u2028here ", "two lines and more here"),
        ('{"type":"json","data":{"text":"it\'s \\"me\\"\\nhere"}}', 'it\'s "me" here'),
        ('{"type":"json","data":{"text":"olá"},"more":1}', "olá"),
        ("[smiles] yes", "[smiles] yes"),
        ("👍", "👍"),
        (LONGEST, LONGEST),
        (json.dumps({"type": "json", "data": {"text": LONGEST}}), LONGEST),
    ],
)
def test_what_is_a_text(raw: str, words: str) -> None:
    assert text_of(raw) == Text(words)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        (" \n\x00", "empty"),
        ('{"type":"json","data":{"text":"  "}}', "empty"),
        (LONGEST + "á", "too long"),
        (json.dumps({"type": "json", "data": {"text": LONGEST + "á"}}), "too long"),
        (" " * 8 * MAX_TEXT_CHARS + "a", "too long"),
        ('{"type":"dtmf","digit":"5"}', "another message"),
        ('{"type":"json","data":{"x":1}}', "another message"),
        ('{"type":"mark","data":{"name":"a","event":"playout"}}', "another message"),
        (' {"type":"json","data":{"text":7}}', "another message"),
        ("{not json", "another message"),
        ('{"data":' * 3000, "another message"),
    ],
)
def test_what_is_none(raw: str, reason: str) -> None:
    assert text_of(raw) == TextRefused(reason)


@given(st.text())
def test_whatever_is_written_is_one_line_or_refused(raw: str) -> None:
    match text_of(raw):
        case Text(words):
            assert words == " ".join(words.split())
            assert words.isprintable()
            assert 1 <= len(words) <= len(raw)
        case TextRefused(reason):
            assert reason in {"empty", "another message"}


@given(st.text())
def test_what_goes_out_comes_in_as_the_same(text: str) -> None:
    try:
        message = message_of(text)
    except LocalProtocolError:
        assert not any(letter.isprintable() and not letter.isspace() for letter in text)
        return
    assert text_of(message) == Text(json.loads(message)["data"]["text"])
    assert list(json.loads(message)) == ["type", "data"]


@given(st.text(min_size=1) | st.text("\r\n: {}\"'$;%\\ab", min_size=1))
def test_no_text_adds_a_header_a_line_or_a_command(text: str) -> None:
    try:
        said = encode(SendText(CallId(UUID), text))
    except LocalProtocolError:
        return
    body = said.partition(b"\n\n")[2]
    assert said == HEAD % (UUID.encode(), len(body)) + body
    assert not {*b"\r\n"} & {*body}
    after = CommandReader().feed(said + b"exit\n\n")
    assert [(command.line, command.body) for command in after] == [("sendevent CUSTOM", body.decode()), ("exit", "")]


@given(st.lists(st.text(min_size=1, max_size=20), max_size=4), st.lists(st.integers(0, 600), max_size=6))
def test_the_peer_reads_bodies_the_same_however_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    bodies = [text.replace("\r", "") for text in texts]
    heads = (f"sendevent CUSTOM\nContent-Length: {len(body.encode())}\n\n" for body in bodies)
    stream = b"".join((head + body).encode() + b"exit\n\n" for head, body in zip(heads, bodies, strict=True))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = CommandReader()
    read = [command for a, b in pairwise(edges) for command in reader.feed(stream[a:b])]
    assert [command.body for command in read if command.line != "exit"] == bodies
    assert [command.line for command in read] == ["sendevent CUSTOM", "exit"] * len(bodies)
    assert reader.buffered_bytes == 0


@pytest.mark.parametrize("text", ["", " \n ", "\x00", LONGEST + "á"])
def test_a_text_of_no_length_or_too_much_does_not_go_out(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="1 to 4000"):
        encode(SendText(CallId(UUID), text))
    assert len(json.loads(message_of(LONGEST))["data"]["text"]) == MAX_TEXT_CHARS


class TestTheMachine:
    def test_a_text_of_its_own_call_is_told(self) -> None:
        machine = live("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
        assert machine.receive(written("olá")) == [Text("olá")]
        assert machine.receive(written("olá", call_id="another")) == []
        assert machine.receive(written("olá", subclass="atende%3A%3Atext-out")) == []
        assert machine.receive(written("")) == [TextRefused("empty")]
        machine.hang_up(HangupCause.NORMAL_CLEARING)
        assert machine.receive(written("olá")) == []

    def test_so_is_one_that_comes_while_the_call_may_still_be_ours(self) -> None:
        machine = taken()
        machine.join()
        assert machine.receive(written("one moment")) == [Text("one moment")]
        machine = live("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
        machine.give_back(DoorName.AGAIN)
        assert machine.receive(written("olá")) == [Text("olá")]
        machine.receive_eof()
        assert machine.receive(written("olá")) == []

    def test_a_text_goes_out_while_the_call_is_ours(self) -> None:
        machine = live()
        machine.send_text("até já")
        body = '{"type":"json","data":{"text":"até já"}}'.encode()
        assert machine.data_to_send() == HEAD % (UUID.encode(), len(body)) + body
        assert machine.receive(OK.replace(b"+OK", b"+OK 7f4de4bc")) == []
        with pytest.raises(LocalProtocolError):
            machine.send_text("")
        machine.hang_up(HangupCause.NORMAL_CLEARING)
        machine.data_to_send()
        with pytest.raises(LocalProtocolError, match="not live"):
            machine.send_text("too late")
        assert machine.data_to_send() == b""


async def answer(switch: Switch, *replies: bytes) -> None:
    """Greet the service, and answer so many of its commands."""
    await switch.greet("Answer-State: ringing")
    for reply in replies:
        await switch.hear()
        await switch.say(reply)


class TestTheCall:
    async def test_a_call_that_is_not_ours_has_no_texts(self) -> None:
        wire = DoorWire(lambda _: True, max_events=4)
        wire.text_came("olá")
        wire.text_came("")
        assert (len(wire._events), wire.refused_texts) == (0, 0)

    async def test_a_socket_that_we_have_closed_delivers_none(self) -> None:
        socket, heard = MediaSocket(lambda _socket, _path: 0), list[str]()
        socket.connection_made(FakeWire(unread=False))
        socket.listen_text(heard.append)
        text = b"\x81\x83" + bytes(4) + b"oi!"
        socket.data_received(grammar.upgrade(PATH))
        socket.data_received(text)
        socket.close()
        socket.data_received(text)
        assert heard == ["oi!"]

    async def test_texts_beyond_the_bound_are_dropped_and_those_refused_are_counted(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.closed()

        service = Script(act)
        async with door(service, max_events=4) as server, ring(server) as switch:
            await switch.greet()
            await service.begun()
            await switch.say(written("") * 3 + written("olá") * 50 + NOTICE)
            await service.finished()
        assert service.events[:-1] == [Text("olá")] * 4
        assert isinstance(service.events[-1], Disconnected)
        wire = service.calls[0]._wire
        assert (wire.dropped_texts, wire.refused_texts) == (46, 3)

    async def test_of_a_fork_s_messages_only_what_somebody_wrote_is_told(self) -> None:
        """As recorded, but with the metadata behind the audio, and once more at the end."""
        recorded = [
            row["text"] for row in rows("audio_fork_8k_bidirectional.ws")[1:] if row["dir"] == "fs" and "text" in row
        ]
        assert len(recorded) == 3, "metadata, a mark and a key"
        async with MediaServer("127.0.0.1", 0) as media:

            async def act(call: DoorCall) -> None:
                call.choose_fork()
                await call.answer()
                await call.start_fork(media)
                await call.send_text("até já")
                with pytest.raises(LocalProtocolError, match="1 to 4000"):
                    await call.send_text("")

            service = Script(act)
            async with door(service) as server, ring(server) as switch:
                await answer(switch, API_OK, OK + ANSWERED)
                started = await switch.hear()
                told = metadata(CallId(UUID))
                assert f" {told} true".encode() in started
                url = started.split()[4].decode()
                async with connect(url, compression=None) as module:
                    await switch.say(FORK_OK)
                    await module.send(bytes(320))
                    for text in (told, *recorded[1:], "Vocês abrem", told, "no sábado?"):
                        await module.send(text)
                    assert await module.recv() == '{"type":"json","data":{"text":"até já"}}'
                    await (await module.ping())
                    await switch.say(written("e no domingo?") + NOTICE)
                    await service.finished()
        assert service.errors == []
        assert service.calls[0]._wire.refused_texts == 2, "the mark and the key; the metadata is nothing at all"
        texts = [event.text for event in service.events if isinstance(event, Text)]
        assert sorted(texts) == sorted(["Vocês abrem", "no sábado?", "e no domingo?"])
        assert texts.index("Vocês abrem") < texts.index("no sábado?")

    async def test_a_stream_has_no_metadata_and_a_socket_that_is_lost_takes_no_text(self) -> None:
        async with MediaServer("127.0.0.1", 0) as media:
            lost = asyncio.Event()

            async def act(call: DoorCall) -> None:
                await call.answer()
                stream = await call.start_stream(media)
                await call.send_text("one")
                await lost.wait()
                await stream._socket.closed.wait()
                with pytest.raises(MediaUnavailableError):
                    await call.send_text("two")
                await call.hang_up()
                with pytest.raises(CallEndedError):
                    await call.send_text("three")

            service = Script(act)
            async with door(service) as server, ring(server) as switch:
                await answer(switch, OK + ANSWERED, API_OK)
                url = (await switch.hear()).split()[4].decode()
                async with connect(url, compression=None) as module:
                    await module.send("the first message is a text")
                    await switch.say(FORK_OK)
                    assert await module.recv() == '{"type":"json","data":{"text":"one"}}'
                lost.set()
                await switch.hear("hangup")
                await switch.say(OK + NOTICE)
                await service.finished()
        assert service.errors == []
        assert Text("the first message is a text") in service.events
