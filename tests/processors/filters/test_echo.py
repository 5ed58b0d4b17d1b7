"""`filter.echo`: the assistant's own words are no turn, and no word of the caller's is lost."""

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
)

from processors.filters.echo import OwnWords, likeness
from processors.frames import SayingFrame
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import made
from tests.processors.stages import HEARD_AT, UP, Edge, Step, heard, played

GREETING = "Olá! Você ligou para a Clínica Sorriso. Como posso ajudar?"
SPEAKS: list[Step] = [(SayingFrame(GREETING), UP), (BotStartedSpeakingFrame(), UP)]


async def ear(*steps: Step, **config: float) -> Edge:
    behind, _ = await played(await made("filter.echo", **config), steps)
    return behind


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("Você ligou para a Clínica Sorriso", True),
        ("voce ligou para a clinica surriso", True),
        ("ligou para clínica Sorriso como posso ajudá", True),
        ("para a Clínica", False),
        ("Sorriso", False),
        ("quero marcar uma consulta na clínica", False),
        ("vocês podem ajudar minha mãe, que ligou para a farmácia ontem", False),
        ("ligou para a clínica sorriso mas eu quero cancelar a consulta de amanhã cedo com a doutora", False),
        ("", False),
    ],
)
def test_only_what_is_nearly_the_own_words_is_an_echo(text: str, echo: bool) -> None:
    own = OwnWords(0.6, 4)
    for sentence in ("Bom dia.", GREETING):
        own.saying(sentence)
    assert own.are(text) == echo


def test_likeness_is_between_nothing_and_word_for_word() -> None:
    assert likeness(["a", "b"], ["x", "a", "b", "y"]) == 1.0
    assert likeness(["a", "b"], ["x"]) == 0.0
    assert likeness(["a"], []) == likeness([], ["a"]) == 0.0


def test_a_sentence_of_long_ago_is_forgotten() -> None:
    own = OwnWords(0.6, 4)
    own.saying(GREETING)
    for n in range(8):
        own.saying(f"frase número {n}")
    assert not own.are("Você ligou para a Clínica Sorriso")


@virtual
async def test_an_echo_is_no_turn_and_audio_and_other_words_pass() -> None:
    audio = InputAudioRawFrame(bytes(320), 8000, 1)
    interim = InterimTranscriptionFrame("ligou para a clínica", "caller", HEARD_AT)
    edge = await ear(*SPEAKS, audio, interim, heard("você ligou para a clínica sorriso"), heard("quero marcar"))
    assert edge.texts(TranscriptionFrame, InterimTranscriptionFrame) == ["quero marcar"]
    assert edge.of(InputAudioRawFrame) == [audio]


@virtual
async def test_in_a_turn_an_empty_transcript_takes_its_place() -> None:
    edge = await ear(*SPEAKS, (UserStartedSpeakingFrame(), UP), heard("você ligou para a clínica sorriso"))
    (frame,) = edge.of(TranscriptionFrame)
    assert (frame.text, frame.finalized) == ("", True)


@virtual
@pytest.mark.parametrize(("after_s", "passes"), [(1.0, False), (3.0, True)])
async def test_a_while_after_the_assistants_last_sound_the_same_words_are_the_callers(
    after_s: float, passes: bool
) -> None:
    echo = heard("você ligou para a clínica sorriso")
    edge = await ear(*SPEAKS, (BotStoppedSpeakingFrame(), UP), after_s, echo, tail_s=2.0)
    assert bool(edge.of(TranscriptionFrame)) == passes


@virtual
async def test_before_the_assistant_has_said_anything_all_words_pass() -> None:
    edge = await ear((SayingFrame(GREETING), UP), heard("você ligou para a clínica sorriso"))
    assert edge.texts(TranscriptionFrame) == ["você ligou para a clínica sorriso"]
