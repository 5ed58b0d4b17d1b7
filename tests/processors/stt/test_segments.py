"""Utterances are cut where the detector says, bounded, and joined while they wait."""

from hypothesis import given
from hypothesis import strategies as st

from processors.stt.segments import LEAD_S, LONGEST_S, MAX_WAITING, Segments

SECOND = 16_000


def spoken(segments: Segments, *chunks: bytes) -> None:
    segments.started()
    for chunk in chunks:
        segments.heard(chunk)
    segments.stopped()


def test_an_utterance_is_what_lies_between_the_edges() -> None:
    segments = Segments(8000)
    spoken(segments, b"\1\0" * 100, b"\2\0" * 100)
    assert segments.take() == b"\1\0" * 100 + b"\2\0" * 100
    assert segments.take() is None


def test_a_little_audio_from_before_the_start_is_kept() -> None:
    segments = Segments(8000)
    segments.heard(b"\1\0" * SECOND)
    spoken(segments, b"\2\0" * 100)
    taken = segments.take()
    assert taken is not None
    assert len(taken) == int(LEAD_S * SECOND) + 200
    assert taken.endswith(b"\2\0" * 100)


def test_what_still_waits_is_joined_with_what_follows() -> None:
    segments = Segments(8000)
    spoken(segments, b"\1\0" * 800)
    spoken(segments, b"\2\0" * 800)
    assert segments.take() == b"\1\0" * 800 + b"\2\0" * 800
    assert segments.waiting == 0


def test_what_was_taken_is_not_said_twice() -> None:
    segments = Segments(8000)
    spoken(segments, b"\1\0" * 800)
    segments.take()
    spoken(segments, b"\2\0" * 800)
    assert segments.take() == b"\2\0" * 800


def test_a_monologue_is_recognised_in_parts_that_fit_the_window() -> None:
    segments = Segments(8000)
    segments.started()
    for _ in range(65):
        segments.heard(b"\1\0" * 8000)
    parts = []
    while (part := segments.take()) is not None:
        parts.append(len(part) / SECOND)
    assert parts == [LONGEST_S, LONGEST_S]
    segments.stopped()
    assert segments.take() == b"\1\0" * 8000 * 9


@given(st.lists(st.sampled_from("+-a"), max_size=200))
def test_any_order_of_edges_keeps_the_bounds(edges: list[str]) -> None:
    segments = Segments(8000)
    for edge in edges:
        match edge:
            case "+":
                segments.started()
            case "-":
                segments.stopped()
            case _:
                segments.heard(b"\0\0" * 4000)
    assert segments.waiting <= MAX_WAITING
    while (part := segments.take()) is not None:
        assert 0 < len(part) <= LONGEST_S * SECOND + SECOND / 2
        assert len(part) % 2 == 0
