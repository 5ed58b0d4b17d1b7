"""`filter.dtmf`: when a number is complete, and what keys mean."""

from typing import Any

import msgspec
import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import EndFrame, InputDTMFFrame, InterruptionFrame, TranscriptionFrame

from processors.factory import PrepareError
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import for_record, made
from tests.processors.stages import Edge, Step, played


def keys(text: str) -> list[Step]:
    return [InputDTMFFrame(button=KeypadEntry(key)) for key in text]


async def typed(*steps: Step, language: str = "pt-BR", **config: Any) -> Edge:
    behind, _ = await played(await made("filter.dtmf", language, **config), steps)
    return behind


def said(edge: Edge) -> list[tuple[str, float]]:
    """Words and when they came, in seconds after the first key."""
    began = next(at for at, frame in edge.came if isinstance(frame, InputDTMFFrame))
    return [(frame.text, round(at - began, 3)) for at, frame in edge.came if isinstance(frame, TranscriptionFrame)]


@virtual
async def test_a_number_ends_with_its_terminator() -> None:
    edge = await typed(*keys("123#"), *keys("4#"))
    assert [text for text, _ in said(edge)] == ["Digitei 123.", "Digitei 4."]
    assert all(frame.finalized for frame in edge.of(TranscriptionFrame))
    assert [frame.button.value for frame in edge.of(InputDTMFFrame)] == ["1", "2", "3", "#", "4", "#"]


@virtual
async def test_a_number_ends_some_time_after_its_last_key() -> None:
    edge = await typed(*keys("1"), 0.9, *keys("2"), 0.9, *keys("3"), 3.0, timeout_s=1.0)
    assert said(edge) == [("Digitei 123.", 2.8)]


@virtual
async def test_a_number_ends_with_its_last_digit() -> None:
    assert said(await typed(*keys("1234567"), 9.0, max_digits=4)) == [("Digitei 1234.", 0.0), ("Digitei 567.", 2.5)]


@virtual
async def test_a_terminator_alone_says_nothing() -> None:
    assert said(await typed(*keys("##"), 9.0)) == []


@virtual
async def test_a_key_alone_says_what_it_means_and_in_a_number_it_is_a_digit() -> None:
    edge = await typed(*keys("0"), 3.0, *keys("10"), 3.0, *keys("0#"))
    assert [text for text, _ in said(edge)] == ["atendente", "Digitei 10.", "atendente"]


@virtual
async def test_a_key_that_is_no_digit_means_it_at_once() -> None:
    meant = {"*": "goodbye", "#": "quero ouvir o menu", "9": "repeat"}
    edge = await typed(*keys("*"), 1.0, *keys("#"), 1.0, *keys("9"), 3.0, keys=meant)
    assert said(edge) == [("tchau", 0.0), ("quero ouvir o menu", 1.0), ("repete", 4.5)]


@virtual
async def test_the_languages_own_words_and_the_operators() -> None:
    assert said(await typed(*keys("7#"), language="en")) == [("I typed 7.", 0.0)]
    assert said(await typed(*keys("7#"), language="es-MX")) == [("He marcado 7.", 0.0)]
    assert said(await typed(*keys("7#"), say="código {digits}")) == [("código 7", 0.0)]


@virtual
async def test_an_interruption_takes_nothing_that_the_caller_typed() -> None:
    edge = await typed(*keys("12"), InterruptionFrame(), *keys("3#"))
    assert [text for text, _ in said(edge)] == ["Digitei 123."]


@virtual
async def test_the_end_lets_out_what_was_typed() -> None:
    edge = await typed(*keys("12"))
    kinds = [type(frame) for frame in edge.of(TranscriptionFrame, EndFrame)]
    assert kinds == [TranscriptionFrame, EndFrame]


@virtual
async def test_a_call_that_is_cancelled_leaves_no_timer() -> None:
    behind, _ = await played(await made("filter.dtmf"), keys("12"), ends=False)
    assert behind.of(TranscriptionFrame) == []


def test_muted_digits_are_not_written_down() -> None:
    mute = for_record("filter.dtmf", muted=True)
    assert mute("Sim. Digitei 12345678. Está certo, 12?", "pt-BR") == "Sim. Digitei [teclas]. Está certo, 12?"
    assert for_record("filter.dtmf", muted=True, say="{digits} é o código")("9* é o código", "pt-BR") == (
        "[teclas] é o código"
    )


@virtual
async def test_a_language_without_phrases_is_refused() -> None:
    with pytest.raises(PrepareError, match=r"filter\.dtmf: no texts for the language 'de'"):
        await made("filter.dtmf", "de")


@pytest.mark.parametrize(
    "config", [{"terminator": "5"}, {"keys": {"12": "oi"}}, {"keys": {"1": ""}}, {"say": "digitei"}, {"max_digits": 0}]
)
def test_what_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    from processors.filters.dtmf import DtmfConfig

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, DtmfConfig)
