"""Frames that are only handed on: the same order and the same ends as pipecat's own way, without its steps."""

from collections.abc import Callable

from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame, TextFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.listening import Tap
from pipelines.slot import HotSlot

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


class End(FrameProcessor):
    """A neighbour that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.came: list[tuple[Frame, FrameDirection]] = []

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = DOWN,
        callback: Callable[..., object] | None = None,
    ) -> None:
        self.came.append((frame, direction))


class Between(FrameProcessor):
    """A stage that notes what passes."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.saw: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.saw.append(frame)
        await self.push_frame(frame, direction)


def between(processor: FrameProcessor) -> tuple[End, End]:
    """A processor with a neighbour on each side."""
    before, after = End(), End()
    before.link(processor)
    processor.link(after)
    return before, after


async def test_a_slot_hands_frames_to_its_stages_and_on_both_ways() -> None:
    stages = [Between(), Between()]
    slot = HotSlot(stages)
    before, after = between(slot)
    down, up = TextFrame("down"), TextFrame("up")
    await slot.queue_frame(down, DOWN)
    await slot.queue_frame(up, UP)
    assert [stage.saw for stage in stages] == [[down, up], [down, up]]
    assert after.came == [(down, DOWN)]
    assert before.came == [(up, UP)]


async def test_an_empty_slot_lets_frames_pass() -> None:
    slot = HotSlot([])
    before, after = between(slot)
    down, up = TextFrame("down"), TextFrame("up")
    await slot.queue_frame(down, DOWN)
    await slot.queue_frame(up, UP)
    assert (before.came, after.came) == ([(up, UP)], [(down, DOWN)])


async def test_a_tap_shows_and_passes_on() -> None:
    shown: list[Frame] = []
    tap = Tap("tap", {(TextFrame, DOWN): shown.append})
    before, after = between(tap)
    heeded, other = TTSTextFrame("hello", "sentence"), TextFrame("upwards")
    await tap.queue_frame(heeded, DOWN)
    await tap.queue_frame(other, UP)
    assert shown == [heeded]
    assert (before.came, after.came) == ([(other, UP)], [(heeded, DOWN)])


async def test_a_tap_that_fails_says_so_itself_and_passes_on() -> None:
    def fails(_frame: Frame) -> None:
        raise ValueError("cannot count")

    tap = Tap("tap", {(TextFrame, DOWN): fails})
    before, after = between(tap)
    await tap.queue_frame(TextFrame("hello"), DOWN)
    ((error, direction),) = before.came
    assert isinstance(error, ErrorFrame)
    assert error.processor is tap
    assert direction is UP
    assert [type(frame) for frame, _ in after.came] == [TextFrame]


async def test_what_pipecat_acts_on_goes_its_own_way() -> None:
    acted: list[Frame] = []

    class Acting(Tap):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            acted.append(frame)

    tap = Acting("tap", {})
    between(tap)
    interruption = InterruptionFrame()
    await tap.queue_frame(interruption, DOWN)
    await tap.queue_frame(TextFrame("hello"), DOWN)
    assert acted == [interruption]
