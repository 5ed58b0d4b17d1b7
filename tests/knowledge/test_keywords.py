"""The keyword arm with an embedder whose likeness of words is written down."""

from collections.abc import Sequence

import numpy as np
import pytest

from knowledge.embedder import Vectors
from knowledge.keywords import NEAR_MEANING, NEAR_SPELLING, SAME_CONCEPT, KeywordIndex
from knowledge.lexicons import lexicon_for
from knowledge.passages import Passage


class ScriptedEmbedder:
    """Each word is unlike any other, except for the groups given."""

    name = "scripted"
    dimension = 64

    def __init__(self, *alike: set[str]) -> None:
        self._alike = alike
        self._axes: dict[str, int] = {}

    def encode(self, sentences: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(sentences), self.dimension), dtype=np.float32)
        for row, sentence in zip(vectors, sentences, strict=True):
            key = next((min(group) for group in self._alike if sentence in group), sentence)
            row[self._axes.setdefault(key, len(self._axes))] = 1.0
        return vectors


def index(*pairs: tuple[str, str], embedder: ScriptedEmbedder | None = None) -> KeywordIndex:
    passages = [
        Passage(id=f"d#{n}", document="d", heading=question, question=question, text=text)
        for n, (question, text) in enumerate(pairs)
    ]
    return KeywordIndex(passages, lexicon_for("pt"), embedder or ScriptedEmbedder())


FAQ = (("Tem sapato vermelho?", "Custa 30 reais."), ("Fazem bolo?", "Sim, de chocolate, com a Odontoprev."))


def test_the_same_word_or_stem_counts_full() -> None:
    assert index(*FAQ).coverage("quero sapatos").covered == pytest.approx([1.0, 0.0])
    assert index(*FAQ).coverage("chocolate").covered == pytest.approx([0.0, 1.0])


def test_another_word_for_the_same_thing_counts_nearly_full() -> None:
    assert index(*FAQ).coverage("qual é o preço").covered == pytest.approx([SAME_CONCEPT, 0.0])


def test_a_spelling_that_nearly_agrees_counts() -> None:
    assert index(*FAQ).coverage("chocolati").covered == pytest.approx([0.0, NEAR_SPELLING])


def test_a_name_heard_as_two_words_is_found() -> None:
    assert index(*FAQ).coverage("aceitam odonto prev").covered == pytest.approx([0.0, 1.0])


def test_meaning_counts_where_no_letters_do() -> None:
    near = ScriptedEmbedder({"tenis", "sapato"})
    assert index(*FAQ, embedder=near).coverage("tênis").covered == pytest.approx([NEAR_MEANING, 0.0])


def test_a_word_that_no_passage_knows_weighs_most() -> None:
    covered = index(*FAQ, ("Tem sapato azul?", "Sim.")).coverage("sapato de porcelana").covered
    assert covered[0] == covered[2] < 0.5


def test_what_callers_ask_about_and_no_passage_speaks_of_is_foreign() -> None:
    assert index(*FAQ).coverage("tem bolo?").foreign == 0.0
    assert index(*FAQ).coverage("posso levar meu cachorro?").foreign > 0.0
    assert index(*FAQ).coverage("tem zzyzx?").foreign == 0.0  # unknown, but nothing that callers are known to ask
    assert index(*FAQ, ("Aceitam animais?", "Sim.")).coverage("posso levar meu cachorro?").foreign == 0.0


def test_the_story_before_the_question_counts_less_than_the_question() -> None:
    story = index(*FAQ).coverage("apareceu um eclipse, tem bolo?")
    question = index(*FAQ).coverage("apareceu um bolo, tem eclipse?")
    assert story.covered[1] > question.covered[1]
    assert story.matched[1] == pytest.approx(question.matched[1])


def test_a_last_clause_that_asks_nothing_by_itself_asks_what_came_before() -> None:
    one, other = (index(*FAQ).coverage(text) for text in ("bolo com eclipse, vocês têm?", "bolo com eclipse"))
    assert one.covered == pytest.approx(other.covered)


def test_numbers_match_only_themselves() -> None:
    near = ScriptedEmbedder({"30", "31"})
    assert index(*FAQ, embedder=near).coverage("30").covered == pytest.approx([1.0, 0.0])
    assert index(*FAQ, embedder=near).coverage("31").covered == pytest.approx([0.0, 0.0])


def test_asked_is_the_share_of_the_passages_own_question() -> None:
    asked = index(*FAQ).coverage("sapato vermelho bonito").asked
    assert asked == pytest.approx([1.0, 0.0])
    assert 0.3 < index(*FAQ).coverage("sapato").asked[0] < 0.7


@pytest.mark.parametrize("query", ["", "por favor", "?!"])
def test_a_query_without_words_that_matter_covers_nothing(query: str) -> None:
    coverage = index(*FAQ).coverage(query)
    assert coverage.covered == pytest.approx([0.0, 0.0])
    assert coverage.asked == pytest.approx([0.0, 0.0])


def test_a_passage_without_words_stays_in_place() -> None:
    assert index(("", "Sim."), *FAQ).coverage("bolo").covered == pytest.approx([0.0, 0.0, 1.0])


def test_no_passages_at_all() -> None:
    assert index().coverage("bolo").covered.shape == (0,)


def test_what_the_asking_clause_says_and_a_passage_does_not_is_missed() -> None:
    found = index(*FAQ).coverage("vi o sapato ontem, fazem torresmo de chocolate?")
    alone = index(*FAQ).coverage("fazem torresmo de chocolate?")
    assert found.missed == pytest.approx(alone.missed)
    assert found.missed[0] > found.missed[1] > 0
    assert index(*FAQ).coverage("tem sapato vermelho?").missed[0] == pytest.approx(0.0, abs=1e-6)
