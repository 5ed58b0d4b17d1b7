"""The words of a sentence that were heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.freeswitch.heard import heard_prefix, spoken_weight

SENTENCE = "Atendemos de segunda a sexta, das 8 às 18 horas."


def test_all_and_nothing() -> None:
    assert heard_prefix(SENTENCE, 1.0) == SENTENCE
    assert heard_prefix(SENTENCE, 0.0) == ""
    assert heard_prefix("", 0.5) == ""


def test_only_whole_words() -> None:
    words = SENTENCE.split()
    for percent in range(100):
        prefix = heard_prefix(SENTENCE, percent / 100)
        assert prefix.split() == words[: len(prefix.split())]
        assert SENTENCE.startswith(prefix)
    assert heard_prefix(SENTENCE, 0.5) == "Atendemos de segunda a sexta,"


def test_digits_and_pauses_take_time() -> None:
    assert spoken_weight("25,90") > spoken_weight("abcde")
    assert spoken_weight("sim, não") > spoken_weight("sim não")
    assert spoken_weight("não.") == spoken_weight("não")


@given(st.text(max_size=60), st.floats(0, 0.999), st.floats(0, 0.999))
def test_more_audio_is_never_fewer_words(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert heard_prefix(text, more).startswith(heard_prefix(text, less))


@pytest.mark.parametrize("share", [0.999, 0.9])
def test_the_last_word_needs_all_of_the_audio(share: float) -> None:
    assert heard_prefix("Bom dia tudo bem", share) == "Bom dia tudo"
