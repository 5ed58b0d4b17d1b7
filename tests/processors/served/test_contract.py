"""Who hears, speaks and embeds may be this process or a model server: what comes of it is the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from processors.compute import MAX_WAITING, ComputeLanes, LaneFullError
from processors.served.client import open_models
from processors.served.stages import ServedEars, ServedMouth
from processors.stt.ears import Asked, Ears, OwnEars
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.mouth import Manner, Mouth, OwnMouth
from processors.tts.speaker import Speaker
from tests.control.models_role.serving import EARS, MOUTH, VOICES, Engines, Gate, mock_app, reached, serving, until

RATE = 8000
UTTERANCE = (np.random.default_rng(3).normal(0, 3000, 2 * RATE)).astype("<i2").tobytes()
ASKED = Asked(language="en", prompt="Olá! “Bom dia”, sim?", beam_size=3)
MANNER = Manner(voice="pf_dora", language="pt-BR", speech="pt-br", speed=1.0)
TEXT = "abrimos de segunda a sexta, das oito horas às dezoito horas."
CLAUSES = ["abrimos de segunda a sexta,", "das oito horas às dezoito horas."]
ONE_STEP = 2
"""Of 32,768: a resampler that is given its samples in other pieces rounds some of them otherwise."""


class Both:
    """Ears and mouth, in this process or on a server."""

    def __init__(self, ears: Ears, mouth: Mouth, engines: Engines) -> None:
        self.ears, self.mouth, self.engines = ears, mouth, engines


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture(params=["own", "served"])
async def both(
    request: pytest.FixtureRequest, engines: Engines, lanes: ComputeLanes, tmp_path: Path
) -> AsyncIterator[Both]:
    if request.param == "own":
        voices = dict.fromkeys(VOICES, np.zeros((510, 1, 256), dtype=np.float32))
        yield Both(OwnEars(engines, lanes), OwnMouth(engines, voices, lanes), engines)  # type: ignore[arg-type]
        return
    async with serving(mock_app(tmp_path, engines), tmp_path / "m.sock") as url, open_models(url) as server:
        yield Both(ServedEars(server, EARS), ServedMouth(server, MOUTH, VOICES), engines)


async def test_an_utterance_is_understood_the_same(both: Both) -> None:
    assert await both.ears.recognise(UTTERANCE, RATE, ASKED) == both.engines.found
    assert both.engines.heard == [(32_000, "en", "Olá! “Bom dia”, sim?", 3)]


async def test_the_language_is_told_where_it_is_asked_for(both: Both) -> None:
    asked = Asked(language="pt", prompt="", beam_size=1, tell_language=True)
    assert (await both.ears.recognise(UTTERANCE, RATE, asked)).sounds_like == "en"
    assert both.engines.heard == [(32_000, "pt", "", 1)]


async def samples(mouth: Mouth, text: str) -> np.ndarray:  # type: ignore[type-arg]
    async with aclosing(mouth.speak(text, MANNER)) as pieces:
        found = [piece async for piece in pieces]
    assert [piece.last for piece in found] == [False] * (len(found) - 1) + [True]
    return np.concatenate([piece.samples for piece in found])


async def test_a_sentence_is_spoken_clause_by_clause_and_sample_by_sample_the_same(
    both: Both, lanes: ComputeLanes
) -> None:
    voices = dict.fromkeys(VOICES, np.zeros((510, 1, 256), dtype=np.float32))
    reference = await samples(OwnMouth(Engines(), voices, lanes), TEXT)
    assert np.array_equal(await samples(both.mouth, TEXT), reference)
    assert both.engines.rendered == CLAUSES


async def test_what_is_rehearsed_is_rendered_whole(both: Both) -> None:
    rehearsed = await both.mouth.rehearse(TEXT, MANNER)
    assert both.engines.rendered == [TEXT]
    assert len(rehearsed) == len(TEXT.split()) * 2400 + int(0.22 * 24_000)


async def test_the_voice_at_the_wires_rate_is_the_same(both: Both, lanes: ComputeLanes, tmp_path: Path) -> None:
    async def said(mouth: Mouth) -> np.ndarray:  # type: ignore[type-arg]
        speaker = Speaker(mouth=mouth, model="m", compute=lanes, memory=MemoryCache(), disk=DiskCache(tmp_path))
        pcm = b"".join([piece async for piece in speaker.say(TenantId("t"), TEXT, MANNER, RATE)])
        return np.frombuffer(pcm, dtype="<i2").astype(int)

    voices = dict.fromkeys(VOICES, np.zeros((510, 1, 256), dtype=np.float32))
    reference, found = await said(OwnMouth(Engines(), voices, lanes)), await said(both.mouth)
    assert len(found) == len(reference)
    assert np.abs(found - reference).max() <= ONE_STEP


async def test_a_listener_who_leaves_has_nothing_more_rendered(both: Both) -> None:
    gate = Gate()

    def second_waits() -> None:
        if both.engines.rendered:
            gate()

    both.engines.before = second_waits
    pieces = both.mouth.speak("um dois três quatro, um dois três quatro, cinco seis sete oito.", MANNER)
    assert len((await anext(pieces)).samples)
    if isinstance(both.mouth, ServedMouth):
        await reached(gate)  # the server renders ahead
    await pieces.aclose()
    if isinstance(both.mouth, ServedMouth):
        for _ in range(3):  # what comes after the end of the connection is answered after it was seen
            await both.mouth.server.model(MOUTH)
    gate.open()
    await both.mouth.rehearse("fim.", MANNER)
    assert "fim." in both.engines.rendered
    assert not any("oito" in text for text in both.engines.rendered), "the third clause is nobody's"


async def test_an_utterance_that_is_given_up_is_not_recognised_when_its_turn_comes(both: Both) -> None:
    gate = Gate()
    both.engines.before = gate
    first = [asyncio.create_task(both.ears.recognise(UTTERANCE, RATE, ASKED)) for _ in range(2)]
    await reached(gate)
    busy = len(both.engines.heard)
    given_up = asyncio.create_task(both.ears.recognise(UTTERANCE, RATE, ASKED))
    if isinstance(both.ears, ServedEars):
        await _waits(both.ears, 3 - busy)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    if isinstance(both.ears, ServedEars):
        await _waits(both.ears, 2 - busy)
    gate.open()
    await asyncio.gather(*first)
    await both.ears.recognise(UTTERANCE, RATE, ASKED)
    assert len(both.engines.heard) == 3


async def _waits(ears: ServedEars, count: int) -> None:
    """Return when so many utterances wait on the server, as it tells."""
    await until(lambda: ears.server.look("stt").waiting == count)  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", ["speak", "rehearse"])
async def test_an_engine_that_breaks_is_an_error_that_stages_know(both: Both, what: str) -> None:
    does: dict[str, Callable[[], object]] = {
        "speak": lambda: samples(both.mouth, "it is broken."),
        "rehearse": lambda: both.mouth.rehearse("it is broken.", MANNER),
    }
    with pytest.raises(RuntimeError) as failure:
        await does[what]()  # type: ignore[misc]
    assert isinstance(both.mouth, OwnMouth) or "it is" not in str(failure.value), "no word of it goes around"


async def test_more_than_can_wait_is_refused(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAX_WAITING, "stt", 1)
    gate = Gate()
    both.engines.before = gate
    first = asyncio.create_task(both.ears.recognise(UTTERANCE, RATE, ASKED))
    await reached(gate)
    with pytest.raises(LaneFullError):
        await both.ears.recognise(UTTERANCE, RATE, ASKED)
    gate.open()
    await first
