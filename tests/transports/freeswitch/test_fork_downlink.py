"""What we send over mod_audio_fork, held against what the recording's service sent and a real module played.

Not ours, by design:
- that service sent its first utterance at once in messages of 100 ms, the second on the beat; we send the first 160 ms
  at once, behind a `killAudio` that drops the silence before them, and the rest on the beat;
- it was silent between utterances by sending nothing; we send silence, which also pushes an utterance's end out of the
  module's steps of 80 ms: its tail of 90 ms was there for that;
- it ended with a piece of a frame; we send whole frames alone;
- it sent marks; we do not, since a quiet sample of -1 fires them.
"""

import base64
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame

from tests.transports.freeswitch.captures_ws import OPCODES, WsFrame, masked, rows, ws_frames
from tests.transports.freeswitch.edge import FRAME, RATE, SILENCE, Call, calling, settle
from tests.transports.freeswitch.test_every_capture import Joined
from transports.freeswitch.fork import LAG_MS
from transports.freeswitch.fork_media import ForkMedia

RECORDED = "audio_fork_8k_bidirectional.ws"
BEAT_MS = 20.0
AHEAD = LAG_MS // 20 - 1
"""Frames that are given before their beat."""


def spoken_ahead() -> bytes:
    """The first utterance, without what the recording pads it with."""
    return b"".join(frame.payload for frame in theirs()[: killed()]).rstrip(b"\0")


def theirs() -> list[WsFrame]:
    return ws_frames(RECORDED, "us")


def killed() -> int:
    return next(at for at, frame in enumerate(theirs()) if b"killAudio" in frame.payload)


def paced() -> list[tuple[float, bytes]]:
    """The second utterance: when each message of a frame was sent (ms), and its audio."""
    sent = [row for row in rows(RECORDED)[1:] if row["dir"] == "us" and row["kind"] == "binary"]
    return [(row["t_ms"], audio) for row in sent if len(audio := base64.b64decode(row["b64"])) == FRAME]


@pytest.fixture
async def joined() -> Joined:
    return Joined(RECORDED, random.Random(1), 3)


class ForkWire:
    """The fork's audio for `Call`, which also speaks as the module: its frames come masked over the socket."""

    def __init__(self, joined: Joined) -> None:
        self._joined, self._media = joined, ForkMedia(joined.socket, RATE)
        self.sample_rate, self.lag_ms, self.lead_ms = RATE, self._media.lag_ms, self._media.lead_ms
        self.burst_ms = self._media.burst_ms
        self.listen: Callable[[Callable[[bytes], None]], None] = self._media.listen
        self.send, self.flush, self.close = self._media.send, self._media.flush, self._media.close

    def say(self, pcm: bytes) -> None:
        self._joined.socket.data_received(masked(WsFrame(OPCODES["binary"], pcm), b"\1\2\3\4"))


async def test_the_paced_utterance_is_said_in_the_same_frames_with_silence_around_it(joined: Joined) -> None:
    recorded = [audio for _, audio in paced()]
    voiced = [audio for audio in recorded if any(audio)]
    tail = recorded[len(voiced) :]
    assert (len(voiced), tail) == (126, [SILENCE] * 4), "what the recording has: 2.5 s, and four frames of silence"
    wire: Any = ForkWire(joined)
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.beats(3)
        await call.worker.queue_frame(OutputAudioRawFrame(b"".join(voiced), RATE, 1))
        await settle()
        before = len(joined.said())
        await call.beats(len(voiced) + 10)
        said = joined.said()
        await call.worker.cancel()
    assert said.pop(before) == theirs()[killed()], "the silence before it is dropped in the recorded words"
    assert {frame.opcode for frame in said} == {OPCODES["binary"]}
    assert {frame.payload for frame in said[:before]} == {SILENCE}
    assert [len(frame.payload) // FRAME for frame in said[before:]][:3] == [AHEAD + 1, 1, 1]
    sent = b"".join(frame.payload for frame in said[before:])
    assert sent.startswith(b"".join(voiced))
    rest = sent[len(b"".join(voiced)) :]
    behind = [rest[at : at + FRAME] for at in range(0, len(rest), FRAME)]
    assert behind == [SILENCE] * (10 + AHEAD)
    assert len(behind) * BEAT_MS >= LAG_MS, "what the module keeps is pushed out"
    assert behind[: len(tail)] == tail


async def test_the_beat_is_that_of_the_recording(joined: Joined) -> None:
    """The recording's frames are on a grid of 20 ms, late by a busy machine's milliseconds at most; so are ours."""
    moments = [at for at, _ in paced()]
    late_ms = [at - moments[0] - BEAT_MS * n for n, at in enumerate(moments)]
    assert -0.5 < min(late_ms) < max(late_ms) < 5.0
    wire: Any = ForkWire(joined)
    call, sent_at = Call(wire), list[float]()
    send = wire.send

    def stamped(pcm: bytes) -> None:
        sent_at.append(call.time.now)
        send(pcm)

    wire.send = stamped
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.worker.queue_frame(OutputAudioRawFrame(b"".join(audio for _, audio in paced()), RATE, 1))
        await settle()
        await call.beats(len(moments))
        await call.worker.cancel()
    steps = [(after - before) * 1000 for before, after in pairwise(sent_at)]
    assert len(steps) >= len(moments) - 1
    assert steps == pytest.approx([BEAT_MS] * len(steps))


async def test_an_interruption_is_told_in_the_recorded_words_and_nothing_of_the_voice_follows(joined: Joined) -> None:
    at = killed()
    wire: Any = ForkWire(joined)
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.worker.queue_frame(OutputAudioRawFrame(spoken_ahead(), RATE, 1))
        await settle()
        await call.beats(20)
        assert any(joined.said()[-1].payload), "it is in the middle of the utterance"
        heard = len(joined.said())
        await call.worker.queue_frame(InterruptionFrame())
        await settle()
        await call.beats(5)
        said = joined.said()[heard:]
        await call.worker.cancel()
    assert said[0] == theirs()[at]
    assert [frame.payload for frame in said[1:]] == [SILENCE] * 5
    assert any(theirs()[at + 1].payload), "the recording went on with its next utterance"
