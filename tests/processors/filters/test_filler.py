"""`filter.filler`: a few words while the answer takes long, and never once it has begun."""

from itertools import pairwise

import pytest
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)

from processors.factory import PrepareError
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import made, turn
from tests.processors.stages import Step, played

ONE, TWO = "Um momento.", "Vou ver."


async def fillers(*steps: Step, language: str = "pt-BR", **config: object) -> list[tuple[str, float]]:
    """What was said, and how long after the caller's first turn."""
    sentences = {} if language != "pt-BR" else {"sentences": [ONE, TWO]}
    behind, _ = await played(await made("filter.filler", language, **{**sentences, **config}), steps)
    began = next(at for at, frame in behind.came if type(frame).__name__ == "LLMContextUserTurnFrame")
    speaks = [
        (at, frame)
        for at, frame in behind.came
        if isinstance(frame, TTSSpeakFrame) and not any(frame is step for step in steps)
    ]
    assert not any(frame.append_to_context for _, frame in speaks)
    return [(frame.text, round(at - began, 3)) for at, frame in speaks]


@virtual
async def test_a_mind_that_is_silent_is_covered_for() -> None:
    said = await fillers(turn("oi"), LLMFullResponseStartFrame(), 30.0, again_s=5.0)
    assert [at for _, at in said] == [1.5, 6.5]
    assert {text for text, _ in said} == {ONE, TWO}


@virtual
async def test_never_twice_the_same_in_a_row() -> None:
    said = await fillers(turn("oi"), 9.0, turn("e então?"), 9.0, turn("alô?"), 3.0, again_s=5.0)
    texts = [text for text, _ in said]
    assert len(texts) == 5
    assert all(text != after for text, after in pairwise(texts))


@virtual
@pytest.mark.parametrize(
    "sign",
    [LLMTextFrame("Das"), TTSSpeakFrame("Alô?"), LLMFullResponseEndFrame(), InterruptionFrame()],
    ids=lambda frame: type(frame).__name__,
)
async def test_none_when_the_mind_has_spoken_or_the_caller_goes_on(sign: Frame) -> None:
    assert await fillers(turn("oi"), 1.0, sign, 30.0) == []


@virtual
async def test_none_behind_the_first_word_even_after_a_filler() -> None:
    said = await fillers(turn("oi"), 2.0, LLMTextFrame("Das"), 30.0, again_s=3.0)
    assert [at for _, at in said] == [1.5]


@virtual
async def test_no_more_than_so_many() -> None:
    assert len(await fillers(turn("oi"), 60.0, most=3, again_s=2.0)) == 3
    assert len(await fillers(turn("oi"), 60.0, most=1, again_s=2.0)) == 1


@virtual
async def test_the_languages_own_sentences() -> None:
    (said, _), *_rest = await fillers(turn("hello"), 3.0, language="en-GB")
    assert said in ("Just a moment, please.", "Let me check that.", "I am looking into it.")


@virtual
async def test_a_sentence_that_stands_twice_and_a_language_without_any_are_refused() -> None:
    with pytest.raises(PrepareError, match="stands twice"):
        await made("filter.filler", sentences=[ONE, ONE])
    with pytest.raises(PrepareError, match="set `sentences`"):
        await made("filter.filler", "de")
