"""A caller in virtual time: what it does when, given what it hears; and whether the figures are right."""

from collections.abc import Callable

import numpy as np
import pytest

from control.peer import (
    Codec,
    Decide,
    Dtmf,
    HangUp,
    Hears,
    Interrupt,
    Say,
    Script,
    Sound,
    Wait,
    WaitFor,
    Write,
    measure,
)
from control.peer.caller import Caller, Frame
from control.peer.ears import Ears

RATE = 8000
TICK = 0.020


def speech(lead_ms: int, speech_ms: int, tail_ms: int = 0) -> Sound:
    """Silence, a tone, silence."""
    tone = 8000 * np.sin(2 * np.pi * 500 * np.arange(speech_ms * 8) / RATE)
    samples = np.concatenate([np.zeros(lead_ms * 8), tone, np.zeros(tail_ms * 8)]).astype(np.int16)
    return Sound(samples, RATE, "tone")


VOICE = speech(0, 20).samples
"""20 ms of the assistant's voice."""


class Scene:
    """A caller on a virtual 20 ms clock, and an assistant that is a function of time: speaking or not."""

    def __init__(self, *steps: object, codec: Codec = Codec.PCMU) -> None:
        self.ears = Ears(RATE)
        self.caller = Caller(Script(steps=steps, codec=codec), self.ears)
        self.frames: list[tuple[float, Frame]] = []

    def play(self, speaking: Callable[[float], bool] = lambda _: False, until: float = 30.0) -> "Scene":
        self.caller.begin(0.0)
        for index in range(1, int(until / TICK)):
            now = round(index * TICK, 3)
            if speaking(now - TICK):
                self.ears.hear(now - TICK, VOICE)
            frame = self.caller.tick(now)
            self.frames.append((now, frame))
            if frame.hang_up:
                break
        return self

    @property
    def hung_up_at(self) -> float:
        return next(at for at, frame in self.frames if frame.hang_up)

    def said_from_to(self) -> list[float]:
        loud = [at for at, frame in self.frames if frame.samples is not None]
        return [loud[0], loud[-1]]


def test_a_script_without_steps_hangs_up_at_once() -> None:
    assert Scene().play().hung_up_at == pytest.approx(0.02)


def test_what_comes_next_is_decided_when_the_script_comes_there() -> None:
    heard: list[float] = []

    def choose() -> tuple[object, ...]:
        heard.append(scene.frames[-1][0])
        return (Say(speech(0, 200)), Decide(tuple))

    scene = Scene(Wait(1), Decide(choose), Wait(0.5))
    scene.play()
    assert heard == [pytest.approx(1.0, abs=0.03)]
    assert scene.said_from_to() == pytest.approx([1.0, 1.2], abs=0.05)
    assert scene.hung_up_at == pytest.approx(1.7, abs=0.05), "and the script goes on behind it"


def test_waiting_takes_the_time_it_says() -> None:
    assert Scene(Wait(1.0)).play().hung_up_at == pytest.approx(1.0, abs=0.021)


def test_a_sound_is_said_whole_and_to_the_sample() -> None:
    sound = speech(100, 333, 50)
    scene = Scene(Say(sound), codec=Codec.L16_16K).play()
    said = np.concatenate([frame.samples for _, frame in scene.frames if frame.samples is not None])
    expected = sound.at(16000).samples
    assert np.array_equal(said[: len(expected)], expected)
    assert not said[len(expected) :].any()


def test_the_voice_goes_through_the_codec_of_the_channel() -> None:
    (spoken, *_) = Scene(Say(speech(0, 20)), codec=Codec.PCMA).play().frames
    assert spoken[1].samples is not None
    assert 0 < np.abs(spoken[1].samples.astype(int) - speech(0, 20).samples).max() <= 512


def test_the_end_of_an_answer_is_its_last_voice_plus_the_quiet_time() -> None:
    scene = Scene(WaitFor(what=Hears.SPEECH_END, quiet_ms=600)).play(lambda at: 1.0 <= at < 2.0)
    assert scene.hung_up_at == pytest.approx(2.6, abs=0.03)


def test_a_pause_shorter_than_the_quiet_time_is_no_end() -> None:
    scene = Scene(WaitFor(what=Hears.SPEECH_END, quiet_ms=600)).play(lambda at: 1.0 <= at < 1.5 or 2.0 <= at < 2.5)
    assert scene.hung_up_at == pytest.approx(3.1, abs=0.03)


def test_two_answers_are_waited_for_one_after_the_other() -> None:
    wait = WaitFor(what=Hears.SPEECH_END, quiet_ms=500)
    assert Scene(wait, wait).play(lambda at: 1.0 <= at < 1.5 or 4.0 <= at < 4.5).hung_up_at == pytest.approx(
        5, abs=0.03
    )


def test_waiting_for_a_voice_that_never_comes_ends_at_the_limit() -> None:
    assert Scene(WaitFor(what=Hears.SPEECH_END, limit_s=2)).play().hung_up_at == pytest.approx(2.0, abs=0.03)


def test_silence_needs_no_voice_before() -> None:
    assert Scene(WaitFor(what=Hears.SILENCE, quiet_ms=300)).play().hung_up_at == pytest.approx(0.3, abs=0.03)


def test_the_start_of_a_voice() -> None:
    assert Scene(WaitFor(what=Hears.SPEECH_START)).play(lambda at: at >= 1).hung_up_at == pytest.approx(1, abs=0.05)


def test_an_answer_that_began_before_the_file_ended_counts() -> None:
    """Files end with silence; a quick assistant answers into it."""
    scene = Scene(Say(speech(0, 500, 1000)), WaitFor(what=Hears.SPEECH_END, quiet_ms=300))
    assert scene.play(lambda at: 0.8 <= at < 1.6).hung_up_at == pytest.approx(1.9, abs=0.03)


def test_an_interruption_begins_so_long_after_the_voice() -> None:
    scene = Scene(Interrupt(after_ms=400, say=speech(0, 200))).play(lambda at: at >= 1.0)
    assert scene.said_from_to() == pytest.approx([1.4, 1.58], abs=0.021)


def test_an_interruption_waits_for_the_next_voice_not_for_one_that_is_over() -> None:
    scene = Scene(Wait(2.0), Interrupt(after_ms=100, say=speech(0, 200)))
    assert scene.play(lambda at: 0.5 <= at < 1.0 or at >= 3.0).said_from_to()[0] == pytest.approx(3.1, abs=0.021)


def test_nobody_to_interrupt_the_words_come_at_the_limit() -> None:
    scene = Scene(Interrupt(after_ms=100, say=speech(0, 200), limit_s=1.0)).play()
    assert scene.said_from_to()[0] == pytest.approx(1.0, abs=0.021)


def test_keys_are_told_of_180_ms_after_they_went_down_one_every_350_ms() -> None:
    scene = Scene(Dtmf("12#"), HangUp()).play()
    keys = [(frame.digit, at) for at, frame in scene.frames if frame.digit]
    assert [digit for digit, _ in keys] == ["1", "2", "#"]
    assert [at for _, at in keys] == pytest.approx([0.19, 0.53, 0.88], abs=0.021)
    assert sum(frame.pressing for _, frame in scene.frames) == 33


def test_what_follows_a_hang_up_is_not_done() -> None:
    scene = Scene(HangUp(), Say(speech(0, 500))).play()
    assert scene.hung_up_at == pytest.approx(0.02)


class TestMeasures:
    """Latencies of known length come out as what they are."""

    def turn(self, *steps: object, speaking: Callable[[float], bool]) -> list[object]:
        self.scene = Scene(*steps).play(speaking)
        return list(measure.turns(self.scene.caller.spoken, self.scene.ears, 0.0))

    def test_response_time_counts_from_the_last_speech_sample_not_from_the_end_of_the_file(self) -> None:
        (turn,) = self.turn(Say(speech(300, 1000, 700)), Wait(3), speaking=lambda at: 2.5 <= at < 3)
        assert turn.speech_ended_at_ms == pytest.approx(1300, abs=21)
        assert turn.response_ms == pytest.approx(2500 - turn.speech_ended_at_ms, abs=20.1)

    def test_no_answer_no_response_time(self) -> None:
        (turn,) = self.turn(Say(speech(0, 400)), Wait(1), speaking=lambda _: False)
        assert turn.response_ms is None
        assert turn.barge_in_ms is None

    def test_an_answer_to_the_second_question_is_not_one_to_the_first(self) -> None:
        say = Say(speech(0, 500))
        first, second = self.turn(say, Wait(1), say, Wait(2), speaking=lambda at: 2.4 <= at < 3)
        assert first.response_ms is None
        assert second.response_ms == pytest.approx(2400 - second.speech_ended_at_ms, abs=20.1)

    def test_stop_time_counts_from_the_first_speech_sample_of_the_interruption(self) -> None:
        interrupt = Interrupt(after_ms=500, say=speech(100, 600))
        (turn,) = self.turn(interrupt, Wait(1), speaking=lambda at: 1.0 <= at < 1.8)
        assert turn.speech_began_at_ms == pytest.approx(1600, abs=21)
        assert turn.barge_in_ms == pytest.approx(1800 - turn.speech_began_at_ms, abs=20.1)

    def test_a_voice_that_does_not_stop_makes_a_long_stop_time(self) -> None:
        (turn,) = self.turn(Interrupt(after_ms=500, say=speech(0, 400)), Wait(4), speaking=lambda at: 1 <= at < 4)
        assert turn.barge_in_ms == pytest.approx(2500, abs=25)
        assert turn.response_ms is None

    def test_the_first_voice_sample_is_found_inside_its_datagram(self) -> None:
        ears = Ears(RATE)
        ears.hear(1.0, np.concatenate([np.zeros(80, np.int16), VOICE[:80]]))
        assert ears.voices[0].start == pytest.approx(1.010)

    def test_faint_noise_is_no_voice(self) -> None:
        ears = Ears(RATE)
        ears.hear(1.0, np.random.default_rng(1).normal(0, 60, 160).astype(np.int16))
        assert ears.voices == []


def test_who_writes_takes_no_time_and_waits_for_a_voice_that_comes_after_it() -> None:
    steps = (Wait(1.0), Write("one"), Write("two"), WaitFor(what=Hears.SPEECH_END, quiet_ms=300), HangUp())
    scene = Scene(*steps).play(lambda now: now < 0.5 or 3.0 <= now < 3.5)
    assert [(at, frame.texts) for at, frame in scene.frames if frame.texts] == [(1.0, ("one", "two"))]
    assert scene.hung_up_at == pytest.approx(3.8, abs=0.03)
    assert scene.caller.finished
