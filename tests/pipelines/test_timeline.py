"""What is written down of when things happened."""

import msgspec
import pytest

from pipelines.timeline import MAX_MOMENTS, Moment, Timeline, Voices, cause_word


class Clock:
    def __init__(self) -> None:
        self.at = 50.0

    def __call__(self) -> float:
        return self.at


def told(timeline: Timeline) -> list[str]:
    return [f"{moment.at_ms} {moment.what} {moment.detail}".strip() for moment in timeline.moments]


def test_moments_count_from_the_ring_and_nothing_follows_the_end() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    clock.at += 0.0123
    timeline.note("answered")
    clock.at += 60
    timeline.ended("goodbye")
    timeline.note("caller_speaks")
    timeline.ended("lost")
    assert told(timeline) == ["0 rang", "12 answered", "60012 ended assistant: goodbye"]


@pytest.mark.parametrize(
    ("reason", "by"),
    [("caller_hangup", "caller"), ("hangup", "switch"), ("ended_by_operator", "operator"), ("lost", "service")],
)
def test_the_end_says_by_whom(reason: str, by: str) -> None:
    timeline = Timeline(Clock())
    timeline.ended(reason)
    assert timeline.moments[-1].detail == f"{by}: {reason}"


def test_a_call_without_end_keeps_its_beginning_and_its_end() -> None:
    timeline = Timeline(Clock())
    for _ in range(10_000):
        timeline.note("caller_speaks")
    timeline.ended("caller_hangup")
    assert len(timeline.moments) == MAX_MOMENTS
    assert [moment.what for moment in timeline.moments[-3:]] == ["caller_speaks", "shortened", "ended"]
    assert len(msgspec.json.encode(timeline.moments)) < 32_000


def test_what_is_heard_of_the_assistant() -> None:
    timeline = Timeline(Clock())
    voices = Voices(timeline)
    voices.texts("greeting")
    voices.heard("text")
    voices.done()
    voices.heard("filler")
    voices.heard("answer")
    voices.heard("answer")
    voices.held()
    voices.held()
    voices.resumed()
    voices.held()
    voices.broken_off()
    voices.broken_off()
    voices.done()
    voices.resumed()
    assert told(timeline)[1:] == [
        "0 assistant_speaks greeting",
        "0 assistant_done",
        "0 assistant_speaks filler",
        "0 assistant_speaks answer",
        "0 held",
        "0 resumed",
        "0 held",
        "0 barge_in",
    ]


def test_a_cause_is_a_word_of_freeswitch_or_nothing() -> None:
    assert [cause_word(text) for text in ("NO_ANSWER", "USER_BUSY", "", "to 1234", "A" * 41)] == [
        "NO_ANSWER",
        "USER_BUSY",
        "",
        "",
        "",
    ]


def test_a_moment_is_short_in_a_record() -> None:
    assert msgspec.json.encode(Moment(at_ms=5, what="turn")) == b'{"at_ms":5,"what":"turn"}'
