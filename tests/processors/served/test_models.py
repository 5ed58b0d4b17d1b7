"""The models on a server, asked over its socket, against the same in this process."""

from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from base.ids import AssistantName, TenantId
from control.models_role.app import models_app
from control.settings import Settings
from processors.compute import ComputeLanes
from processors.factory import Persona, PrepareError, StageContext
from processors.models.store import ModelStore
from processors.served.client import open_models
from processors.served.stages import ServedEars, ServedMouth
from processors.stt.ears import Asked
from processors.stt.recogniser import DEFAULT_PROMPTS
from processors.stt.whisper import WhisperConfig, WhisperStt
from processors.tts.kokoro import KokoroConfig, KokoroTts, manner_of
from processors.tts.mouth import Mouth
from tests.control.models_role.serving import serving

SPEECH = Path(__file__).parents[2] / "data" / "speech" / "first"
CALLERS = ("pt_00", "en_01", "es_01")
SENTENCE = "pode ser, às dez horas?"
CONTEXT = StageContext(
    tenant_id=TenantId("t"), persona=Persona(name=AssistantName("ana"), language="pt-BR", company="Riso")
)


async def samples(mouth: Mouth, text: str) -> Any:
    async with aclosing(mouth.speak(text, manner_of(KokoroConfig(), CONTEXT.persona))) as pieces:
        return np.concatenate([piece.samples async for piece in pieces])


@pytest.mark.models
async def test_callers_are_understood_and_spoken_to_the_same(
    models: ModelStore, lanes: ComputeLanes, tmp_path: Path
) -> None:
    own: Any = SimpleNamespace(models=models, compute=lanes, served=None, data_dir=tmp_path)
    app = models_app(Settings(data_dir=tmp_path, models_dir=models.path("whisper-base").parent))
    async with serving(app, tmp_path / "m.sock") as url, open_models(url) as server:
        served: Any = SimpleNamespace(models=None, compute=lanes, served=server, data_dir=tmp_path)
        here = (await WhisperStt().prepare(WhisperConfig(), CONTEXT, own)).ears
        there = (await WhisperStt().prepare(WhisperConfig(), CONTEXT, served)).ears
        assert isinstance(there, ServedEars)
        for name in CALLERS:
            audio, rate = soundfile.read(SPEECH / f"{name}.wav", dtype="int16")
            language = name[:2]
            asked = Asked(language=language, prompt=DEFAULT_PROMPTS[language], beam_size=5, tell_language=True)
            found = await there.recognise(audio.tobytes(), rate, asked)
            assert found == await here.recognise(audio.tobytes(), rate, asked)
            assert found.text
        mine = await KokoroTts().prepare(KokoroConfig(), CONTEXT, own)
        theirs = await KokoroTts().prepare(KokoroConfig(), CONTEXT, served)
        assert isinstance(theirs.mouth, ServedMouth)
        assert theirs.model == mine.model, "what was rendered by one is another's, too"
        spoken = await samples(theirs.mouth, SENTENCE)
        assert len(spoken) > 24_000
        assert np.array_equal(spoken, await samples(mine.mouth, SENTENCE))
        with pytest.raises(PrepareError, match="does not know the language 'tlh'"):
            await WhisperStt().prepare(WhisperConfig(language="tlh"), CONTEXT, served)


async def test_what_the_server_has_not_is_told_with_what_to_run_there(lanes: ComputeLanes, tmp_path: Path) -> None:
    app = models_app(Settings(data_dir=tmp_path))
    async with serving(app, tmp_path / "m.sock") as url, open_models(url) as server:
        served: Any = SimpleNamespace(models=None, compute=lanes, served=server, data_dir=tmp_path)
        with pytest.raises(PrepareError, match="atende models pull whisper-base"):
            await WhisperStt().prepare(WhisperConfig(), CONTEXT, served)
        with pytest.raises(PrepareError, match=r"atende models pull kokoro-v1\.0-int8"):
            await KokoroTts().prepare(KokoroConfig(), CONTEXT, served)
