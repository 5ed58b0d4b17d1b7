"""Media sockets over loopback: the recorded upgrades, an independent client, and everybody who is not expected."""

import asyncio
import base64
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from base.ids import CallId
from tests.transports.freeswitch.captures_ws import rows
from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.media_socket import MAX_UNSENT_BYTES, MediaSocket
from transports.freeswitch.media_tickets import PREFIX, Tickets, TooManyTicketsError

CALL = CallId("29e17a96-a008-49ee-ab01-5ea63b16dc9d")
FRAME = bytes(range(160)) * 2


@pytest.fixture
async def server() -> AsyncIterator[MediaServer]:
    async with MediaServer("127.0.0.1", 0) as made:
        yield made


async def joined(server: MediaServer, call: CallId = CALL) -> tuple[ClientConnection, MediaSocket]:
    """An independent client at a call's URL, and our end of it."""
    expected = server.expect(call)
    client = await connect(expected.url, subprotocols=[Subprotocol("audio.drachtio.org")], compression=None)
    return client, await expected.socket(1.0)


class TestTickets:
    def test_each_is_good_once_and_for_its_call(self) -> None:
        tickets = Tickets(lambda: 0.0)
        one, two = tickets.mint(CallId("a")), tickets.mint(CallId("b"))
        assert one != two
        assert len(one) > len(PREFIX) + 30
        assert (tickets.redeem(two), tickets.redeem(one), tickets.redeem(one)) == ("b", "a", None)
        assert tickets.redeem(PREFIX) is None

    def test_a_late_one_and_a_withdrawn_one_are_not_good(self) -> None:
        now = 0.0
        tickets = Tickets(lambda: now, life_s=30.0)
        late, gone = tickets.mint(CallId("a")), tickets.mint(CallId("b"))
        tickets.withdraw(gone)
        assert tickets.redeem(gone) is None
        now = 30.0
        assert tickets.redeem(late) is None
        assert len(tickets) == 0

    def test_there_are_not_more_than_may_be_and_the_late_make_room(self) -> None:
        now = 0.0
        tickets = Tickets(lambda: now, max_tickets=2)
        tickets.mint(CallId("a"))
        tickets.mint(CallId("b"))
        with pytest.raises(TooManyTicketsError):
            tickets.mint(CallId("c"))
        now = 31.0
        assert tickets.mint(CallId("c"))


@pytest.mark.parametrize(
    ("name", "subprotocol"),
    [("door_audio_fork_give_back.ws", "audio.drachtio.org"), ("audio_stream_8k_mono.ws", None)],
)
async def test_the_upgrade_that_a_real_module_sent_is_accepted(
    server: MediaServer, name: str, subprotocol: str | None
) -> None:
    recorded = rows(name)[0]["upgrade"]
    expected = server.expect(CALL)
    path = expected.url.split("/", 3)[3]
    raw = base64.b64decode(recorded["raw_b64"])
    asked = recorded["request_line"].split()[1]
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(raw.replace(asked.encode(), b"/" + path.encode()))
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    theirs = {k.lower(): v for k, v in rows(name)[0]["response"]["headers"]}
    assert answer.startswith("HTTP/1.1 101 ")
    ours = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in answer.split("\r\n")[1:] if line)}
    assert ours["sec-websocket-accept"] == theirs["sec-websocket-accept"]
    assert ours.get("sec-websocket-protocol") == subprotocol
    assert "sec-websocket-extensions" not in ours
    assert (await expected.socket(1.0)).open
    writer.close()


async def test_audio_goes_both_ways_in_frames(server: MediaServer) -> None:
    client, socket = await joined(server)
    assert client.subprotocol == "audio.drachtio.org"
    media, heard, all_heard = ForkMedia(socket, 8000), [], asyncio.Event()

    def hear(frame: bytes) -> None:
        heard.append(frame)
        if len(heard) == 3:
            all_heard.set()

    media.listen(hear)
    await client.send('{"call":"x"}')
    await client.send(FRAME + FRAME[:100])
    await client.send([FRAME[100:], FRAME])
    await all_heard.wait()
    assert heard == [FRAME] * 3
    assert (socket.counters.received, socket.counters.received_texts) == (2, 1)
    media.send(FRAME)
    media.send(FRAME[:-2])
    media.flush()
    media.send(FRAME)
    assert [await client.recv() for _ in range(3)] == [FRAME, '{"type":"killAudio"}', FRAME]
    assert socket.counters.dropped == 1, "a frame of another length"
    await client.close()


async def test_our_close_says_so_and_ends_tcp_at_once(server: MediaServer) -> None:
    client, socket = await joined(server)
    media = ForkMedia(socket, 8000)
    media.close()
    media.close()
    media.send(FRAME)
    with pytest.raises(ConnectionClosed) as told:
        await client.recv()
    assert told.value.rcvd is not None
    assert told.value.rcvd.code == 1000
    assert media.closed
    assert server.open_sockets == 0


async def test_the_callers_hang_up_and_a_lost_socket_are_seen(server: MediaServer) -> None:
    client, socket = await joined(server)
    await client.close(1000)
    await asyncio.wait_for(socket.closed.wait(), 1)
    client, socket = await joined(server)
    client.transport.abort()
    await asyncio.wait_for(socket.closed.wait(), 1)
    assert not socket.open
    socket.send_audio(FRAME)
    assert socket.counters.dropped == 1


@pytest.mark.parametrize("path", ["", "media/", "media/wrong", "../media/x", "media/" + "x" * 3000])
async def test_who_is_not_expected_gets_one_answer(server: MediaServer, path: str) -> None:
    server.expect(CALL)
    with pytest.raises(InvalidStatus) as told:
        await connect(f"ws://127.0.0.1:{server.address[1]}/{path}")
    assert told.value.response.status_code == 403
    assert told.value.response.body == b""


async def test_a_url_is_good_once_and_not_after_it_was_withdrawn(server: MediaServer) -> None:
    expected = server.expect(CALL)
    client = await connect(expected.url)
    await expected.socket(1.0)
    with pytest.raises(InvalidStatus):
        await connect(expected.url)
    withdrawn = server.expect(CallId("other"))
    withdrawn.withdraw()
    withdrawn.withdraw()
    with pytest.raises(InvalidStatus):
        await connect(withdrawn.url)
    await client.close()


async def test_a_second_expectation_of_a_call_ends_the_first(server: MediaServer) -> None:
    first, second = server.expect(CALL), server.expect(CALL)
    with pytest.raises(InvalidStatus):
        await connect(first.url)
    client = await connect(second.url)
    assert (await second.socket(1.0)).open
    await client.close()


async def test_a_socket_that_does_not_come_is_not_waited_for_for_ever(server: MediaServer) -> None:
    with pytest.raises(MediaUnavailableError, match=r"in 0\.02 s"):
        await server.expect(CALL).socket(0.02)


@pytest.mark.parametrize("raw", [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_what_is_no_websocket_gets_the_same_answer(server: MediaServer, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(raw)
    answer = await reader.read()
    assert answer == b"" or b"403" in answer.split(b"\r\n")[0]
    writer.close()


@pytest.mark.parametrize("raw", [b"\x00" * 5000, b"\xff\xfe nonsense\r\n\r\n", b"GET " + b"/" * 20000])
async def test_nonsense_is_cut_off(server: MediaServer, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(raw)
    writer.write_eof()
    async with asyncio.timeout(2):
        assert b"101" not in await reader.read()
    writer.close()


async def test_peers_and_numbers_are_bounded() -> None:
    async with MediaServer("127.0.0.1", 0, allowed_peers=(ip_network("10.0.0.0/8"),)) as closed:
        with pytest.raises(InvalidStatus) as told:
            await connect(closed.expect(CALL).url)
        assert told.value.response.status_code == 403
    async with MediaServer("127.0.0.1", 0, max_sockets=1) as small:
        client, _ = await joined(small)
        with pytest.raises(InvalidStatus) as told:
            await connect(small.expect(CallId("other")).url)
        assert told.value.response.status_code == 503
        await client.close()


async def test_who_listens_everywhere_tells_each_switch_the_address_that_it_came_in_on() -> None:
    async with MediaServer("0.0.0.0", 0) as server:
        assert server.expect(CALL, "127.0.0.9").url.startswith(f"ws://127.0.0.9:{server.address[1]}{PREFIX}")
        assert server.expect(CALL, "::1").url.startswith("ws://[::1]:")


async def test_who_does_not_read_costs_us_no_memory(server: MediaServer) -> None:
    client, socket = await joined(server)
    client.transport.pause_reading()
    loud = b"\x01" * 32_000
    for _ in range(2000):
        socket.send_audio(loud)
    assert socket.counters.dropped > 0
    assert socket._transport is not None
    assert socket._transport.get_write_buffer_size() <= MAX_UNSENT_BYTES + len(loud) + 16
    client.transport.abort()


async def test_a_message_beyond_bounds_ends_the_socket(server: MediaServer) -> None:
    client, socket = await joined(server)
    await client.send(bytes((1 << 20) + 1))
    await asyncio.wait_for(socket.closed.wait(), 2)
    assert not socket.open


async def test_closing_the_server_closes_its_sockets() -> None:
    server = MediaServer("127.0.0.1", 0)
    await server.start()
    client, socket = await joined(server)
    await server.close()
    await server.close()
    with pytest.raises(ConnectionClosed) as told:
        await client.recv()
    assert told.value.rcvd is not None
    assert told.value.rcvd.code == 1001
    assert socket.closed.is_set()
