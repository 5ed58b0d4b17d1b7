"""The mock stages do what their scripts say, as pipecat's own services would."""

import asyncio
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct, convert
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.speech import VadEdge
from pipelines.running import Running
from processors.catalog import AnyFactory, Stages
from processors.factory import CallContext, Persona, PrepareError, StageContext
from processors.frames import AnsweredFrame, CallRequestFrame
from tests.pipelines.harness import FRONT, TENANT, workshop
from tests.pipelines.virtual import virtual

RATE = 8000
PERSONA = Persona(name=FRONT, language="en", company="Us")


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[float, Frame]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.got.append((asyncio.get_running_loop().time(), frame))
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        return [frame for _, frame in self.got if isinstance(frame, kind)]

    def first(self, kind: type[Frame]) -> float:
        return next(at for at, frame in self.got if isinstance(frame, kind))


async def made(use: str, **script: Any) -> tuple[AnyFactory, Struct, Any]:
    factory = Stages()[use]
    config = convert(script, factory.config_type)
    context = StageContext(tenant_id=TENANT, persona=PERSONA)
    return factory, config, await factory.prepare(config, context, workshop())


async def played(use: str, *steps: Frame | float, **script: Any) -> tuple[Sink, list[str]]:
    """What comes out of one stage for frames and waits that go in; and its errors."""
    factory, config, prepared = await made(use, **script)
    call = CallContext(tenant_id=TENANT, call_id="c1", persona=PERSONA, sample_rate=RATE)  # type: ignore[arg-type]
    stage, sink, errors = factory.create(config, prepared, call), Sink(), list[str]()
    assert stage is not None
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(Pipeline([stage, sink]), params=params, enable_rtvi=False, idle_timeout_secs=None)

    async def failed(worker: PipelineWorker, frame: ErrorFrame) -> None:
        errors.append(frame.error)

    worker.add_event_handler("on_pipeline_error", failed)
    running = Running(worker)
    await asyncio.sleep(0.0)
    for step in steps:
        if isinstance(step, Frame):
            await worker.queue_frame(step)
        else:
            await asyncio.sleep(step)
    assert await running.stop(5.0) == []
    return sink, errors


def utterance() -> tuple[Frame | float, ...]:
    audio = InputAudioRawFrame(audio=bytes(1600), sample_rate=RATE, num_channels=1)
    return (VADUserStartedSpeakingFrame(), audio, 0.5, VADUserStoppedSpeakingFrame(stop_secs=0.2), 1.0)


def question(text: str) -> tuple[Frame | float, ...]:
    return (LLMContextFrame(LLMContext([{"role": "user", "content": text}])), 2.0)


@virtual
async def test_the_recogniser_hears_its_script_from_the_first_again_after_the_last() -> None:
    sink, errors = await played("stt.mock", *utterance() * 4, transcripts=["one", "", "three"], latency_s=0.25)
    assert [frame.text for frame in sink.of(TranscriptionFrame)] == ["one", "three", "one"]
    assert all(frame.finalized for frame in sink.of(TranscriptionFrame))
    assert sink.first(TranscriptionFrame) == pytest.approx(0.75)
    assert errors == []


@virtual
async def test_the_mind_answers_word_by_word_and_asks_for_what_it_was_told_to() -> None:
    sink, errors = await played(
        "llm.mock",
        *question("why"),
        *question("how"),
        answers=["Because of {question}", "Bye"],
        latency_s=0.5,
        word_s=0.1,
        request="hangup",
        request_on=1,
    )
    assert "".join(frame.text for frame in sink.of(LLMTextFrame)) == "Because of why Bye "
    assert sink.first(LLMTextFrame) == pytest.approx(0.5)
    assert [frame.intent for frame in sink.of(AnsweredFrame)] == ["free", "goodbye"]
    assert [frame.request for frame in sink.of(CallRequestFrame)] == ["hangup"]
    assert errors == []


@virtual
async def test_the_voice_hums_at_the_wires_rate_in_chunks_of_100_ms() -> None:
    sink, errors = await played("tts.mock", TTSSpeakFrame("one two three four"), 5.0, latency_s=0.2, word_s=0.25)
    audio = sink.of(TTSAudioRawFrame)
    assert [len(frame.audio) for frame in audio] == [RATE // 10 * 2] * 10
    assert {frame.sample_rate for frame in audio} == {RATE}
    assert max(array("h", audio[0].audio)) > 8000
    assert sink.first(TTSAudioRawFrame) == pytest.approx(0.2)
    assert [frame.text for frame in sink.of(TTSTextFrame)] == ["one two three four"]
    assert errors == []


@pytest.mark.parametrize(
    ("use", "steps", "out"),
    [
        ("stt.mock", utterance, TranscriptionFrame),
        ("llm.mock", lambda: question("why"), LLMTextFrame),
        ("tts.mock", lambda: (TTSSpeakFrame("hello"), 5.0), TTSAudioRawFrame),
    ],
)
@pytest.mark.parametrize("failure", ["raises", "hangs"])
@virtual
async def test_every_stage_fails_as_told_and_only_then(
    use: str, steps: Callable[[], tuple[Frame | float, ...]], out: type[Frame], failure: str
) -> None:
    well, _ = await played(use, *steps(), failure=failure, fail_on=[1])
    assert well.of(out)
    ill, errors = await played(use, *steps(), failure=failure)
    assert not ill.of(out)
    assert any("told to fail" in error for error in errors) == (failure == "raises")


@pytest.mark.parametrize("use", ["stt.mock", "llm.mock", "tts.mock"])
@virtual
async def test_every_stage_can_refuse_to_load(use: str) -> None:
    with pytest.raises(PrepareError):
        await made(use, failure="prepare")


@virtual
async def test_the_detector_goes_by_loudness_alone() -> None:
    _, _, vad = await made("vad.mock", start_s=0.1, stop_s=0.2)
    edges: list[VadEdge] = []
    stream = vad.open(RATE, edges.append)
    loud, quiet = array("h", [2000] * 160).tobytes(), bytes(320)

    async def feed(pcm: bytes, times: int) -> None:
        stream.feed(pcm * times)
        await asyncio.sleep(0)

    await feed(loud, 4)
    assert edges == [], "80 ms are not enough"
    await feed(quiet, 1)
    await feed(loud, 5)
    assert edges == [VadEdge.STARTED]
    await feed(quiet, 9)
    await feed(loud, 1)
    await feed(quiet, 9)
    assert edges == [VadEdge.STARTED]
    await feed(quiet, 1)
    assert edges == [VadEdge.STARTED, VadEdge.STOPPED]
    stream.feed(loud * 10)
    stream.close()
    await asyncio.sleep(0)
    assert len(edges) == 2, "nothing is told after closing"
