"""The processor of `tts.kokoro` among frames."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.services.settings import TTSSettings
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.utils.errors import ErrorCategory

from base.ids import TenantId
from processors.compute import ComputeLanes
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.engine import SAMPLE_RATE, Samples
from processors.tts.mouth import Manner, OwnMouth
from processors.tts.service import KokoroTtsService
from processors.tts.speaker import Speaker
from processors.tts.voices import Voice

RATE = 8000
CHUNK = RATE // 10 * 2
MANNER = Manner(voice="v", language="pt-BR", speech="pt-br", speed=1.0)


class Engine:
    """Hums; waits, breaks or is silent for texts that say so."""

    def __init__(self) -> None:
        self.rendered: list[str] = []
        self.begun = threading.Event()
        self.gate = threading.Event()

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
        self.rendered.append(text)
        if "Espere" in text:
            self.begun.set()
            self.gate.wait(5)
        if "Quebre" in text:
            raise RuntimeError("the engine broke")
        size = 0 if "Silêncio" in text else len(text.split()) * SAMPLE_RATE // 10
        return np.full(size, 0.1, dtype=np.float32)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def service(engine: Engine, lanes: ComputeLanes, tmp_path: Path) -> KokoroTtsService:
    speaker = Speaker(
        mouth=OwnMouth(engine, {"v": np.zeros((510, 1, 256), dtype=np.float32)}, lanes),
        model="m",
        compute=lanes,
        memory=MemoryCache(),
        disk=DiskCache(tmp_path),
    )
    return KokoroTtsService(speaker, TenantId("t"), MANNER, RATE, timeout_s=2.0)


async def through(service: KokoroTtsService, *frames: Frame) -> tuple[Sequence[Frame], Sequence[Frame]]:
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    return await asyncio.wait_for(run_test(service, frames_to_send=frames, pipeline_params=params), 15)


def answer(*texts: str) -> list[Frame]:
    return [LLMFullResponseStartFrame(), *(LLMTextFrame(text) for text in texts), LLMFullResponseEndFrame()]


def of_kind(frames: Sequence[Frame], *kinds: type[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in frames if type(frame) in kinds]


async def test_an_answer_is_announced_spoken_in_chunks_and_told_behind_its_audio(service: KokoroTtsService) -> None:
    down, _ = await through(service, *answer("Custa R$ 150,00. ", "Quer marcar?"))
    assert [f.text for f in down if type(f) is AggregatedTextFrame] == ["Custa R$ 150,00.", "Quer marcar?"]
    assert [f.text for f in down if isinstance(f, TTSTextFrame)] == ["Custa R$ 150,00.", "Quer marcar?"]
    kinds = of_kind(down, AggregatedTextFrame, TTSStartedFrame, TTSAudioRawFrame, TTSTextFrame, TTSStoppedFrame)
    runs = [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]
    assert runs == [
        "AggregatedTextFrame",
        "TTSStartedFrame",
        "TTSAudioRawFrame",
        "TTSTextFrame",
        "AggregatedTextFrame",
        "TTSAudioRawFrame",
        "TTSTextFrame",
        "TTSStoppedFrame",
    ]
    audio = [frame for frame in down if isinstance(frame, TTSAudioRawFrame)]
    assert {len(frame.audio) for frame in audio} == {CHUNK}
    assert {(frame.sample_rate, frame.num_channels) for frame in audio} == {(RATE, 1)}


async def test_what_is_spoken_is_normalised_and_the_conversation_is_not(
    service: KokoroTtsService, engine: Engine
) -> None:
    await through(service, *answer("Custa R$ 150,00."))
    assert engine.rendered == ["Custa cento e cinquenta reais."]


async def test_a_fixed_text_of_several_sentences_is_spoken_whole(service: KokoroTtsService, engine: Engine) -> None:
    down, _ = await through(service, TTSSpeakFrame("Olá! Como posso ajudar?"))
    assert engine.rendered == ["Olá!", "Como posso ajudar?"]
    assert [f.text for f in down if isinstance(f, TTSTextFrame)] == ["Olá! Como posso ajudar?"]
    assert of_kind(down, TTSStoppedFrame) == ["TTSStoppedFrame"]


async def test_an_interruption_drops_what_was_not_rendered(service: KokoroTtsService, engine: Engine) -> None:
    frames = answer("Espere um pouco. Depois disso. ", "E mais isso.")
    threading.Timer(1.0, engine.gate.set).start()
    down, _ = await through(service, *frames, SleepFrame(0.3), InterruptionFrame(), SleepFrame(0.1))
    assert engine.begun.is_set()
    assert engine.rendered == ["Espere um pouco."]
    assert not [frame for frame in down if isinstance(frame, TTSAudioRawFrame | TTSTextFrame)]


@pytest.mark.parametrize(
    ("text", "category"),
    [("Quebre tudo.", ErrorCategory.UNKNOWN), ("Espere aqui.", ErrorCategory.CONNECTIVITY)],
)
async def test_a_failure_is_told_and_the_turn_ends_in_order(
    service: KokoroTtsService, engine: Engine, text: str, category: ErrorCategory
) -> None:
    threading.Timer(2.5, engine.gate.set).start()
    down, up = await through(service, *answer(text), TTSSpeakFrame("Até logo!"))
    assert [frame.category for frame in up if isinstance(frame, ErrorFrame)] == [category]
    assert of_kind(down, TTSStoppedFrame) == ["TTSStoppedFrame"] * 2
    assert service.is_usable
    assert any(any(frame.audio) for frame in down if isinstance(frame, TTSAudioRawFrame))


async def test_a_text_without_a_sound_ends_the_turn_too(service: KokoroTtsService) -> None:
    down, up = await through(service, *answer("Silêncio."))
    assert of_kind(down, TTSStoppedFrame) == ["TTSStoppedFrame"]
    assert not [frame for frame in up if isinstance(frame, ErrorFrame)]


async def test_another_language_is_spoken_with_its_own_voice_and_one_without_a_voice_changes_nothing(
    engine: Engine, lanes: ComputeLanes, tmp_path: Path
) -> None:
    spoken: list[tuple[str, str]] = []

    class Noting(Engine):
        def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
            spoken.append((text, f"{language} {int(voice[0, 0, 0])}"))
            return super().render(text, voice, language, speed)

    voices = {name: np.full((510, 1, 256), n, dtype=np.float32) for n, name in enumerate(["pf_dora", "af_heart"])}
    speaker = Speaker(
        mouth=OwnMouth(Noting(), voices, lanes),
        model="m",
        compute=lanes,
        memory=MemoryCache(),
        disk=DiskCache(tmp_path),
    )
    manner = Manner(voice="pf_dora", language="pt-BR", speech="pt-br", speed=1.0)
    service = KokoroTtsService(speaker, TenantId("t"), manner, RATE, timeout_s=2.0)
    steps: list[Frame] = []
    for language, text in (("en", "At 9:15."), ("de", "Um neun."), ("pt-BR", "Às 9:15.")):
        steps += [TTSUpdateSettingsFrame(delta=TTSSettings(language=language)), *answer(text)]
    await through(service, *steps)
    assert spoken == [("At nine fifteen.", "en-us 1"), ("Um neun.", "en-us 1"), ("Às nove e quinze.", "pt-br 0")]
