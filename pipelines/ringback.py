"""What a caller hears while somebody is called for him: a ringing tone of our own, or the operator's music.

Nothing has to be restored afterwards, since it goes the way of all that we say.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
from pipecat.frames.frames import OutputAudioRawFrame

from pipelines.hold_music import PIECE_S, HoldMusic

TONE_HZ = 425
"""ITU-T E.180: 1 s of tone, 4 s of silence, as in Brazil and most of Latin America and Europe."""
TONE_S, PERIOD_S = 1.0, 5.0
LEVEL = 3000
FADE_S = 0.01
AHEAD_S = 0.3
"""A piece of music is handed over so long before it is heard: no gap on a busy machine, and no answer waits longer."""
LOOK_S = 0.1

Play = Callable[[OutputAudioRawFrame], Awaitable[None]]


def tone(sample_rate: int) -> OutputAudioRawFrame:
    """One ring, mono S16LE."""
    at = np.arange(int(TONE_S * sample_rate)) / sample_rate
    edge = np.clip(np.minimum(at, TONE_S - at) / FADE_S, 0.0, 1.0)
    samples = (LEVEL * edge * np.sin(2 * np.pi * TONE_HZ * at)).astype("<i2")
    return OutputAudioRawFrame(audio=samples.tobytes(), sample_rate=sample_rate, num_channels=1)


@asynccontextmanager
async def waiting(
    play: Play, sample_rate: int, *, music: HoldMusic | None = None, quiet: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """Rings as long as the block runs; with `music`, plays that whenever it is `quiet`: nobody speaks."""
    what = _ring(play, sample_rate) if music is None else _play_on(play, sample_rate, music, quiet)
    task = asyncio.create_task(what, name="ringback")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _ring(play: Play, sample_rate: int) -> None:
    while True:
        await play(tone(sample_rate))
        await asyncio.sleep(PERIOD_S)


async def _play_on(play: Play, sample_rate: int, music: HoldMusic, quiet: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    heard_until = 0.0
    pieces = music.pieces(sample_rate)
    while True:
        if not quiet():
            await asyncio.sleep(LOOK_S)
            continue
        heard_until = max(heard_until, loop.time()) + PIECE_S
        await play(next(pieces))
        await asyncio.sleep(heard_until - AHEAD_S - loop.time())
