"""The queue of audio and frames: order, who speaks, and what was heard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    AggregatedTextFrame,
    DataFrame,
    EndFrame,
    Frame,
    OutputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from transports.freeswitch.heard import HeardTextFrame
from transports.freeswitch.playout import IDLE_TICKS, SPEECH_GAP_TICKS, UNDERRUN_TICKS, Bot, Playout

RATE = 8000
CHUNK = 320
TEXT = "um dois três quatro cinco"


def loud(milliseconds: int) -> bytes:
    return np.full(RATE * milliseconds // 1000, 3000, np.int16).tobytes()


def silent(milliseconds: int) -> bytes:
    return bytes(RATE * milliseconds // 1000 * 2)


def tts(pcm: bytes, context: str | None = "c", *, interruptible: bool = True) -> TTSAudioRawFrame:
    frame = TTSAudioRawFrame(pcm, RATE, 1, context_id=context)
    frame.interruptible = interruptible
    return frame


def announced(text: str = TEXT, context: str = "c", *, interruptible: bool = True) -> AggregatedTextFrame:
    frame = AggregatedTextFrame(text, "sentence", context_id=context, raw_text=text)
    frame.will_be_spoken = True
    frame.append_to_context = False
    frame.interruptible = interruptible
    return frame


def spoken(announcement: AggregatedTextFrame) -> TTSTextFrame:
    frame = TTSTextFrame(announcement.text, "sentence", context_id=announcement.context_id, segment_id=announcement.id)
    frame.interruptible = announcement.interruptible
    return frame


def sentence(playout: Playout, text: str = TEXT, milliseconds: int = 500, context: str = "c") -> None:
    announcement = announced(text, context)
    playout.put(announcement)
    playout.put_audio(tts(loud(milliseconds), context))
    playout.put(spoken(announcement))


def ticks(playout: Playout, count: int) -> list[Frame | Bot]:
    return [item for _ in range(count) for item in playout.tick(0).out]


def texts(items: list[Frame | Bot] | list[Frame]) -> list[str]:
    return [item.text for item in items if isinstance(item, HeardTextFrame)]


@pytest.fixture
def playout() -> Playout:
    return Playout(RATE)


class Marker(DataFrame):
    """Anything that has to come out in order."""


def test_audio_is_cut_into_20_ms_and_joined_over_frames(playout: Playout) -> None:
    pcm = bytes(range(256)) * 4
    for at in range(0, 960, 100):
        playout.put_audio(tts(pcm[at : min(at + 100, 960)]))
    assert playout.queued_ms == 60
    assert b"".join(playout.tick(0).pcm or b"" for _ in range(3)) == pcm[:960]
    assert playout.tick(0).pcm is None


def test_a_frame_comes_out_when_the_audio_before_it_was_played(playout: Playout) -> None:
    marker = Marker()
    playout.put_audio(tts(loud(40)))
    assert playout.put(marker).out == []
    assert marker not in ticks(playout, 2)
    assert playout.tick(0).out == [marker]


def test_a_frame_comes_out_at_once_when_nothing_is_played(playout: Playout) -> None:
    marker = Marker()
    assert playout.put(marker).out == [marker]
    playout.put_audio(tts(loud(20)))
    playout.tick(0)
    late = Marker()
    assert playout.put(late).out == []
    assert playout.tick(0).out == [late]
    assert playout.put(marker).out == [marker]


def test_the_rest_is_padded_when_the_voice_stops(playout: Playout) -> None:
    playout.put_audio(tts(loud(30)))
    assert playout.queued_ms == 20
    playout.put(TTSStoppedFrame(context_id="c"))
    assert playout.queued_ms == 40
    playout.tick(0)
    assert playout.tick(0).pcm == loud(10) + silent(10)


def test_a_rest_without_an_end_is_played_after_a_while(playout: Playout) -> None:
    playout.put_audio(tts(loud(30)))
    pcm = [playout.tick(0).pcm for _ in range(UNDERRUN_TICKS + 2)]
    assert [chunk is not None for chunk in pcm] == [True] + [False] * UNDERRUN_TICKS + [True]


def gaps(playout: Playout, count: int) -> list[int]:
    return [beat.gap_ms for beat in (playout.tick(0) for _ in range(count)) if beat.gap_ms]


def test_a_sentence_that_goes_on_after_a_silence_for_want_of_audio_is_an_underrun(playout: Playout) -> None:
    announcement = announced()
    playout.put(announcement)
    playout.put_audio(tts(loud(40)))
    assert gaps(playout, 2 + 7) == [], "it may have been the end of it"
    playout.put_audio(tts(loud(40)))
    assert gaps(playout, 2 + 1) == [140]
    playout.put_audio(tts(loud(40)))
    assert gaps(playout, 2) == [20], "each by itself"
    playout.put(spoken(announcement))
    assert gaps(playout, 50) == []


def test_no_silence_between_sentences_before_the_first_or_by_a_hold_is_one(playout: Playout) -> None:
    sentence(playout, milliseconds=100)
    assert gaps(playout, 30) == []
    sentence(playout, milliseconds=400)
    assert gaps(playout, 10) == []
    playout.hold()
    assert gaps(playout, 30) == []
    playout.resume()
    assert gaps(playout, 30) == []
    playout.put(announced())
    playout.put_audio(tts(loud(100)))
    assert gaps(playout, 15) == []
    playout.cut()
    sentence(playout, milliseconds=100, context="d")
    assert gaps(playout, 15) == [], "what was cut does not go on"


def test_the_bot_speaks_from_the_first_chunk_to_the_stop(playout: Playout) -> None:
    stopped = TTSStoppedFrame(context_id="c")
    playout.put_audio(tts(loud(2020)))
    playout.put(stopped)
    assert playout.tick(0).out == [Bot.STARTED, Bot.SPEAKING]
    assert ticks(playout, 100) == [Bot.SPEAKING, Bot.SPEAKING]  # one a second
    assert ticks(playout, 1) == [Bot.STOPPED, stopped]
    assert not playout.speaking


def test_the_bot_has_stopped_when_its_voice_never_says_so(playout: Playout) -> None:
    playout.put_audio(tts(loud(20)))
    playout.tick(0)
    assert ticks(playout, IDLE_TICKS - 1) == []
    assert ticks(playout, 1) == [Bot.STOPPED]


def test_a_speech_stream_stops_by_its_silence(playout: Playout) -> None:
    playout.put_audio(SpeechOutputAudioRawFrame(loud(20) + silent(1000), RATE, 1))
    assert playout.tick(0).out == [Bot.STARTED, Bot.SPEAKING]
    assert ticks(playout, SPEECH_GAP_TICKS) == []
    assert ticks(playout, 1) == [Bot.STOPPED]


def test_plain_audio_is_not_speech(playout: Playout) -> None:
    playout.put_audio(OutputAudioRawFrame(loud(40), RATE, 1))
    assert playout.tick(0).out == []
    assert not playout.speaking


def test_a_sentence_is_told_when_its_audio_is_out(playout: Playout) -> None:
    sentence(playout, milliseconds=100)
    assert texts(ticks(playout, 5)) == []
    heard = [item for item in playout.tick(0).out if isinstance(item, HeardTextFrame)]
    assert [frame.text for frame in heard] == [TEXT]
    assert isinstance(heard[0], SystemFrame)
    assert heard[0].append_to_context
    assert playout.cut() == []


def test_a_cut_tells_the_words_heard(playout: Playout) -> None:
    sentence(playout, milliseconds=500)
    ticks(playout, 13)
    assert texts(playout.cut()) == ["um dois três"]
    assert playout.tick(0).pcm is None
    assert texts(ticks(playout, 50)) == []


@pytest.mark.parametrize("played", range(26))
def test_never_more_words_than_were_played(playout: Playout, played: int) -> None:
    sentence(playout, text="aaaa bbbb cccc dddd eeee", milliseconds=500)
    ticks(playout, played)
    words = "".join(texts(playout.cut())).split()
    assert len(words) == played // 5


def test_silence_around_the_words_does_not_count(playout: Playout) -> None:
    announcement = announced("aaaa bbbb")
    playout.put(announcement)
    playout.put_audio(tts(silent(200) + loud(200) + silent(400)))
    playout.put(spoken(announcement))
    ticks(playout, 14)
    assert playout.cut() == []
    playout.put(announcement := announced("aaaa bbbb", "d"))
    playout.put_audio(tts(silent(200) + loud(200) + silent(400), "d"))
    playout.put(spoken(announcement))
    ticks(playout, 20)
    assert texts(playout.cut()) == ["aaaa bbbb"]


def test_a_sentence_still_being_rendered_is_estimated(playout: Playout) -> None:
    playout.put(announced("Nós atendemos de segunda a sexta das oito da manhã até as seis da tarde"))
    playout.put_audio(tts(loud(400)))
    ticks(playout, 20)
    words = texts(playout.cut())[0]
    assert words == "Nós"


def test_a_sentence_that_may_go_on_is_never_told_whole(playout: Playout) -> None:
    playout.put(announced("Bom dia"))
    playout.put_audio(tts(loud(3000)))
    ticks(playout, 150)
    assert texts(playout.cut()) == ["Bom"]


def test_the_pace_of_the_voice_is_learnt(playout: Playout) -> None:
    slow = "palavra " * 10
    for context in "abcd":
        sentence(playout, slow, 10_000, context)
        ticks(playout, 502)
    playout.put(announced(slow, "e"))
    playout.put_audio(tts(loud(3000), "e"))
    ticks(playout, 150)
    assert len(texts(playout.cut())[0].split()) in (2, 3)


def test_only_the_sentence_being_spoken_is_cut(playout: Playout) -> None:
    sentence(playout, "primeira frase", 100)
    sentence(playout, "segunda frase aqui", 300)
    sentence(playout, "terceira", 300)
    out = ticks(playout, 5 + 12)
    assert texts(out) == ["primeira frase"]
    assert texts(playout.cut()) == ["segunda frase"]
    assert playout.queued_ms == 0
    assert texts(ticks(playout, 40)) == []


def test_what_is_not_kept_in_the_conversation_says_so(playout: Playout) -> None:
    playout.put(announcement := announced("aaaa bbbb"))
    playout.put(TTSStartedFrame(context_id="c", append_to_context=False))
    playout.put_audio(tts(loud(400)))
    ticks(playout, 20)
    heard = playout.cut()
    assert [isinstance(frame, HeardTextFrame) and frame.append_to_context for frame in heard] == [False]
    assert announcement.text.startswith("aaaa")


def test_late_audio_of_a_cancelled_context_is_refused(playout: Playout) -> None:
    playout.put(TTSStartedFrame(context_id="c"))
    sentence(playout)
    ticks(playout, 3)
    playout.cut()
    playout.put_audio(tts(loud(100)))
    playout.put(announced())
    playout.put(TTSStoppedFrame(context_id="c"))
    assert playout.queued_ms == 0
    assert ticks(playout, 3) == []
    playout.put_audio(tts(loud(100), "next"))
    assert playout.queued_ms == 100


def test_a_context_that_starts_anew_is_heard_again(playout: Playout) -> None:
    playout.put(TTSStartedFrame(context_id="c"))
    playout.cut()
    playout.put(TTSStartedFrame(context_id="c"))
    playout.put_audio(tts(loud(100)))
    assert playout.queued_ms == 100


def test_what_is_not_interruptible_stays_in_order(playout: Playout) -> None:
    kept = Marker()
    kept.interruptible = False
    dropped = Marker()
    announcement = announced("aviso legal", "legal", interruptible=False)
    sentence(playout)
    playout.put(dropped)
    playout.put(announcement)
    playout.put_audio(tts(loud(60), "legal", interruptible=False))
    playout.put(spoken(announcement))
    playout.put(kept)
    ticks(playout, 13)
    assert texts(playout.cut()) == ["um dois três"]
    assert not playout.stop_speaking()
    assert playout.queued_ms == 60
    out = ticks(playout, 4)
    assert texts(out) == ["aviso legal"]
    assert [item for item in out if isinstance(item, Marker)] == [kept]
    assert playout.cut() == []


def test_an_uninterruptible_sentence_is_told_whole_after_a_cut(playout: Playout) -> None:
    announcement = announced("aviso legal", "legal", interruptible=False)
    playout.put(announcement)
    playout.put_audio(tts(loud(100), "legal", interruptible=False))
    playout.put(spoken(announcement))
    ticks(playout, 2)
    assert playout.cut() == []
    assert texts(ticks(playout, 4)) == ["aviso legal"]


def test_a_cut_stops_the_bot(playout: Playout) -> None:
    assert not playout.stop_speaking()
    sentence(playout)
    ticks(playout, 2)
    playout.cut()
    assert playout.stop_speaking()
    assert not playout.stop_speaking()
    assert ticks(playout, IDLE_TICKS + 1) == []


def test_the_end_comes_after_everything(playout: Playout) -> None:
    playout.put_audio(tts(loud(30)))
    assert not playout.put(EndFrame()).ended
    ended = [playout.tick(0).ended for _ in range(3)]
    assert ended == [False, False, True]
    assert Playout(RATE).put(EndFrame()).ended


def test_frames_with_a_time_come_out_by_the_clock(playout: Playout) -> None:
    word = TTSTextFrame("oi", "word", context_id="c")
    word.pts = 1000
    later = TTSTextFrame("tchau", "word", context_id="c")
    later.pts = 2000
    playout.put(later)
    playout.put(word)
    playout.put_audio(tts(loud(100)))
    assert word not in playout.tick(999).out
    assert word in playout.tick(1000).out
    playout.cut()
    assert playout.tick(3000).out == []


def test_giving_up_keeps_frames_but_no_unheard_words(playout: Playout) -> None:
    marker = Marker()
    sentence(playout)
    playout.put(marker)
    playout.put(EndFrame())
    assert playout.take_frames() == [marker]
    assert playout.queued_ms == 0


@given(st.lists(st.sampled_from(["sentence", "marker", "tick", "tick", "ticks", "cut", "late"]), max_size=60))
def test_no_word_is_told_twice_or_unplayed(steps: list[str]) -> None:
    playout = Playout(RATE)
    announced_texts: list[str] = []
    told: list[str] = []
    played = 0

    def tick(count: int) -> None:
        nonlocal played
        for _ in range(count):
            beat = playout.tick(0)
            told.extend(texts(beat.out))
            played += beat.pcm is not None

    for number, step in enumerate(steps):
        if step == "sentence":
            announced_texts.append(f"a{number} b{number} c{number}")
            sentence(playout, announced_texts[-1], 300, str(number))
        elif step == "marker":
            playout.put(Marker())
        elif step == "late" and announced_texts:
            playout.put_audio(tts(loud(30), announced_texts[-1].split()[0][1:]))
        elif step == "cut":
            told.extend(texts(playout.cut()))
            assert playout.queued_ms == 0
        elif step.startswith("tick"):
            tick(1 if step == "tick" else 12)
    begun = [text for text in announced_texts if any(f"{text} ".startswith(f"{words} ") for words in told)]
    assert len(told) == len(begun)
    assert told == sorted(told, key=lambda words: int(words.split()[0][1:]))
    assert sum(len(words.split()) for words in told) * 5 <= played + 5
