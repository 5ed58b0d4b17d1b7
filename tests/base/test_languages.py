"""Languages: one spelling of a tag, complete texts, folded phrases that do not contradict each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, fields

from base.languages import (
    SUPPORTED,
    LanguageUnknownError,
    asking_back,
    digits,
    fill,
    fold,
    intents,
    primary,
    stop_words,
    tag,
    texts,
)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("pt_br", "pt-BR"),
        ("pt", "pt-BR"),
        ("PT-BR", "pt-BR"),
        ("pt-pt", "pt-PT"),
        (" EN ", "en"),
        ("en_us", "en-US"),
        ("es-419", "es-419"),
        ("zh-hant-tw", "zh-Hant-TW"),
    ],
)
def test_a_tag_has_one_spelling(written: str, wanted: str) -> None:
    assert tag(written) == wanted
    assert tag(wanted) == wanted


@pytest.mark.parametrize("written", ["", "portuguese", "p", "pt-BR-x", "pt BR", "../pt", "pt-BR\n-x"])
def test_what_is_no_tag_is_refused_with_the_tags_there_are(written: str) -> None:
    with pytest.raises(LanguageUnknownError, match="pt-BR, en, es"):
        tag(written)


def test_a_region_falls_back_to_its_language_and_an_unknown_language_does_not() -> None:
    assert texts("en-US") == texts("en")
    assert texts("pt-PT") == texts("pt")
    assert primary("pt_BR") == "pt"
    with pytest.raises(LanguageUnknownError, match="de-AT"):
        texts("de-AT")


@pytest.mark.parametrize("language", SUPPORTED)
def test_every_sentence_is_there_short_and_speakable(language: str) -> None:
    for name, text in asdict(texts(language)).items():
        spoken = asking_back(fill(text, "Acme", "ana"), "Horário?") if name == "confirm" else fill(text, "Acme", "ana")
        assert 5 < len(spoken) <= 100, name
        assert spoken[-1] in ".!?", name
        assert not set(spoken) & set("{}<>&/*_#()"), name


def test_what_is_asked_back_holds_the_question_as_it_is_written() -> None:
    assert asking_back("Você quer saber: {question}", "Onde {fica}?") == "Você quer saber: Onde {fica}?"
    assert asking_back("Como?", "Onde fica?") == "Onde fica?"


def test_texts_are_filled_with_names_and_the_operators_own_words() -> None:
    own = {"greeting": "Aqui é {assistant}, de {company}. {outro}"}
    filled = texts("pt").filled(company="{assistant} & Filhos", assistant="Lia", own=own)
    assert filled.greeting == "Aqui é Lia, de {assistant} & Filhos. {outro}"
    assert filled.farewell == texts("pt").farewell
    with pytest.raises(KeyError, match="greting"):
        texts("pt").filled(company="x", assistant="y", own={"greting": "Oi"})


@pytest.mark.parametrize("language", SUPPORTED)
def test_phrases_are_folded_and_decisive_intents_do_not_overlap(language: str) -> None:
    known = intents(language)
    for field in fields(known):
        group = getattr(known, field.name)
        assert group, field.name
        assert [fold(phrase) for phrase in group] == list(group), field.name
    decisive = [set(known.operator), set(known.goodbye), set(known.repeat), set(known.no), set(known.yes)]
    for number, group in enumerate(decisive):
        for other in decisive[number + 1 :]:
            assert not group & other
    assert not set(known.operator) & set(known.thanks)
    assert not set(known.goodbye) & set(known.greeting)


@pytest.mark.parametrize("language", SUPPORTED)
def test_all_ten_digits_are_spoken(language: str) -> None:
    assert sorted(set(digits(language).values())) == list("0123456789")


def test_half_a_dozen_is_six_in_brazil() -> None:
    assert digits("pt-BR")["meia"] == "6"


def test_stop_words_keep_the_subject_of_a_question() -> None:
    question = fold("Qual é o horário de funcionamento da clínica?").split()
    assert [word for word in question if word not in stop_words("pt")] == ["horario", "funcionamento", "clinica"]


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
