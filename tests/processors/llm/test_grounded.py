"""What `llm.grounded` says, turn by turn, and the frames it says it with."""

from types import SimpleNamespace
from typing import Any

import pytest
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
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
from knowledge.passages import KnowledgeError, Passage
from processors.factory import CallContext, Persona, PrepareError, StageContext
from processors.frames import AnsweredFrame, CallRequestFrame, RetrievedFrame
from processors.llm.answers import Answer
from processors.llm.grounded import Desk, Grounded, GroundedConfig, GroundedLlm, Ready
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


PRICE = Passage(id="faq#2", document="faq", heading="Preço?", question="Quanto custa?", text="Cem reais.")


def found(
    query: str, *passages: Passage, sure: bool = True, likely: bool = False, failed: bool = False
) -> RetrievedFrame:
    return RetrievedFrame(query=query, passages=passages, sure=sure and not likely, likely=likely, failed=failed)


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


@pytest.fixture
def asked_back(desk: Desk) -> Desk:
    assert desk.answer("até que horas?", found("até que horas?", HOURS, likely=True)) == Answer(
        "confirm", "Só para confirmar: Horário?", passage_id="faq#1", offers="passage"
    )
    return desk


@pytest.mark.parametrize(
    "yes",
    [
        "sim",
        "isso",
        "é isso mesmo",
        "sim, quero saber o horário",
        "Isso, por favor.",
        "O que é isso mesmo?",
        "Sem iso mesmo.",
        "Tenga!",
    ],
)
def test_what_is_only_likely_is_asked_back_and_a_yes_gets_the_answer(asked_back: Desk, yes: str) -> None:
    """The last three are what recognition made of a caller's "sim, isso mesmo" and "sim"."""
    assert asked_back.answer(yes, found(yes, PRICE, sure=False)) == Answer(
        "answer", "Das oito às seis.", passage_id="faq#1"
    )


@pytest.mark.parametrize("no", ["não", "não, não é isso", "não, obrigado", "Não, eu quero outra coisa."])
def test_a_no_is_not_answered_and_not_taken_for_a_good_bye(asked_back: Desk, no: str) -> None:
    answer = asked_back.answer(no, found(no, HOURS, likely=True))
    assert (answer.kind, answer.offers) == ("unanswerable", "operator")


def test_a_no_leads_to_the_next_best_once(desk: Desk) -> None:
    other = Passage(id="faq#3", document="faq", heading="Onde?", question="Onde fica?", text="Na praça.")
    assert desk.answer("até que horas?", found("q", HOURS, PRICE, other, likely=True)).passage_id == "faq#1"
    assert desk.answer("não", found("não", sure=False)).text == "Só para confirmar: Quanto custa?"
    assert desk.answer("não", found("não", sure=False)).kind == "unanswerable"


def test_a_yes_to_the_next_best_gets_its_answer(desk: Desk) -> None:
    desk.answer("até que horas?", found("q", HOURS, PRICE, likely=True))
    desk.answer("não, não é isso", None)
    assert desk.answer("sim", None) == Answer("answer", "Cem reais.", passage_id="faq#2")


def test_a_no_may_say_what_was_meant_instead(asked_back: Desk) -> None:
    said = "não, queria saber o preço"
    assert asked_back.answer(said, found(said, PRICE, likely=True)).text == "Só para confirmar: Quanto custa?"
    assert asked_back.answer("sim", None).text == "Cem reais."


def test_another_question_instead_of_a_reply_is_a_question(asked_back: Desk) -> None:
    assert asked_back.answer("quanto custa?", found("quanto custa?", PRICE)).text == "Cem reais."
    assert asked_back.answer("sim", None).kind == "free", "the question asked back is no longer open"


def test_nobody_is_asked_the_same_twice(asked_back: Desk) -> None:
    assert asked_back.answer("até quando?", found("até quando?", HOURS, likely=True)).kind == "unanswerable"


def test_a_question_that_was_spoken_over_is_asked_again(asked_back: Desk) -> None:
    asked_back.interrupted()
    assert asked_back.answer("eu perguntei até que horas", found("q", HOURS, likely=True)).kind == "confirm"
    asked_back.interrupted()
    assert asked_back.answer("eu perguntei até que horas", found("q", HOURS, likely=True)).kind == "unanswerable"


@pytest.mark.parametrize(
    ("said", "kind"), [("tchau", "goodbye"), ("obrigado", "free"), ("quero falar com alguém", "operator")]
)
def test_a_formality_is_no_reply(asked_back: Desk, said: str, kind: str) -> None:
    assert asked_back.answer(said, found(said, sure=False)).kind == kind


@pytest.mark.parametrize("bye", ["Não, tchau.", "Não, obrigado, tchau.", "não, até logo", "obrigado, tchau"])
def test_who_says_no_and_good_bye_leaves(asked_back: Desk, bye: str) -> None:
    assert asked_back.answer(bye, found(bye, PRICE, sure=False)).kind == "goodbye"


@pytest.mark.parametrize("said", ["Tem estacionamento?", "Onde está Bob?"])
def test_a_short_question_is_no_yes(asked_back: Desk, said: str) -> None:
    assert asked_back.answer(said, found(said, PRICE, sure=False)).kind == "unanswerable"


def test_with_nothing_looked_up_few_words_are_no_yes(asked_back: Desk) -> None:
    assert asked_back.answer("Tenga!", None).kind == "unanswerable"


def test_many_words_that_mean_nothing_to_us_are_no_yes(asked_back: Desk) -> None:
    said = "vocês têm piscina aquecida e sauna aí"
    assert asked_back.answer(said, found(said, sure=False)).kind == "unanswerable"


def test_a_question_asked_back_stays_open_over_a_noise_and_a_repetition(asked_back: Desk) -> None:
    assert asked_back.answer("...", None).kind == "not_understood"
    assert asked_back.answer("como?", None).text == "Só para confirmar: Horário?"
    assert asked_back.answer("sim", None).text == "Das oito às seis."


def test_a_person_may_be_asked_for_instead(asked_back: Desk) -> None:
    assert asked_back.answer("quero falar com um atendente", None).kind == "operator"


def test_a_passage_without_a_question_is_never_asked_back(desk: Desk) -> None:
    bare = Passage(id="doc#1", document="doc", heading="Sobre nós", text="Somos uma clínica.")
    assert desk.answer("quem são vocês?", found("q", bare, likely=True)).kind == "unanswerable"


@pytest.mark.parametrize(("when_likely", "kind"), [("answer", "answer"), ("refuse", "unanswerable")])
def test_an_operator_may_want_it_bolder_or_stricter(when_likely: Any, kind: str) -> None:
    desk = Desk(phrasebook("pt-BR"), OURS, when_likely)
    assert desk.answer("até que horas?", found("até que horas?", HOURS, likely=True)).kind == kind


def context(*spoken: str) -> LLMContextFrame:
    return LLMContextFrame(LLMContext([{"role": "user", "content": text} for text in spoken]))


def made() -> Grounded:
    stage = GroundedLlm()
    return stage.create(GroundedConfig(), Ready(OURS), CALL)


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


@pytest.mark.parametrize(("over_it", "second"), [(True, "confirm"), (False, "unanswerable")])
async def test_only_who_speaks_over_a_question_is_asked_it_again(over_it: bool, second: str) -> None:
    asked, again = "até que horas?", "mas até que horas é que vocês ficam?"
    frames: list[Any] = [found(asked, HOURS, likely=True), context(asked), SleepFrame(0.05)]
    frames += [] if over_it else [BotStoppedSpeakingFrame(), SleepFrame(0.05)]
    frames += [InterruptionFrame(), SleepFrame(0.05), found(again, HOURS, likely=True), context(again)]
    down, _ = await run_test(made(), frames_to_send=frames)
    assert [frame.intent for frame in down if isinstance(frame, AnsweredFrame)] == ["confirm", second]


async def test_one_retrieval_answers_one_turn() -> None:
    frames = [found("horário?", HOURS), context("horário?"), context("horário?", "e piscina?")]
    down, _ = await run_test(made(), frames_to_send=frames)
    assert [frame.intent for frame in down if isinstance(frame, AnsweredFrame)] == ["answer", "unanswerable"]


class Shelf:
    """A library with two entries and a passage without a question."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        if self._failure is not None:
            raise self._failure
        return [HOURS, PRICE, Passage(id="doc#1", document="doc", heading="Sobre nós", text="Somos uma clínica.")]


async def test_documents_that_cannot_be_read_are_told_when_the_document_is_published() -> None:
    workshop: Any = SimpleNamespace(library=Shelf(KnowledgeError("the store is gone")))
    with pytest.raises(PrepareError, match="the store is gone"):
        await GroundedLlm().prepare(GroundedConfig(), StageContext(tenant_id=TENANT, persona=PERSONA), workshop)


async def test_it_tells_all_that_it_may_say_so_that_a_voice_can_render_it() -> None:
    stage, told = GroundedLlm(), StageContext(tenant_id=TENANT, persona=PERSONA)
    workshop: Any = SimpleNamespace(library=Shelf())
    prepared = await stage.prepare(GroundedConfig(), told, workshop)
    spoken = await stage.says(GroundedConfig(), prepared, told)
    strict = GroundedConfig(when_likely="refuse")
    assert set(spoken) - set(await stage.says(strict, await stage.prepare(strict, told, workshop), told)) == {
        "Só para confirmar: Horário?",
        "Só para confirmar: Quanto custa?",
    }
    assert set(spoken) == {
        "Só para confirmar: Horário?",
        "Só para confirmar: Quanto custa?",
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
