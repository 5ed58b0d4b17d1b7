"""The hysteresis, against its rules and against pipecat's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState

from base.speech import VadEdge
from processors.vad.edges import QUIET_WINDOWS, RESET_AFTER_WINDOWS, EdgeDetector, windows


def detector(start: int = 3, stop: int = 6) -> EdgeDetector:
    return EdgeDetector(confidence=0.5, start_windows=start, stop_windows=stop)


def judged(edges: EdgeDetector, confidences: list[float], loud: bool = True) -> list[tuple[int, VadEdge]]:
    found = [(at, edges.judge(confidence, loud)) for at, confidence in enumerate(confidences)]
    return [(at, edge) for at, edge in found if edge is not None]


def test_starts_after_enough_speech_and_stops_after_enough_silence() -> None:
    assert judged(detector(), [0.1] * 4 + [0.9] * 5 + [0.1] * 8) == [(6, VadEdge.STARTED), (14, VadEdge.STOPPED)]


def test_a_gap_counts_anew() -> None:
    assert judged(detector(), [0.9, 0.9, 0.1, 0.9, 0.9, 0.1]) == []
    assert judged(detector(stop=3), [0.9] * 3 + [0.1, 0.1, 0.9] * 4) == [(2, VadEdge.STARTED)]


def test_what_is_too_quiet_is_no_speech() -> None:
    assert judged(detector(), [1.0] * 20, loud=False) == []


@pytest.mark.parametrize(("seconds", "count"), [(0.03, 1), (0.1, 3), (0.2, 6), (0.001, 1), (1.0, 31)])
def test_times_become_whole_windows(seconds: float, count: int) -> None:
    assert windows(seconds) == count


def test_asks_for_a_reset_only_in_clear_quiet() -> None:
    edges = detector()
    for _ in range(RESET_AFTER_WINDOWS - 1):
        edges.judge(0.05, True)
        assert not edges.wants_reset()
    edges.judge(0.05, True)
    assert edges.wants_reset()
    assert not edges.wants_reset()
    for _ in range(RESET_AFTER_WINDOWS):
        edges.judge(0.3, True)
    assert not edges.wants_reset()
    for _ in range(QUIET_WINDOWS):
        edges.judge(0.05, True)
    assert edges.wants_reset()


def test_never_asks_for_a_reset_while_the_caller_speaks() -> None:
    edges = detector(stop=100)
    judged(edges, [0.9] * 10 + [0.01] * 80)
    assert edges.speaking
    assert not edges.wants_reset()


class Scripted(VADAnalyzer):
    """pipecat's own machine, with confidences from a list."""

    def __init__(self, confidences: list[float], start: int, stop: int) -> None:
        self.confidences = iter(confidences)
        params = VADParams(confidence=0.5, start_secs=start * 0.032, stop_secs=stop * 0.032, min_volume=0.0)
        super().__init__(sample_rate=8000, params=params)
        self.set_sample_rate(8000)

    def num_frames_required(self) -> int:
        return 256

    def voice_confidence(self, buffer: bytes) -> float:
        return next(self.confidences)


@given(
    confidences=st.lists(st.sampled_from([0.0, 0.2, 0.49, 0.5, 0.8, 1.0]), max_size=120),
    start=st.integers(1, 6),
    stop=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_decides_as_pipecat_does(confidences: list[float], start: int, stop: int) -> None:
    edges = detector(start, stop)
    theirs = Scripted(confidences, start, stop)
    window = np.zeros(256, np.int16).tobytes()
    speaking = False
    for confidence in confidences:
        edges.judge(confidence, True)
        state = theirs._run_analyzer(window)
        speaking = state in (VADState.SPEAKING, VADState.STOPPING)
        assert edges.speaking is speaking
    theirs._executor.shutdown(wait=False)
