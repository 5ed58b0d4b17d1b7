"""The media socket over real loopback UDP."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.transports.freeswitch.edge import HandTime
from transports.audio import decode_alaw, encode_alaw
from transports.clock import MediaClock
from transports.freeswitch.unicast import UnicastCodec
from transports.freeswitch.unicast_socket import UnicastMedia

FRAME = bytes(range(256)) + bytes(64)
LIMIT_S = 5.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - the condition is in the code under test
            await asyncio.sleep(0.001)


def udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(LIMIT_S)
    return sock


@pytest.fixture
def switch() -> Iterator[socket.socket]:
    with udp() as sock:
        yield sock


@pytest.fixture
async def media(switch: socket.socket) -> AsyncIterator[UnicastMedia]:
    media = UnicastMedia.open(("127.0.0.1", 0), switch.getsockname(), UnicastCodec(8000))
    yield media
    media.close()


async def test_both_ways(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(heard.append)
    for _ in range(3):
        switch.sendto(FRAME, media.local)
    assert await media.first_datagram(LIMIT_S)
    await until(lambda: len(heard) == 3)
    assert heard == [FRAME] * 3
    media.send(FRAME)
    assert switch.recvfrom(4096) == (FRAME, media.local)
    assert (media.counters.received, media.counters.sent, media.counters.send_errors) == (3, 1, 0)
    assert (media.sample_rate, media.frame_bytes) == (8000, 320)


async def test_only_the_announced_peer_is_heard(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(heard.append)
    with udp() as stranger:
        stranger.sendto(FRAME, media.local)
        await until(lambda: media.counters.dropped_sender == 1)
    assert not media.heard
    switch.sendto(FRAME, media.local)
    await until(lambda: media.counters.received == 1)
    assert len(heard) == 1


async def test_a_datagram_of_another_size_is_dropped_and_counted(switch: socket.socket, media: UnicastMedia) -> None:
    for size in (0, 160, 640, 1500):
        switch.sendto(bytes(size), media.local)
    await until(lambda: media.counters.dropped_size == 4)
    assert not media.heard
    assert media.counters.received == 0


async def test_a_native_stream_is_heard_and_spoken_in_its_law(switch: socket.socket) -> None:
    heard: list[bytes] = []
    media = UnicastMedia.open(("127.0.0.1", 0), switch.getsockname(), UnicastCodec(8000, "PCMA"))
    media.listen(heard.append)
    voice = bytes(range(160))
    for datagram in (b"\xff" * 320, voice, bytes(320), voice):
        switch.sendto(datagram, media.local)
    await until(lambda: len(heard) == 3)
    assert heard == [bytes(320), decode_alaw(voice), decode_alaw(voice)]
    media.send(decode_alaw(voice))
    media.send(decode_alaw(voice)[:160])
    assert switch.recvfrom(4096)[0] == encode_alaw(decode_alaw(voice))
    counters = media.counters
    assert (counters.received, counters.filler, counters.dropped_size) == (3, 1, 1)
    assert (counters.sent, counters.send_errors, media.native) == (1, 1, True)
    media.close()


async def test_a_call_at_48_khz_is_carried_at_16(switch: socket.socket) -> None:
    heard: list[bytes] = []
    media = UnicastMedia.open(("127.0.0.1", 0), switch.getsockname(), UnicastCodec(48000))
    media.listen(heard.append)
    for _ in range(5):
        switch.sendto(b"\x10\x27" * 960, media.local)
    await until(lambda: len(heard) == 5)
    assert (media.sample_rate, media.frame_bytes, media.native) == (16000, 640, False)
    assert [len(pcm) for pcm in heard] == [640] * 5
    assert heard[-1] == b"\x10\x27" * 320
    for pcm in heard:
        media.send(pcm)
    spoken = [switch.recvfrom(4096)[0] for _ in heard]
    assert [len(datagram) for datagram in spoken] == [1920] * 5
    assert spoken[-1] == b"\x10\x27" * 960
    media.close()


async def test_filler_is_heard_as_silence(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(heard.append)
    switch.sendto(b"\xff" * 320, media.local)
    await until(lambda: bool(heard))
    assert heard == [bytes(320)]
    assert media.counters.filler == 1


async def test_nothing_is_sent_to_a_port_that_has_not_spoken(switch: socket.socket, media: UnicastMedia) -> None:
    media.send(FRAME)
    assert media.counters.send_errors == 1
    switch.sendto(FRAME, media.local)
    await until(lambda: media.heard)
    media.send(b"second" + FRAME[6:])
    assert switch.recvfrom(4096)[0].startswith(b"second")


async def test_a_burst_is_not_lost(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(heard.append)
    frames = [n.to_bytes(2, "big") + FRAME[2:] for n in range(150)]
    for frame in frames:  # 3 s, before the loop is asked once
        switch.sendto(frame, media.local)
    await until(lambda: len(heard) == 150)
    assert heard == frames


async def test_a_late_loop_does_not_call_a_live_stream_dead(switch: socket.socket, media: UnicastMedia) -> None:
    switch.sendto(FRAME, media.local)
    assert await media.first_datagram(0.0)


async def test_silence_is_told(media: UnicastMedia) -> None:
    assert not await media.first_datagram(0.01)


async def test_a_full_or_closed_socket_never_raises(switch: socket.socket, media: UnicastMedia) -> None:
    switch.sendto(FRAME, media.local)
    await until(lambda: media.heard)
    media.send(FRAME[:-2])
    assert media.counters.send_errors == 1
    media._sock.close()  # as if the network had gone
    media.send(FRAME)
    assert media.counters.send_errors == 2


async def test_close_is_final_and_idempotent(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(heard.append)
    switch.sendto(FRAME, media.local)
    await until(lambda: media.heard)
    media.close()
    media.close()
    switch.sendto(FRAME, media.local)
    media.send(FRAME)
    assert len(heard) == 1
    again = UnicastMedia.open(media.local, media.peer, UnicastCodec(8000))  # the port is free
    again.close()


async def test_a_callback_may_close(switch: socket.socket, media: UnicastMedia) -> None:
    heard: list[bytes] = []
    media.listen(lambda pcm: (heard.append(pcm), media.close())[0])
    for _ in range(3):
        switch.sendto(FRAME, media.local)
    await until(lambda: media.closed)
    assert len(heard) == 1


async def test_a_port_in_use_is_an_oserror(media: UnicastMedia) -> None:
    with pytest.raises(OSError, match="in use"):
        UnicastMedia.open(media.local, media.peer, UnicastCodec(8000))


class Telephone:
    """What becomes of our datagrams: each is played when it comes, or behind the one before; nothing is flushed."""

    def __init__(self, sock: socket.socket, time: HandTime) -> None:
        self._sock, self._time = sock, time
        self._sock.setblocking(False)
        self._free_at = 0.0
        self.came = 0
        self.backlog_ms = 0.0

    def take(self) -> None:
        """Whatever has come by now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._sock.recv(4096)
                at = max(self._time.now, self._free_at)
                self.backlog_ms = max(self.backlog_ms, (at - self._time.now) * 1000)
                self._free_at = at + 0.020
                self.came += 1


@pytest.fixture
async def paced(switch: socket.socket, media: UnicastMedia) -> tuple[HandTime, Telephone]:
    """A live stream on a media clock whose time passes by hand; its first frame has left."""
    switch.sendto(FRAME, media.local)
    await until(lambda: media.heard)
    time = HandTime()
    telephone = Telephone(switch, time)

    def tick(_deadline: float) -> None:
        media.send(FRAME)
        telephone.take()

    MediaClock(now=lambda: time.now, schedule=time.schedule).subscribe(tick)
    time.pass_(0.0)
    assert telephone.came == 1
    return time, telephone


async def test_one_datagram_leaves_every_20_ms(paced: tuple[HandTime, Telephone]) -> None:
    time, telephone = paced
    for beat in range(2, 500):
        time.pass_(0.020)
        assert telephone.came == beat
    assert telephone.backlog_ms < 0.001


@pytest.mark.parametrize(("late_ms", "burst"), [(20, 1), (40, 2), (60, 3), (79, 3), (80, 3), (1000, 3)])
async def test_a_clock_that_was_late_makes_up_for_two_frames_at_most(
    late_ms: int, burst: int, paced: tuple[HandTime, Telephone]
) -> None:
    time, telephone = paced
    time.now += late_ms / 1000  # in which no timer could fire
    time.pass_(0.0)
    assert telephone.came == 1 + burst
    time.pass_(1.0)
    assert telephone.came == 1 + burst + 50
    assert telephone.backlog_ms < 60.001


async def test_after_any_number_of_stalls_we_are_at_most_three_frames_ahead(paced: tuple[HandTime, Telephone]) -> None:
    """What waits at the switch cannot be taken back: it bounds how long a caller who interrupts is not heeded."""
    time, telephone = paced
    chance, began = random.Random(3), time.now
    for _ in range(2000):
        time.now += chance.choice([0.0, 0.0, 0.001, 0.013, 0.045, 0.060, 0.250])
        time.pass_(0.020)
        assert telephone.came <= (time.now - began) / 0.020 + 1.001
    assert 40 < telephone.backlog_ms < 60.001
