"""`filter.language`: the caller's language is noticed when it is sure, and the stages follow."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from pipecat.frames.frames import STTUpdateSettingsFrame, TranscriptionFrame, TTSUpdateSettingsFrame
from pipecat.transcriptions.language import Language

from processors.factory import PrepareError
from processors.filters.spoken_language import Listener, guess
from processors.frames import LanguageFrame
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import made
from tests.processors.stages import Edge, Step, heard, played

DATA = Path(__file__).parents[2] / "data"
ALL = ("pt", "en", "es")
EN, EN_TOO = "what are your opening hours", "do you take my insurance"
EN_LONG = "hello, i would like to know what your opening hours are"


class Line(Struct):
    lang: str
    text: str


def test_recorded_callers_are_told_apart() -> None:
    undecided = wrong = total = 0
    for file in (*DATA.glob("questions*/texts.json"), *DATA.glob("speech/*/texts.json")):
        for line in msgspec.json.decode(file.read_bytes(), type=dict[str, Line]).values():
            found = guess(line.text, ALL).language
            total += 1
            undecided += found is None
            wrong += found is not None and found != line.lang[:2]
    assert total > 250
    assert wrong == 0
    assert undecided <= total // 50


@pytest.mark.parametrize("text", ["", "ok", "Maria", "123", "hm", "pizza"])
def test_what_tells_nothing_is_no_guess(text: str) -> None:
    assert guess(text, ALL).language is None


def listener() -> Listener:
    return Listener("pt", frozenset(ALL), min_words=3, turns=2, sure_words=8)


def test_two_utterances_in_a_row_make_it_sure() -> None:
    ear = listener()
    assert [ear.heard(EN), ear.heard("quero marcar uma consulta"), ear.heard(EN), ear.heard(EN_TOO)] == [
        None,
        None,
        None,
        "en",
    ]
    assert ear.heard(EN) is None


def test_two_utterances_of_two_languages_do_not() -> None:
    ear = listener()
    assert [ear.heard(EN), ear.heard("necesito hablar con usted ahora"), ear.heard(EN)] == [None, None, None]


def test_a_long_one_makes_it_sure_alone_and_a_short_one_tells_nothing() -> None:
    assert listener().heard(EN_LONG) == "en"
    ear = listener()
    assert [ear.heard("thank you"), ear.heard("thank you"), ear.heard("bye bye")] == [None, None, None]


def test_a_recogniser_that_tells_another_language_is_believed_and_one_that_repeats_its_own_is_not() -> None:
    ear = listener()
    assert [ear.heard("você percebe a minha insurance", "en") for _ in range(2)] == [None, "en"]
    assert [listener().heard(EN_LONG, "pt"), listener().heard("quero marcar uma consulta", "fr")] == ["en", None]


async def ear(*steps: Step, **config: Any) -> tuple[Edge, Edge]:
    return await played(await made("filter.language", **config), steps)


@virtual
async def test_recogniser_voice_and_mind_are_told_ahead_of_the_transcript() -> None:
    behind, ahead = await ear(heard(EN), heard(EN_TOO), voices={"en": "af_bella"})
    kinds = [type(frame) for frame in behind.of(TranscriptionFrame, TTSUpdateSettingsFrame, LanguageFrame)]
    assert kinds == [TranscriptionFrame, TTSUpdateSettingsFrame, LanguageFrame, TranscriptionFrame]
    assert [frame.delta.given_fields() for frame in ahead.of(STTUpdateSettingsFrame)] == [{"language": "en"}]
    assert [frame.delta.given_fields() for frame in behind.of(TTSUpdateSettingsFrame)] == [
        {"language": "en", "voice": "af_bella"}
    ]
    assert [frame.language for frame in behind.of(LanguageFrame)] == ["en"]


@virtual
async def test_the_way_back_leads_to_the_assistants_own_tag() -> None:
    back = heard("agora eu quero falar em português com você", language=Language.PT)
    behind, _ = await ear(heard(EN_LONG), back, languages=["en-GB"])
    assert [frame.language for frame in behind.of(LanguageFrame)] == ["en-GB", "pt-BR"]
    assert [frame.delta.given_fields() for frame in behind.of(TTSUpdateSettingsFrame)] == [
        {"language": "en-GB"},
        {"language": "pt-BR"},
    ]


@virtual
async def test_only_to_the_languages_that_were_chosen() -> None:
    behind, _ = await ear(heard(EN_LONG), heard(EN_LONG), languages=["es"])
    assert behind.of(LanguageFrame) == []


@virtual
async def test_languages_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(PrepareError, match="names a language twice"):
        await made("filter.language", languages=["en-GB", "en-US"])
    with pytest.raises(PrepareError, match="'de'"):
        await made("filter.language", languages=["de"])
