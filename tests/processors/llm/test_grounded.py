"""What `llm.grounded` says, turn by turn, and the frames it says it with."""

from typing import Any

import pytest
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import SleepFrame, run_test

from base.ids import AssistantName, CallId, TenantId
from base.languages import texts
from knowledge.passages import Passage
from processors.factory import CallContext, Persona, PrepareError, StageContext
from processors.frames import AnsweredFrame, CallRequestFrame, RetrievedFrame
from processors.llm.answers import Answer
from processors.llm.grounded import Desk, Grounded, GroundedConfig, GroundedLlm
from processors.llm.intents import phrasebook

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
PERSONA = Persona(
    name=AssistantName("sofia"),
    language="pt-BR",
    company="Clínica",
    texts={"farewell": "Até logo da {company}!", "greeting": "Clínica, olá!"},
)
CALL = CallContext(tenant_id=TENANT, call_id=CallId("c"), persona=PERSONA, sample_rate=8000)
OURS = texts("pt-BR")
HOURS = Passage(id="faq#1", document="faq", heading="Horário?", question="Horário?", text="Das oito às seis.")


def found(query: str, *passages: Passage, sure: bool = True, failed: bool = False) -> RetrievedFrame:
    return RetrievedFrame(query=query, passages=passages, sure=sure, failed=failed)


@pytest.fixture
def desk() -> Desk:
    sentences = OURS.filled(company="Clínica", assistant="sofia", own=dict(PERSONA.texts))
    return Desk(phrasebook("pt-BR"), sentences)


def test_a_sure_passage_is_said_word_for_word(desk: Desk) -> None:
    answer = desk.answer("bom dia, qual é o horário?", found("bom dia, qual é o horário?", HOURS))
    assert answer == Answer("answer", "Das oito às seis.", passage_id="faq#1")


@pytest.mark.parametrize(
    "unsure",
    [
        None,
        found("q", HOURS, sure=False),
        found("q", sure=False),
        found("q", sure=True),
        found("q", failed=True, sure=False),
    ],
)
def test_without_a_sure_passage_it_says_that_it_does_not_know(desk: Desk, unsure: RetrievedFrame | None) -> None:
    answer = desk.answer("vocês têm piscina?", unsure)
    assert (answer.kind, answer.text, answer.passage_id) == ("unanswerable", OURS.unanswerable, None)


@pytest.mark.parametrize("noise", ["", "  ", "...", "?", "e", "12"])
def test_what_is_no_speech_is_asked_for_again(desk: Desk, noise: str) -> None:
    assert desk.answer(noise, found(noise, HOURS)).kind == "not_understood"


def test_an_intent_needs_no_document_even_if_one_was_found(desk: Desk) -> None:
    assert desk.answer("tchau, obrigado", found("tchau, obrigado", HOURS)) == Answer(
        "goodbye", "Até logo da Clínica!", request="hangup"
    )
    assert desk.answer("quero falar com um atendente", None) == Answer("operator", OURS.operator, request="operator")
    assert desk.answer("bom dia", None) == Answer("greeting", "Clínica, olá!")


def test_repeat_says_the_last_answer_again_and_before_any_the_greeting(desk: Desk) -> None:
    assert desk.answer("como é?", None).text == "Clínica, olá!"
    desk.answer("qual é o horário?", found("q", HOURS))
    assert desk.answer("pode repetir?", None) == Answer("repeat", "Das oito às seis.")
    desk.answer("obrigado", None)
    desk.answer("...", None)
    assert desk.answer("repete por favor", None).text == "Das oito às seis."


def test_yes_to_an_offered_person_is_taken_at_its_word(desk: Desk) -> None:
    desk.answer("vocês têm piscina?", found("q", sure=False))
    assert desk.answer("sim, por favor", None).kind == "operator"
    desk.answer("obrigado", None)
    assert desk.answer("sim", None).kind == "free"


def test_the_offer_is_still_open_after_it_was_repeated(desk: Desk) -> None:
    desk.answer("vocês têm piscina?", found("q", sure=False))
    assert desk.answer("não entendi", None).text == OURS.unanswerable
    assert desk.answer("quero sim", None).kind == "operator"


def test_no_to_anything_else_ends_the_call_and_to_a_person_does_not(desk: Desk) -> None:
    desk.answer("vocês têm piscina?", found("q", sure=False))
    assert desk.answer("não", None) == Answer("free", OURS.anything_else, offers="more")
    assert desk.answer("não", None).kind == "goodbye"


def test_asking_for_a_person_at_length_is_understood_unless_a_passage_answers(desk: Desk) -> None:
    long = "deu problema na minha conta e eu preciso falar com um atendente"
    assert desk.answer(long, found(long, sure=False)).kind == "operator"
    assert desk.answer(long, found(long, HOURS)).kind == "answer"


def context(*spoken: str) -> LLMContextFrame:
    return LLMContextFrame(LLMContext([{"role": "user", "content": text} for text in spoken]))


def made() -> Grounded:
    stage = GroundedLlm()
    return stage.create(GroundedConfig(), OURS, CALL)


async def test_the_frames_of_an_answer() -> None:
    down, _ = await run_test(made(), frames_to_send=[found("horário?", HOURS), context("horário?")])
    kinds = [RetrievedFrame, AnsweredFrame, LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame]
    assert [type(frame) for frame in down] == kinds
    answered, text = down[1], down[3]
    assert isinstance(answered, AnsweredFrame)
    assert isinstance(text, LLMTextFrame)
    assert (answered.intent, answered.passage_id, text.text) == ("answer", "faq#1", "Das oito às seis.")


@pytest.mark.parametrize(("spoken", "request_"), [("tchau", "hangup"), ("atendente", "operator")])
async def test_what_is_to_be_done_with_the_call_follows_the_words(spoken: str, request_: str) -> None:
    down, _ = await run_test(made(), frames_to_send=[context(spoken)])
    assert isinstance(down[-2], LLMFullResponseEndFrame)
    assert isinstance(down[-1], CallRequestFrame)
    assert down[-1].request == request_


async def test_what_was_found_for_an_interrupted_turn_does_not_answer_the_next() -> None:
    frames = [found("horário?", HOURS), SleepFrame(0.05), InterruptionFrame(), SleepFrame(0.05), context("e piscina?")]
    down, _ = await run_test(made(), frames_to_send=frames)
    assert [frame.intent for frame in down if isinstance(frame, AnsweredFrame)] == ["unanswerable"]


async def test_one_retrieval_answers_one_turn() -> None:
    frames = [found("horário?", HOURS), context("horário?"), context("horário?", "e piscina?")]
    down, _ = await run_test(made(), frames_to_send=frames)
    assert [frame.intent for frame in down if isinstance(frame, AnsweredFrame)] == ["answer", "unanswerable"]


async def test_it_tells_all_that_it_may_say_so_that_a_voice_can_render_it() -> None:
    stage, told = GroundedLlm(), StageContext(tenant_id=TENANT, persona=PERSONA)
    workshop: Any = None
    prepared = await stage.prepare(GroundedConfig(), told, workshop)
    spoken = await stage.says(GroundedConfig(), prepared, told)
    assert set(spoken) == {
        "Clínica, olá!",
        "Até logo da Clínica!",
        OURS.not_understood,
        OURS.unanswerable,
        OURS.operator,
        OURS.anything_else,
    }


async def test_a_language_without_sentences_is_refused_when_the_document_is_published() -> None:
    persona = Persona(name=AssistantName("x"), language="sv-SE", company="Y")
    workshop: Any = None
    with pytest.raises(PrepareError, match="sv"):
        await GroundedLlm().prepare(GroundedConfig(), StageContext(tenant_id=TENANT, persona=persona), workshop)
