"""A call that is over does not wait for the garbage collector."""

import gc
import weakref

import pytest
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.spec import AssistantSpec
from processors.llm.mock import MockLlmService
from processors.realtime.service import SpeechService
from processors.stt.mock import MockSttService
from processors.tts.mock import MockTtsService
from tests.pipelines.harness import assistant, ringing, speech_to_speech
from tests.pipelines.virtual import virtual

CASCADE = (MockSttService, MockLlmService, MockTtsService)


@pytest.mark.parametrize(
    ("spec", "kinds"), [(assistant(), CASCADE), (speech_to_speech(), (SpeechService,))], ids=["cascade", "realtime"]
)
@virtual
async def test_the_stages_of_a_finished_call_are_free_at_once(spec: AssistantSpec, kinds: tuple[type, ...]) -> None:
    gc.collect()
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(6.0)
        stages: list[weakref.ref[FrameProcessor]] = [
            weakref.ref(item) for item in gc.get_objects() if isinstance(item, kinds)
        ]
        assert {type(stage()) for stage in stages} >= set(kinds)
        gc.disable()
        try:
            call.session.end("caller_hangup")
            await call.record()
            assert [stage() for stage in stages if stage() is not None] == []
        finally:
            gc.enable()


@virtual
async def test_a_finished_call_leaves_next_to_nothing_for_the_garbage_collector() -> None:
    """It took 1,500 objects of each call, in one pause for all of them; in a pause no other call gets its audio."""

    async def one() -> None:
        async with ringing(assistant()) as call:
            await call.until(2.0)
            await call.caller.speaks(1.0)
            await call.until(6.0)
            call.session.end("caller_hangup")
            await call.record()

    await one()
    gc.collect()
    gc.disable()
    try:
        await one()
        assert gc.collect() < 150
    finally:
        gc.enable()
