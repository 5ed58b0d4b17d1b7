"""What a call's recording holds, beside what its caller measured."""

from typing import Any

import soundfile

from control.peer.ears import Ears
from tests.calls.house import Rung

APART_MS = 130
"""Between the caller's voice and ours. The wires themselves take 10 to 40 ms of it, a busy machine the rest."""
LENGTH_MS = 90
"""Of a voice of ours."""


def is_time_true(rung: Rung) -> None:
    """Each voice of ours stands where the caller heard it, against the caller's own; nothing more, nothing less."""
    assert rung.record.recording is not None
    samples, rate = soundfile.read(rung.folder / rung.record.recording, dtype="int16")
    left, right = (_voices_ms(track, rate) for track in samples.T)
    spoken_ms = rung.result.turns[0].speech_began_at_ms
    assert spoken_ms is not None
    began_ms = left[0][0] - spoken_ms
    recorded = [(start - began_ms, end - began_ms) for start, end in right]
    heard = [((start - rung.rang_at) * 1000, (end - rung.rang_at) * 1000) for start, end in rung.voices]
    told = f"recorded {recorded}, heard {heard}"
    assert len(recorded) == len(heard), told
    for (start, end), (from_, to) in zip(recorded, heard, strict=True):
        assert abs(start - from_) < APART_MS, told
        assert abs((end - start) - (to - from_)) < LENGTH_MS, told


def _voices_ms(track: Any, rate: int) -> list[tuple[float, float]]:
    ears = Ears(rate)
    ears.hear(0.0, track)
    return [(voice.start * 1000, voice.end * 1000) for voice in ears.voices]
