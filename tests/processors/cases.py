"""For each stage of the catalog: a config, what it is prepared with here, a turn that it works on, what comes of it.

Models, hosted servers and documents are stand-ins; what the real ones do is tested beside each stage.
"""

import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from base.clock import SystemClock
from base.http import Endpoint, OutboundPolicy
from base.ids import TenantId
from base.secret import Secret
from knowledge.passages import KnowledgeError, Passage, Retrieval
from processors.catalog import AnyFactory
from processors.compute import ComputeLanes
from processors.factory import PrepareError, Role, Workshop
from processors.frames import RetrievedFrame
from processors.stt.ears import OwnEars
from processors.stt.recogniser import Recognition
from processors.stt.whisper import WhisperPrepared
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.engine import SAMPLE_RATE, Samples
from processors.tts.mouth import OwnMouth
from processors.tts.speaker import Speaker
from tests.processors.llm import scripted
from tests.processors.realtime.scripted import Model
from tests.processors.stages import HEARD_AT, RATE, Step, answer, asked, heard

HOURS = Passage(id="faq#1", document="faq", heading="Horário?", question="Horário?", text="Das oito às seis.")


@dataclass
class Case:
    """How a stage is tried."""

    config: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None
    """What the message of its PrepareError names where there is nothing; None: it needs nothing."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Of the server that it asks."""


CASES: Mapping[str, Case] = {
    "vad.silero": Case(),
    "vad.mock": Case(),
    "stt.whisper": Case(needs="atende models pull"),
    "stt.mock": Case({"transcripts": ["um", "dois", "três"], "latency_s": 0.02}),
    "rag.retrieve": Case(needs="documents"),
    "llm.grounded": Case(needs="documents"),
    "llm.openai": Case({"model": "m", "api_key": {"secret": "llm"}}, "secret", scripted.OPENAI_HI),
    "llm.anthropic": Case({"model": "m", "api_key": {"secret": "llm"}}, "secret", scripted.ANTHROPIC_HI),
    "llm.local": Case({}, "atende", scripted.OPENAI_HI),
    "llm.mock": Case({"answers": ["um {question} dois três quatro cinco seis"], "word_s": 0.03}),
    "tts.kokoro": Case(needs="atende models pull"),
    "tts.mock": Case({"chunk_s": 0.02}),
    "realtime.openai": Case({"passages": 0, "api_key": {"secret": "llm"}}, "secret"),
    "realtime.mock": Case({"answers": ["um {question} dois três quatro cinco seis"], "latency_s": 0.03}),
    "filter.filler": Case({"after_s": 0.2}),
    "filter.redact": Case({"mind": True}),
    "filter.topics": Case({"topics": [{"name": "law", "phrases": ["process* judicial"]}]}),
}
"""A stage that is not here is tried with its defaults, and needs nothing."""

MADE_OF: Mapping[Role, tuple[type[Frame], ...]] = {
    Role.STT: (TranscriptionFrame,),
    Role.RAG: (RetrievedFrame,),
    Role.LLM: (LLMTextFrame,),
    Role.TTS: (TTSAudioRawFrame,),
    Role.REALTIME: (TTSAudioRawFrame,),
    Role.FILTER: (LLMTextFrame, AggregatedTextFrame),
}
"""What comes out of a stage for `turn`."""


def case_of(factory: AnyFactory) -> Case:
    return CASES.get(factory.use, Case())


def turn(role: Role, word: str) -> list[Step]:
    """A turn's worth of work that holds `word`."""
    speech = InputAudioRawFrame(b"\1\0" * RATE, RATE, 1)
    stopped = VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())
    steps: dict[Role, list[Step]] = {
        Role.STT: [VADUserStartedSpeakingFrame(), speech, stopped],
        Role.RAG: [asked(f"qual é o horário {word}?")],
        Role.LLM: [asked(f"qual é o horário {word}?")],
        Role.REALTIME: [asked(f"qual é o horário {word}?")],
        Role.TTS: [*answer("Bom dia. ", f"Aqui fala {word}, da clínica. ", "Diga o que deseja, por favor. ")],
        Role.FILTER: [
            InputDTMFFrame(button=KeypadEntry.ONE),
            InputDTMFFrame(button=KeypadEntry.TWO),
            heard(f"quero falar de {word} agora"),
            LLMContextUserTurnFrame(text=f"quero falar de {word} agora", timestamp=HEARD_AT),
            *answer("Bom dia. ", f"Aqui fala {word}, da ", "clínica"),
        ],
    }
    return steps[role]


def half_a_turn(role: Role, word: str) -> list[Step]:
    """A turn that is still being worked on when its last frame is in."""
    if role is Role.FILTER:
        begun = [LLMFullResponseStartFrame(), LLMTextFrame(f"Aqui fala {word}, "), LLMTextFrame(f"a {word} da ")]
        return [LLMContextUserTurnFrame(text=f"quero {word}", timestamp=HEARD_AT), *begun]
    return turn(role, word)


class NoModels:
    def path(self, model: str) -> Path:
        raise PrepareError(f"the model {model} is missing: run `atende models pull {model}`")


class NoLibrary:
    async def retrieve(
        self, tenant_id: TenantId, query: str, *, top_k: int, min_score: float, budget_s: float
    ) -> Retrieval:
        raise KnowledgeError("the store is away")

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        raise KnowledgeError("the store is away")


class Documents:
    """One entry, found for every question."""

    async def retrieve(
        self, tenant_id: TenantId, query: str, *, top_k: int, min_score: float, budget_s: float
    ) -> Retrieval:
        return Retrieval((HOURS,), True, 1.0)

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        return [HOURS]


async def _no_secret(tenant_id: TenantId, name: str) -> Secret:
    raise PrepareError(f"the tenant has no secret {name!r}; set it with `atende secret`")


async def _any_secret(tenant_id: TenantId, name: str) -> Secret:
    return Secret(f"key-{name}")


def bare(folder: Path) -> Workshop:
    """Lends nothing: no models, no secrets, no documents, no way out."""
    nothing: Any = None
    return Workshop(
        clock=SystemClock(), models=NoModels(), library=NoLibrary(), data_dir=folder, secret=_no_secret, compute=nothing
    )


class Recogniser:
    """Hears something else in every utterance."""

    def __init__(self) -> None:
        self._heard = 0

    def recognise(self, samples: Samples, language: str, prompt: str, beam_size: int) -> Recognition:
        self._heard += 1
        return Recognition(f"frase {self._heard}", -0.1, 0.01)


class Engine:
    """Hums; a little while."""

    def render(self, text: str, voice: Any, language: str, speed: float) -> Samples:
        time.sleep(0.05)
        return np.full(len(text.split()) * SAMPLE_RATE // 10, 0.1, dtype=np.float32)


@asynccontextmanager
async def prepared(factory: AnyFactory, context: Any, folder: Path) -> AsyncIterator[tuple[Struct, Any]]:
    """A config and what was prepared for it."""
    case = case_of(factory)
    async with AsyncExitStack() as stack:
        lanes = ComputeLanes()
        stack.callback(lanes.close)
        script = await stack.enter_async_context(scripted.Script(case.events)) if case.events else None
        written = dict(case.config)
        if script is not None and factory.use != "llm.local":
            written["base_url"] = f"http://127.0.0.1:{script.port}/v1"
        ports = [script.port] if script is not None else []
        if factory.use == "realtime.openai":
            model = await stack.enter_async_context(Model(otherwise="um dois três"))
            written["base_url"] = model.base_url
            ports = [model.port]
        config: Struct = msgspec.convert(written, factory.config_type)
        ready = await _prepared(factory, config, context, _workshop(folder, lanes, ports), script)
        yield config, ready
        closing = factory.close(ready)
        if closing is not None:
            await closing


def _workshop(folder: Path, lanes: ComputeLanes, ports: Sequence[int]) -> Workshop:
    return Workshop(
        clock=SystemClock(),
        models=SimpleNamespace(path=lambda _: folder),  # type: ignore[arg-type]
        library=Documents(),
        data_dir=folder,
        secret=_any_secret,
        compute=lanes,
        outbound=OutboundPolicy(allow=frozenset(Endpoint("127.0.0.1", port) for port in ports)),
    )


async def _prepared(
    factory: AnyFactory, config: Struct, context: Any, workshop: Workshop, script: scripted.Script | None
) -> Any:
    if factory.use == "stt.whisper":
        return WhisperPrepared(OwnEars(Recogniser(), workshop.compute), None)  # type: ignore[arg-type]
    if factory.use == "tts.kokoro":
        voice = np.zeros((510, 1, 256), dtype=np.float32)
        names = ("pf_dora", "af_heart", "ef_dora")
        return Speaker(
            mouth=OwnMouth(Engine(), dict.fromkeys(names, voice), workshop.compute),
            model="m",
            compute=workshop.compute,
            memory=MemoryCache(),
            disk=DiskCache(workshop.data_dir),
        )
    if factory.use == "vad.silero":
        workshop = bare(workshop.data_dir)  # the wheel carries its weights
    if factory.use == "llm.local" and script is not None:
        return await _with_llama(factory, config, context, workshop, script.port)
    return await factory.prepare(config, context, workshop)


async def _with_llama(factory: AnyFactory, config: Struct, context: Any, workshop: Workshop, port: int) -> Any:
    """A package xllamacpp whose server is the scripted one."""
    (workshop.data_dir / "m.gguf").touch()
    package: Any = ModuleType("xllamacpp")
    package.CommonParams = lambda: SimpleNamespace(
        model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
    )
    package.Server = lambda params: SimpleNamespace(listening_address=f"http://127.0.0.1:{port}")
    before = sys.modules.get("xllamacpp")
    sys.modules["xllamacpp"] = package
    try:
        return await factory.prepare(config, context, workshop)
    finally:
        sys.modules.pop("xllamacpp")
        if before is not None:
            sys.modules["xllamacpp"] = before
