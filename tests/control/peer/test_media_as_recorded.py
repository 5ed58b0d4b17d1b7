"""The peer's datagrams beside those that a real FreeSWITCH sent: sizes, filler, cadence, bursts, contents."""

import base64
from collections import Counter

import numpy as np
import pytest

from control.peer import Bursts, Codec, Dialed, Dtmf, HangUp, Say, Script, Sound, Switch, Wait
from control.peer.sound import through_g711
from tests.control.peer.conftest import UNICAST, Connection, Service
from tests.control.peer.recorded import capture
from tests.control.peer.test_caller import speech

FIRST_PORTS = {"unicast_l16_8k.udp": 9711, "unicast_pcmu.udp": 9701}


def recorded(name: str) -> list[tuple[float, bytes]]:
    """The uplink of the first stream of a recording: seconds, payload."""
    rows = [row for row in capture(name) if row["dir"] == "fs" and row["fs_port"] == FIRST_PORTS[name]]
    return [(float(str(row["t_ms"])) / 1000, base64.b64decode(str(row["b64"]))) for row in rows]


async def uplink_of(service: Service, script: Script, *, native: bool = False) -> list[tuple[float, bytes]]:
    """What a service hears of a call."""

    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.open_udp()
        order = UNICAST.format(local=connection.switch[1], remote=connection.port)
        if native:
            order = order.replace("udp\n", "udp\nflags: native\n")
        connection.write(order)
        await connection.until_closed()

    service.behave = behave
    async with Switch(port=service.port) as switch:
        await switch.call(Dialed(number="1000"), script)
    await service.finished()
    return service.connections[0].uplink


def is_filler(payload: bytes) -> bool:
    return set(payload) == {0xFF}


@pytest.mark.parametrize(
    ("codec", "native", "voice", "filler"),
    [
        (Codec.PCMU, False, 320, 320),
        (Codec.PCMA, False, 320, 320),
        (Codec.PCMU, True, 160, 320),
        (Codec.PCMA, True, 160, 320),
        (Codec.L16_16K, False, 640, 640),
        (Codec.OPUS, False, 1920, 1920),
    ],
)
async def test_sizes(service: Service, codec: Codec, native: bool, voice: int, filler: int) -> None:
    script = Script(steps=(Wait(0.3), HangUp()), codec=codec, filler_ms=100)
    uplink = await uplink_of(service, script, native=native)
    assert {len(payload) for _, payload in uplink[:4]} == {filler}
    assert all(is_filler(payload) for _, payload in uplink[:4])
    assert {len(payload) for _, payload in uplink[6:]} == {voice}


def test_the_recorded_sizes_are_the_same() -> None:
    linear = Counter(len(payload) for _, payload in recorded("unicast_l16_8k.udp"))
    assert set(linear) == {320}
    native = recorded("unicast_pcmu.udp")
    begin = [payload for _, payload in native[:40]]
    assert {len(payload) for payload in begin} == {320}
    assert all(is_filler(payload) for payload in begin)
    assert Counter(len(payload) for _, payload in native)[160] == 386


@pytest.mark.parametrize("name", FIRST_PORTS)
async def test_cadence(service: Service, name: str) -> None:
    """On a 20 ms grid that never drifts, as FreeSWITCH's."""
    uplink = await uplink_of(service, Script(steps=(Wait(2.0), HangUp())))
    for times in ([at for at, _ in recorded(name)], [at for at, _ in uplink]):
        steps = np.diff(times)
        assert np.median(steps) == pytest.approx(0.020, abs=0.0005)
        grid = np.array(times) - times[0] - np.arange(len(times)) * 0.020
        assert np.median(np.abs(grid)) < 0.006
        assert abs(grid[-1] - grid[0]) < 0.050


async def test_the_stream_begins_one_tick_after_the_order_is_done(service: Service) -> None:
    script = Script(steps=(Wait(0.3), HangUp()))
    async with Switch(port=service.port) as switch:

        async def behave(connection: Connection) -> None:
            await connection.answer()
            await connection.media()
            await connection.until_closed()

        service.behave = behave
        result = await switch.call(Dialed(number="1000"), script)
    (opened,) = [event.t_ms for event in result.events if event.what == "media"]
    assert result.media_ms is not None
    assert result.answered_ms is not None
    assert result.answered_ms + result.media_ms - opened == pytest.approx(20, abs=15)


async def test_the_caller_s_samples_arrive_exactly(service: Service) -> None:
    said = speech(0, 400)
    uplink = await uplink_of(service, Script(steps=(Wait(0.2), Say(said), Wait(0.2), HangUp()), filler_ms=0))
    heard = np.frombuffer(b"".join(payload for _, payload in uplink), "<i2")
    expected = through_g711(said.samples, "PCMU")
    start = np.flatnonzero(heard)[0] - np.flatnonzero(expected)[0]
    assert np.array_equal(heard[start : start + len(expected)], expected)
    assert not heard[start + len(expected) :].any()


@pytest.mark.parametrize(("codec", "octet"), [(Codec.PCMU, 0xFF), (Codec.PCMA, 0xD5)])
async def test_native_silence_is_the_law_s_zero(service: Service, codec: Codec, octet: int) -> None:
    uplink = await uplink_of(service, Script(steps=(Wait(0.2), HangUp()), codec=codec, filler_ms=0), native=True)
    assert {bytes(payload) for _, payload in uplink} == {bytes([octet]) * 160}


async def test_a_key_takes_the_voice_s_place_by_filler(service: Service) -> None:
    """Eleven frames for a key of 160 ms, in the recording and here."""
    uplink = await uplink_of(service, Script(steps=(Wait(0.3), Dtmf("9"), Wait(0.3), HangUp()), filler_ms=0))
    ours = [is_filler(payload) for _, payload in uplink]
    theirs = [is_filler(payload) for at, payload in recorded("unicast_l16_8k.udp") if 4.20 < at < 4.60]
    assert sum(ours) == sum(theirs) == 11
    first = ours.index(True)
    assert all(ours[first : first + 11])


async def test_a_lumpy_line_holds_back_and_delivers_at_once(service: Service) -> None:
    bursts = Bursts(every_s=0.5, gap_ms=60)
    uplink = await uplink_of(service, Script(steps=(Wait(2.0), HangUp()), bursts=bursts))
    times = np.array([at for at, _ in uplink])
    steps = np.diff(times)
    gaps = [index for index in np.flatnonzero(steps > 0.055) if (steps[index + 1 : index + 4] < 0.010).all()]
    assert 3 <= len(gaps) <= 5  # four beginnings in two seconds; a busy machine may make one of its own
    assert len(times) == pytest.approx((times[-1] - times[0]) / 0.020 + 1, abs=4)


async def test_a_recording_is_time_true(service: Service) -> None:
    """Left what the caller said, right what was heard, both where they belong."""

    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        await connection.until_heard(50)
        await connection.speak(0.4)
        await connection.until_closed()

    service.behave = behave
    async with Switch(port=service.port) as switch:
        script = Script(steps=(Wait(0.5), Say(speech(0, 300)), Wait(1.0), HangUp()))
        call = switch.dial(Dialed(number="1000"), script, keep_sound=True)
        result = await switch.ring(call)
    (turn,) = result.turns
    assert turn.speech_began_at_ms is not None
    assert result.answered_ms is not None
    assert result.greeting_ms is not None
    left, right = call.media.uttered(), call.media.heard()
    assert np.flatnonzero(np.abs(left.astype(int)) > 1000)[0] / 8 == pytest.approx(turn.speech_began_at_ms, abs=5)
    voice = np.flatnonzero(np.abs(right.astype(int)) > 1000)
    assert voice[0] / 8 == pytest.approx(result.answered_ms + result.greeting_ms, abs=10)
    assert (voice[-1] - voice[0]) / 8 == pytest.approx(400, abs=40)
    assert Sound(right, 8000).speech != (0, 0)
