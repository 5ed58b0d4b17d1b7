"""Markdown to passages."""

from pathlib import Path

import pytest

from knowledge.documents import MAX_DOCUMENT_CHARS, MAX_PASSAGE_CHARS, DocumentError, base_id, plain, read_document

KNOWLEDGE = Path(__file__).parents[2] / "configs" / "knowledge"


def test_a_heading_that_asks_makes_one_passage_of_its_whole_answer() -> None:
    passages = read_document("faq", "# Loja\n\n## Tem vaga?\nSim.\nSão duas.\n\nSó de dia.\n\n## Aceitam Pix?\nSim.\n")
    assert [(p.id, p.document, p.heading, p.question, p.text) for p in passages] == [
        ("faq#1", "faq", "Tem vaga?", "Tem vaga?", "Sim. São duas. Só de dia."),
        ("faq#2", "faq", "Aceitam Pix?", "Aceitam Pix?", "Sim."),
    ]


def test_under_any_other_heading_each_paragraph_is_a_passage_with_the_headings_above_it() -> None:
    passages = read_document(
        "guia", "Abertura.\n\n## Entrega\n### Prazo\nDois dias.\n\nNa cidade, um.\n## Troca\nPode."
    )
    assert [(p.heading, p.question, p.text) for p in passages] == [
        ("", "", "Abertura."),
        ("Entrega › Prazo", "", "Dois dias."),
        ("Entrega › Prazo", "", "Na cidade, um."),
        ("Troca", "", "Pode."),
    ]


def test_a_question_keeps_the_headings_above_it() -> None:
    (passage,) = read_document("x", "## Entrega\n### Quanto custa?\nDez reais.")
    assert (passage.heading, passage.question) == ("Entrega › Quanto custa?", "Quanto custa?")


def test_marks_that_a_voice_would_not_read_go_away() -> None:
    assert plain("**Sim**, veja [a página](https://x.example/a_b).\n- um\n2. `dois` _três_") == (
        "Sim, veja a página. um dois três"
    )
    assert plain("2 * 3 e snake_case ficam") == "2 * 3 e snake_case ficam"


def test_long_text_is_cut_at_sentences_and_nothing_is_lost() -> None:
    sentence = "Esta frase tem exatamente sete palavras aqui."
    passages = read_document("x", "## Regras\n" + " ".join([sentence] * 60))
    assert all(len(p.text) <= MAX_PASSAGE_CHARS and p.text.endswith("aqui.") for p in passages)
    assert " ".join(p.text for p in passages) == " ".join([sentence] * 60)


def test_a_sentence_without_end_is_cut_at_spaces() -> None:
    passages = read_document("x", "## Regras\n" + "palavra " * 300)
    assert all(len(p.text) <= MAX_PASSAGE_CHARS for p in passages)
    assert " ".join(p.text for p in passages).split() == ["palavra"] * 300


@pytest.mark.parametrize("text", ["", "# Só um título\n\n## Sem resposta?\n"])
def test_a_document_without_any_passage_is_refused_and_named(text: str) -> None:
    with pytest.raises(DocumentError, match="vazio: no text"):
        read_document("vazio", text)


def test_a_document_too_large_is_refused() -> None:
    with pytest.raises(DocumentError, match="split the document"):
        read_document("x", "a" * (MAX_DOCUMENT_CHARS + 1))


@pytest.mark.parametrize("path", sorted(KNOWLEDGE.glob("*/*.md")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_example_documents_are_questions_with_answers_short_enough_to_say(path: Path) -> None:
    passages = read_document(path.stem, path.read_text(encoding="utf-8"))
    assert all(p.question and len(p.text.split()) <= 25 for p in passages)


def test_other_ways_of_asking_make_variants_of_the_same_answer() -> None:
    passages = read_document(
        "faq", "## Tem vaga?\nSim.\n\n> onde eu *paro* o carro?\n> tem garagem?\n\n## Pix?\nSim.\n"
    )

    assert [(p.id, p.question, p.heading, p.text) for p in passages] == [
        ("faq#1", "Tem vaga?", "Tem vaga?", "Sim."),
        ("faq#1~1", "onde eu paro o carro?", "Tem vaga?", "Sim."),
        ("faq#1~2", "tem garagem?", "Tem vaga?", "Sim."),
        ("faq#2", "Pix?", "Pix?", "Sim."),
    ]
    assert [base_id(p.id) for p in passages] == ["faq#1", "faq#1", "faq#1", "faq#2"]


def test_what_nobody_answers_here_makes_passages_without_a_text() -> None:
    passages = read_document("faq", "## Para uma pessoa\n> vocês têm piscina?\n> vendem óculos?\n")

    assert [(p.question, p.text) for p in passages] == [("vocês têm piscina?", ""), ("vendem óculos?", "")]
