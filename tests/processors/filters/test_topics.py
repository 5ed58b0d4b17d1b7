"""`filter.topics`: no word of a forbidden sentence gets out, and everything else does."""

from typing import Any

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)

from processors.factory import PrepareError
from processors.filters.topics import Guard, Topic
from processors.frames import AnsweredFrame, CallRequestFrame
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import made, turn
from tests.processors.stages import Edge, Step, answer, asked, played

LAW = {"name": "law", "phrases": ["processo", "advog*", "danos morais", "lawsuit"], "answer": "Disso não falo."}
POLITICS = {"name": "politics", "phrases": ["eleição"]}


async def guarded(*steps: Step, **config: Any) -> Edge:
    behind, _ = await played(await made("filter.topics", topics=[LAW, POLITICS], **config), steps)
    return behind


def spoken(edge: Edge) -> list[str]:
    return [frame.text.strip() for frame in edge.of(AggregatedTextFrame, LLMTextFrame)]


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("Quero abrir um PROCESSO!", "law"),
        ("meu advogado, minha advogada", "law"),
        ("danos,  Morais", "law"),
        ("a eleicao de domingo", "politics"),
        ("o processador é rápido", None),
        ("danos materiais e morais", None),
        ("reprocesso", None),
        ("", None),
    ],
)
def test_topics_are_found_as_whole_words(text: str, met: str | None) -> None:
    guard = Guard()
    for topic in (LAW, POLITICS):
        guard.add(Topic(**topic))  # type: ignore[arg-type]
    found = guard.met(text)
    assert (found and found.name) == met


@virtual
async def test_an_answer_passes_sentence_by_sentence() -> None:
    edge = await guarded(*answer("Abrimos às ", "oito. Fecha", "mos às ", "seis."))
    assert spoken(edge) == ["Abrimos às oito.", "Fechamos às seis."]
    kinds = [type(frame) for frame in edge.of(LLMFullResponseStartFrame, AggregatedTextFrame, LLMFullResponseEndFrame)]
    assert kinds == [LLMFullResponseStartFrame, AggregatedTextFrame, AggregatedTextFrame, LLMFullResponseEndFrame]


@virtual
async def test_no_beginning_of_a_forbidden_sentence_gets_out() -> None:
    words = ["Claro. ", "Você pode ", "abrir um ", "processo ", "contra eles. ", "Eu ajudo. "]
    edge = await guarded(*answer(*words))
    assert spoken(edge) == ["Claro.", "Disso não falo."]
    assert [frame.intent for frame in edge.of(AnsweredFrame)] == ["unanswerable"]


@virtual
async def test_a_sentence_is_let_out_as_soon_as_the_next_one_begins() -> None:
    steps = [LLMFullResponseStartFrame(), LLMTextFrame("Abrimos às oito. F"), 1.0, LLMTextFrame("im.")]
    edge = await guarded(*steps, LLMFullResponseEndFrame())
    times = {frame.text: at for at, frame in edge.came if isinstance(frame, AggregatedTextFrame)}
    assert times["Fim."] - times["Abrimos às oito."] == pytest.approx(1.0)


@virtual
async def test_the_next_answer_is_judged_anew() -> None:
    edge = await guarded(*answer("Um processo."), *answer("Bom dia."))
    assert spoken(edge) == ["Disso não falo.", "Bom dia."]


@virtual
async def test_behind_the_model_the_callers_words_decide_too() -> None:
    edge = await guarded(
        turn("quero um advogado"), *answer("Claro, ", "eu indico um."), turn("bom dia"), *answer("Oi.")
    )
    assert spoken(edge) == ["Disso não falo.", "Oi."]


@virtual
async def test_ahead_of_the_model_the_model_is_not_asked() -> None:
    edge = await guarded(asked("e a eleição?"), asked("que horas são?"))
    assert [len(edge.of(kind)) for kind in (LLMContextFrame, LLMFullResponseStartFrame)] == [1, 1]
    assert spoken(edge) == ["Não sei."]
    assert isinstance(edge.frames[0], AnsweredFrame)


@virtual
async def test_only_one_side_may_be_guarded() -> None:
    caller = await guarded(turn("advogado"), *answer("Um proc", "esso."), *answer("processo"), assistant=False)
    assert spoken(caller) == ["Disso não falo.", "processo"]
    model = await guarded(turn("advogado"), *answer("Bom dia."), asked("advogado"), caller=False)
    assert spoken(model) == ["Bom dia."]
    assert len(model.of(LLMContextFrame)) == 1


@virtual
async def test_what_was_held_is_gone_with_an_interruption() -> None:
    begun = [LLMFullResponseStartFrame(), LLMTextFrame("Uma frase que não")]
    edge = await guarded(*begun, InterruptionFrame(), *answer("Outra."))
    assert spoken(edge) == ["Outra."]
    assert spoken(await guarded(LLMFullResponseStartFrame(), LLMTextFrame("Uma frase"), InterruptionFrame())) == []


@virtual
async def test_the_operators_own_sentences_and_requests_pass() -> None:
    said, asks = TTSSpeakFrame("O processo de seleção"), CallRequestFrame(request="operator")
    edge = await guarded(said, *answer("processo"), asks)
    assert [frame for frame in edge.frames if frame in (said, asks)] == [said, asks]


@virtual
async def test_a_phrase_without_a_letter_is_refused() -> None:
    with pytest.raises(PrepareError, match=r"'-- x' in 'bad'"):
        await made("filter.topics", topics=[{"name": "bad", "phrases": ["-- x"]}])
