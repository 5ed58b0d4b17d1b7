"""What a caller hears while somebody is called for him: a ringing tone of our own; nothing has to be restored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
from pipecat.frames.frames import OutputAudioRawFrame

TONE_HZ = 425
"""ITU-T E.180: 1 s of tone, 4 s of silence, as in Brazil and most of Latin America and Europe."""
TONE_S, PERIOD_S = 1.0, 5.0
LEVEL = 3000
FADE_S = 0.01


def tone(sample_rate: int) -> OutputAudioRawFrame:
    """One ring, mono S16LE."""
    at = np.arange(int(TONE_S * sample_rate)) / sample_rate
    edge = np.clip(np.minimum(at, TONE_S - at) / FADE_S, 0.0, 1.0)
    samples = (LEVEL * edge * np.sin(2 * np.pi * TONE_HZ * at)).astype("<i2")
    return OutputAudioRawFrame(audio=samples.tobytes(), sample_rate=sample_rate, num_channels=1)


@asynccontextmanager
async def ringing(play: Callable[[OutputAudioRawFrame], Awaitable[None]], sample_rate: int) -> AsyncIterator[None]:
    """Rings as long as the block runs."""

    async def ring() -> None:
        while True:
            await play(tone(sample_rate))
            await asyncio.sleep(PERIOD_S)

    task = asyncio.create_task(ring(), name="ringback")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
