"""One order for all frames, and a bound for those that may be missed."""

import asyncio

from pipecat.frames.frames import Frame, InputAudioRawFrame, InterruptionFrame, TextFrame, UserSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection

from transports.freeswitch.outbox import DOWN, UP, Outbox, Routed


class Pipe:
    """Takes frames when it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.taken: list[Routed] = []

    async def push(self, frame: Frame, direction: FrameDirection) -> None:
        await self.open.wait()
        self.taken.append((frame, direction))


async def running(outbox: Outbox) -> asyncio.Task[None]:
    task = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_sent_comes_behind_what_was_posted() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.push)
    posted, sent = TextFrame("posted"), InterruptionFrame()
    outbox.post(posted)
    await outbox.send((sent, UP))
    assert pipe.taken == [(posted, DOWN), (sent, UP)]


async def test_a_frame_being_pushed_is_not_overtaken() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.push)
    task = await running(outbox)
    pipe.open.clear()
    first, second, third = TextFrame("1"), TextFrame("2"), InterruptionFrame()
    outbox.post(first)
    await asyncio.sleep(0.01)
    outbox.post(second)
    sending = asyncio.create_task(outbox.send((third, DOWN)))
    await asyncio.sleep(0.01)
    pipe.open.set()
    await asyncio.wait_for(sending, 5)
    assert [frame for frame, _ in pipe.taken] == [first, second, third]
    await ended(task)


async def test_a_broadcast_goes_both_ways_and_knows_its_twin() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.push)
    outbox.broadcast(UserSpeakingFrame)
    await outbox.send()
    (down, _), (up, _) = pipe.taken
    assert [direction for _, direction in pipe.taken] == [DOWN, UP]
    assert (down.broadcast_sibling_id, up.broadcast_sibling_id) == (up.id, down.id)


async def test_a_pipeline_that_takes_nothing_costs_audio_but_no_words() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.push, max_frames=10)
    for _ in range(50):
        outbox.post(InputAudioRawFrame(bytes(320), 8000, 1))
    outbox.post(TextFrame("kept"))
    assert outbox.dropped == 40
    await outbox.send()
    assert len(pipe.taken) == 11
    assert isinstance(pipe.taken[-1][0], TextFrame)
