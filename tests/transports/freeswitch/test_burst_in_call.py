"""Wires that keep audio back until they have enough of it: given enough at once, they play at once."""

import numpy as np
import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame

from control.peer.fork import Downlink
from control.peer.sound import Samples
from tests.transports.freeswitch.edge import FRAME, RATE, SILENCE, Call, MemoryWire, calling, settle, tone


class KeepingWire(MemoryWire):
    """As mod_audio_fork, with the module behind it: `hear` is called every 20 ms."""

    lag_ms = 160
    burst_ms = 160

    def __init__(self) -> None:
        super().__init__()
        self.module = Downlink(RATE)
        self.heard: list[bool] = []

    def send(self, pcm: bytes) -> None:
        super().send(pcm)
        self.module.put(_samples(pcm))

    def flush(self) -> None:
        super().flush()
        self.module.kill()

    def hear(self) -> None:
        frame = self.module.take()
        self.heard.append(frame is not None and bool(frame.any()))


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, dtype="<i2").astype(np.int16)


async def beats(call: Call, wire: KeepingWire, count: int) -> None:
    for _ in range(count):
        await call.beats(1)
        wire.hear()


async def say(call: Call, milliseconds: int) -> None:
    await call.worker.queue_frame(OutputAudioRawFrame(tone(milliseconds), RATE, 1))
    await settle()


async def test_an_answer_that_is_there_is_heard_at_once_and_whole() -> None:
    wire = KeepingWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await beats(call, wire, 20)
        assert not any(wire.heard)
        await say(call, 1000)
        wire.heard.clear()
        await beats(call, wire, 70)
        assert wire.heard[:2] == [True, True]
        assert wire.heard[:50] == [True] * 50, "no gap, and the last word"
        assert not any(wire.heard[51:])
        assert not wire.module.ran_empty
        await call.worker.cancel()


async def test_a_voice_that_is_only_just_quick_enough_is_not_broken_off() -> None:
    wire = KeepingWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await beats(call, wire, 20)
        wire.heard.clear()
        for _ in range(10):
            await say(call, 100)
            await beats(call, wire, 5)
        await beats(call, wire, 20)
        first = wire.heard.index(True)
        assert wire.heard[first : first + 50] == [True] * 50
        assert not wire.flushed_at
        await call.worker.cancel()


async def test_the_last_word_is_not_dropped_for_the_sake_of_the_next() -> None:
    wire = KeepingWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await beats(call, wire, 20)
        await say(call, 1000)
        await beats(call, wire, 46)  # all of it was given, some of it was not heard
        await say(call, 1000)
        await beats(call, wire, 80)
        assert sum(wire.heard) == pytest.approx(100, abs=2)
        await call.worker.cancel()


@pytest.mark.parametrize("resumed", [True, False])
async def test_after_a_hold_or_an_interruption_it_is_heard_at_once_again(resumed: bool) -> None:
    wire = KeepingWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await beats(call, wire, 20)
        await say(call, 3000)
        await beats(call, wire, 25)
        if resumed:
            call.transport.hold_speech()
            await beats(call, wire, 3)
            call.transport.resume_speech()
        else:
            await call.worker.queue_frame(InterruptionFrame())
            await settle()
            await say(call, 1000)
        wire.heard.clear()
        await beats(call, wire, 5)
        assert wire.heard[1:] == [True] * 4
        await call.worker.cancel()


async def test_a_recording_has_it_when_it_is_heard() -> None:
    wire = KeepingWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await beats(call, wire, 20)
        begins = call.time.now
        await say(call, 1000)
        await beats(call, wire, 70)
        told = [(at, pcm) for pcm, at in call.tap.assistant if pcm != SILENCE]
        assert len(told) == 1000 // 20
        assert [at - begins for at, _ in told] == pytest.approx([0.02 * n + told[0][0] - begins for n in range(50)])
        assert 0 <= told[0][0] - begins < 0.021
        assert len(told[0][1]) == FRAME
        await call.worker.cancel()
