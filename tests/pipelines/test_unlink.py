"""A call that is over does not wait for the garbage collector."""

import gc
import weakref

from pipecat.processors.frame_processor import FrameProcessor

from processors.llm.mock import MockLlmService
from processors.stt.mock import MockSttService
from processors.tts.mock import MockTtsService
from tests.pipelines.harness import assistant, ringing
from tests.pipelines.virtual import virtual

STAGES = (MockSttService, MockLlmService, MockTtsService)


@virtual
async def test_the_stages_of_a_finished_call_are_free_at_once() -> None:
    gc.collect()
    async with ringing(assistant()) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(6.0)
        stages: list[weakref.ref[FrameProcessor]] = [
            weakref.ref(item) for item in gc.get_objects() if isinstance(item, STAGES)
        ]
        assert {type(stage()) for stage in stages} >= set(STAGES)
        gc.disable()
        try:
            call.session.end("caller_hangup")
            await call.record()
            assert [stage() for stage in stages if stage() is not None] == []
        finally:
            gc.enable()
