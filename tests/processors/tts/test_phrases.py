"""Cutting text for a voice."""

from hypothesis import given
from hypothesis import strategies as st

from processors.tts.phrases import MIN_WORDS, clauses, sentences

ANSWER = "Olá! Você ligou para a Riso. A limpeza custa R$ 150,00, em até 3x. Quer marcar?"


async def test_sentences_are_cut_as_the_pipeline_cuts_them_and_cutting_again_changes_nothing() -> None:
    found = await sentences(ANSWER, "pt-BR")
    assert found == ["Olá!", "Você ligou para a Riso.", "A limpeza custa R$ 150,00, em até 3x.", "Quer marcar?"]
    assert [await sentences(sentence, "pt-BR") for sentence in found] == [[sentence] for sentence in found]


async def test_nothing_to_say_is_no_sentence() -> None:
    assert await sentences("  \n ", "pt-BR") == []


def test_the_first_clause_comes_first() -> None:
    sentence = "Abrimos de segunda a sexta, das oito às dezoito horas, e aos sábados até o meio-dia."
    assert clauses(sentence) == [
        "Abrimos de segunda a sexta,",
        "das oito às dezoito horas,",
        "e aos sábados até o meio-dia.",
    ]


def test_fragments_are_not_clauses() -> None:
    assert clauses("Sim, claro.") == ["Sim, claro."]
    assert clauses("Bom dia, tudo bem?") == ["Bom dia, tudo bem?"]
    assert clauses("A clínica abre às oito, sim.") == ["A clínica abre às oito, sim."]


def test_later_clauses_grow_together() -> None:
    pieces = clauses("um dois três quatro cinco, seis sete oito, nove dez onze, doze treze catorze, e mais nada.")
    assert pieces == [
        "um dois três quatro cinco,",
        "seis sete oito, nove dez onze,",
        "doze treze catorze, e mais nada.",
    ]


@given(st.text(alphabet="ab ,;:.", min_size=1).filter(lambda text: bool(text.strip())))
def test_no_word_is_lost(text: str) -> None:
    pieces = clauses(text)
    assert " ".join(pieces).split() == text.split()
    assert len(pieces) == 1 or all(len(piece.split()) >= MIN_WORDS for piece in pieces)
