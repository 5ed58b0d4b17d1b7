"""The account writes what was heard, and tells it as it happens."""

from base.ids import CallId
from knowledge.passages import Passage
from pipelines.calls import Found, LiveEvent, Said
from pipelines.turns import TurnAccount
from processors.frames import AnsweredFrame, RetrievedFrame


def account() -> tuple[TurnAccount, list[LiveEvent]]:
    events: list[LiveEvent] = []
    return TurnAccount(CallId("c1"), 100.0, events.append, turn_wait_s=0.4), events


def test_a_turn_is_traced_from_the_last_speech_sample_to_the_first_sound() -> None:
    book, events = account()
    book.caller_started(101.0)
    book.caller_stopped(102.2, 102.0)
    book.transcribed(102.5)
    book.understood("when", 102.6)
    passage = Passage(id="d:1", document="d", heading="h", text="nine", score=0.9)
    book.retrieved(RetrievedFrame(passages=(passage,), sure=True), 102.65)
    book.sentence(102.7)
    book.tts_audio(102.75)
    book.decided(AnsweredFrame(intent="answer", passage_id="d:1"))
    book.answer_begins()
    book.speech_started(102.8)
    book.heard("At nine.", 103.5)
    assert book.finished()
    question, answer = book.turns
    assert (question.role, question.at_ms) == ("caller", 1000.0)
    assert (answer.intent, answer.passage_id, answer.interrupted) == ("answer", "d:1", False)
    fall = answer.waterfall
    assert fall is not None
    steps = [fall.vad_stop, fall.transcript, fall.turn_wait, fall.turn_end, fall.retrieved]
    assert steps == [200.0, 500.0, 600.0, 600.0, 650.0]
    assert [fall.first_sentence, fall.first_tts_audio, fall.first_audio] == [700.0, 750.0, 800.0]
    assert [event.document for event in events if isinstance(event, Found)] == ["d"]
    assert [event.text for event in events if isinstance(event, Said)] == ["At nine."]


def test_of_several_utterances_in_one_turn_the_last_counts() -> None:
    book, _ = account()
    for start in (101.0, 103.0):
        book.caller_started(start)
        book.turn_began()
        book.caller_stopped(start + 1.2, start + 1.0)
        book.transcribed(start + 1.5)
    book.understood("well when", 104.6)
    book.answer_begins()
    book.speech_started(105.0)
    book.heard("Nine.", 105.5)
    book.finished()
    question, answer = book.turns
    assert question.at_ms == 1000.0
    assert answer.waterfall is not None
    assert answer.waterfall.first_audio == 1000.0


def test_a_fixed_text_has_neither_intent_nor_waterfall() -> None:
    book, _ = account()
    book.caller_stopped(101.0, 100.8)
    book.understood("hello", 101.2)
    book.heard("Are you there?", 102.0)
    book.finished()
    assert (book.turns[1].intent, book.turns[1].waterfall) == (None, None)


def test_what_was_not_heard_is_not_written() -> None:
    book, events = account()
    book.understood("hello", 101.0)
    book.answer_begins()
    book.interrupted()
    assert not book.finished()
    assert [turn.role for turn in book.turns] == ["caller"]
    assert not [event for event in events if isinstance(event, Said)]


def test_a_call_that_ends_in_the_middle_of_an_answer_keeps_its_words() -> None:
    book, _ = account()
    book.answer_begins()
    book.speech_started(101.0)
    book.heard("At", 101.3)
    book.heard("nine", 101.6)
    book.close()
    book.close()
    (answer,) = book.turns
    assert (answer.text, answer.interrupted) == ("At nine", True)


def test_a_voice_that_opened_no_turn_is_not_the_beginning_of_the_next() -> None:
    book, _ = account()
    book.caller_started(100.5)
    book.caller_stopped(100.9, 100.7)
    book.caller_started(103.0)
    book.turn_began()
    book.understood("hello", 104.0)
    assert book.turns[0].at_ms == 3000.0


def test_only_the_turn_that_was_written_is_marked() -> None:
    book, _ = account()
    book.wrote(101.0)
    book.turn_began()
    book.understood("where", 101.5)
    book.transcribed(103.0)  # of something that the detector took for silence
    book.understood("and when", 103.5)
    assert [(turn.text, turn.written, turn.at_ms) for turn in book.turns] == [
        ("where", True, 1000.0),
        ("and when", False, 3500.0),
    ]


def test_what_was_written_while_nobody_listened_marks_no_later_turn() -> None:
    book, _ = account()
    book.wrote(101.0)
    book.caller_started(105.0)
    book.turn_began()
    book.wrote(105.5)
    book.unheard()
    book.understood("hello", 107.0)
    book.wrote(108.0)
    book.caller_started(109.0)
    book.turn_began()
    book.understood("when", 110.0)
    assert [(turn.written, turn.at_ms) for turn in book.turns] == [(False, 7000.0), (False, 9000.0)]
