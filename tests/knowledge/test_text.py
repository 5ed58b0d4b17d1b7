"""Words, stems and concepts."""

import pytest

from base.languages import fold
from knowledge.lexicons import LANGUAGES, lexicon_for, lexicon_language


def said(language: str, text: str) -> list[str]:
    return [token.surface for token in lexicon_for(language).tokens(text)]


def meant(language: str, text: str) -> set[str]:
    return {concept for token in lexicon_for(language).tokens(text) for concept in token.concepts}


def test_what_a_question_is_wrapped_in_goes_away() -> None:
    assert said("pt-BR", "Oi, bom dia, eu queria saber se vocês têm estacionamento, por favor") == ["estacionamento"]
    assert said("en", "Hi there, I was wondering if you have a ramp?") == ["ramp"]
    assert said("es", "Hola, buenos días, quisiera saber si tienen rampa") == ["rampa"]


@pytest.mark.parametrize(
    ("language", "one", "other", "concept"),
    [
        ("pt-BR", "quanto custa?", "qual é o preço?", "price"),
        ("pt-BR", "vocês têm garagem?", "onde deixo o carro?", "parking"),
        ("pt-BR", "quero desmarcar", "como cancelo?", "cancel"),
        ("en", "how much is it?", "what does it cost?", "price"),
        ("en", "is there an elevator?", "wheelchair access", "access"),
        ("es", "¿cuánto vale?", "el precio", "price"),
    ],
)
def test_different_words_for_one_thing_share_a_concept(language: str, one: str, other: str, concept: str) -> None:
    assert concept in meant(language, one) & meant(language, other)


def test_a_phrase_wins_over_its_words() -> None:
    tokens = lexicon_for("pt").tokens("quero a segunda via")
    assert [(token.surface, token.concepts) for token in tokens] == [("segunda via", frozenset({"copy"}))]


def test_a_stop_word_is_none_though_its_stem_looks_like_a_word() -> None:
    assert meant("pt", "estou com ela") == set()  # neither `estação` (metro) nor `comer` (eating)


def test_stems_join_the_forms_of_a_word() -> None:
    lexicon = lexicon_for("pt")
    assert len({lexicon.stem(word) for word in ("parcela", "parcelas", "parcelado", "parcelar")}) == 1


@pytest.mark.parametrize(
    ("small", "whole"),
    [
        ("pertinho", "perto"),
        ("horariozinho", "horário"),
        ("minutinhos", "minutos"),
        ("branquinho", "branco"),
        ("rapidinho", "rápido"),
        ("dorzinha", "dor"),
    ],
)
def test_a_diminutive_has_the_stem_of_its_word(small: str, whole: str) -> None:
    lexicon = lexicon_for("pt")
    assert lexicon.stem(small) == lexicon.stem(fold(whole))


def test_what_only_looks_like_a_diminutive_is_left_alone() -> None:
    assert lexicon_for("pt").stem("caminho") != lexicon_for("pt").stem("cama")
    assert lexicon_for("pt").stem("vinho") == "vinh"
    assert lexicon_for("en").stem("minha") == "minha"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("pt", "Atendemos de segunda a sexta e aos sábados até o meio-dia."),
        ("en", "We are open Monday to Saturday and on Sunday from noon."),
        ("es", "Abrimos de lunes a viernes y los sábados hasta el mediodía."),
    ],
)
def test_documents_tell_their_language(language: str, text: str) -> None:
    assert lexicon_language([text]) == language


def test_a_language_without_lexicon_reads_as_english() -> None:
    assert lexicon_for("sv-SE") is lexicon_for("en")
    assert lexicon_language([]) == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_concept_stands_only_on_words_that_no_caller_says(language: str) -> None:
    assert not lexicon_for(language).tokens("")
    assert "price" in {c for t in lexicon_for(language).tokens("quanto cuanto how much") for c in t.concepts}
