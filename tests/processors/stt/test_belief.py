"""Which transcripts are believed."""

import pytest

from processors.stt.belief import believed, without_loops
from processors.stt.recogniser import DEFAULT_PROMPTS, Recognition

PT = DEFAULT_PROMPTS["pt"]


@pytest.mark.parametrize(
    ("text", "confidence", "no_speech"),
    [
        ("Bom dia, eu gostaria de marcar uma consulta.", -0.06, 0.013),
        ("Sí.", -0.96, 0.10),
        ("Alô?", -0.94, 0.02),
        ("Não, não.", -0.94, 0.005),
        ("Olá, boa tarde!", -0.25, 0.001),
    ],
)
def test_speech_is_believed_even_when_it_is_short(text: str, confidence: float, no_speech: float) -> None:
    assert believed(Recognition(text, confidence, no_speech), PT) == text


@pytest.mark.parametrize(
    ("text", "confidence", "no_speech"),
    [
        ("Legendas pela comunidade Amara.org", -0.35, 0.91),
        ("Hello, good afternoon!", -1.08, 0.48),
        ("Eu sou um chuteiro, mas eu não sei.", -1.81, 0.37),
        ("Eu não sei.", -1.55, 0.09),
    ],
)
def test_what_was_made_up_for_noise_is_not_believed(text: str, confidence: float, no_speech: float) -> None:
    assert believed(Recognition(text, confidence, no_speech), PT) == ""


@pytest.mark.parametrize("language", ["pt", "en", "es"])
def test_the_prompts_own_question_is_an_echo_and_its_greeting_is_not(language: str) -> None:
    prompt = DEFAULT_PROMPTS[language]
    question = {"pt": "Como posso ajudar?", "en": "How can I help you?", "es": "¿En qué puedo ayudarle?"}[language]
    greeting = prompt.split("!" if "!" in prompt else ".")[0]
    assert believed(Recognition(question, -0.3, 0.2), prompt) == ""
    assert believed(Recognition(greeting, -0.3, 0.2), prompt) == greeting


def test_without_a_prompt_nothing_is_an_echo() -> None:
    assert believed(Recognition("Como posso ajudar?", -0.3, 0.1), "") == "Como posso ajudar?"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("não, não, não, não, não", "não,"),
        ("eu quero eu quero eu quero eu quero eu quero", ""),
        ("bom dia eu quero eu quero eu quero eu quero", "bom dia eu quero"),
        ("três três três três, quatro quatro quatro quatro", "três três três três, quatro quatro quatro quatro"),
        ("0 0 0 0 0", "0 0 0 0 0"),
        ("não, não, não", "não, não, não"),
        ("", ""),
    ],
)
def test_loops_are_cut_and_numbers_are_not(text: str, left: str) -> None:
    assert without_loops(text) == left


def test_any_sentence_behind_the_greeting_is_an_echo() -> None:
    prompt, own = DEFAULT_PROMPTS["pt"], "Eu quero falar com uma pessoa."
    assert believed(Recognition("Se quiser falar com uma pessoa, diga atendente.", -0.5, 0.1), prompt) == ""
    assert believed(Recognition(own, -0.5, 0.1), prompt) == own
