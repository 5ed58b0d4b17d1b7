"""A stage that computes on the event loop is named."""

import asyncio
import time

from msgspec import Struct
from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from control.slow_loop import Blocked, SlowLoop, told
from processors.factory import CallContext, ProcessorFactory


class Busy(FrameProcessor):
    """Computes where it should wait."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        self._compute()

    def _compute(self) -> None:
        time.sleep(0.3)


class Nothing(Struct):
    pass


class BusyToMake(ProcessorFactory[Nothing, None]):
    use = "tts.busy"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor | None:
        time.sleep(0.3)
        return None


async def seen(work: object, *arguments: object) -> list[Blocked]:
    found: list[Blocked] = []
    watch = SlowLoop(found.append, limit_s=0.1)
    try:
        await asyncio.sleep(0.12)
        result = work(*arguments)  # type: ignore[operator]
        if asyncio.iscoroutine(result):
            await result
        await asyncio.sleep(0.12)
    finally:
        watch.stop()
    return found


async def test_the_innermost_stage_on_the_stack_is_named_with_its_line() -> None:
    busy = Busy()
    (blocked,) = await seen(busy.process_frame, Frame(), FrameDirection.DOWNSTREAM)
    assert (blocked.stage, blocked.processor) == ("Busy", busy)
    assert blocked.where.startswith("Busy._compute in tests.control.test_slow_loop, line ")
    assert 150 < blocked.ms < 2000


async def test_one_that_is_being_made_is_named_as_in_the_document() -> None:
    (blocked,) = await seen(BusyToMake().create, Nothing(), None, None)
    assert (blocked.stage, blocked.processor) == ("tts.busy", None)


async def test_what_is_no_stage_is_told_by_its_place() -> None:
    def anything() -> None:
        time.sleep(0.3)

    (blocked,) = await seen(anything)
    assert blocked.stage == ""
    assert "anything in tests.control.test_slow_loop" in blocked.where


async def test_a_loop_that_turns_is_left_alone() -> None:
    async def waits() -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)

    assert await seen(waits) == []


def test_a_live_calls_stage_has_an_error_of_it() -> None:
    blamed: list[tuple[FrameProcessor, str]] = []
    busy = Busy.__new__(Busy)
    told(Blocked(ms=312.4, where="Busy._compute", stage="Busy", processor=busy), lambda *of: blamed.append(of))
    told(Blocked(ms=300.0, where="elsewhere"), lambda *of: blamed.append(of))
    assert blamed == [(busy, "kept the event loop for 312 ms (Busy._compute)")]
