"""A machine that is late now and then: the channel's frames come late, and are the same frames."""

import asyncio
import random
import time
from types import SimpleNamespace

import numpy as np
import pytest

from control.peer import Dialed, Script, Switch, Wait, call
from tests.control.peer.conftest import ANSWER, HELLO, SUBSCRIBE

FRAME_S = 0.020
RATE = 8000
PLAY = "sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: {}\nevent-lock: true\n\n"


class Deaf:
    """A socket whose other end nobody reads."""

    def write(self, parts: object) -> None: ...


async def test_files_follow_each_other_whenever_the_ticks_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was up to 19 ms late: one that began late lost its last frame, or the next one waited for a tick."""
    began, chance = time.monotonic(), random.Random(7)
    now = began
    monkeypatch.setattr(call, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    async with Switch("127.0.0.1", 1) as switch:
        ringing = switch.dial(Dialed(number="1000"), Script(steps=(Wait(60),), limit_s=60), keep_sound=True)
        ringing._wire = wire = Deaf()
        ringing.wire_made(wire)
        files = [f"/tmp/{n}" for n in range(20)]
        for number, file in enumerate(files):
            ringing.media._files[file] = np.full(25 * RATE // 50, 1000 * (1 + number), np.int16)
            ringing.machine.files[file] = 0.5
        ringing.bytes_came(wire, (HELLO + SUBSCRIBE + ANSWER).encode())
        for tick in range(1, 600):
            now = began + tick * FRAME_S + chance.choice((0.0, 0.0, 0.003, 0.012, 0.019))
            ringing._tick(began + tick * FRAME_S)
            if tick == 10:
                for file in files:
                    ringing.bytes_came(wire, PLAY.format(file).encode())
        ringing.media.close_stream()
        await asyncio.sleep(0)
    ticks = [int((at - began + 0.0005) / FRAME_S) for at, _ in ringing.media.frames_heard]
    assert ticks == list(range(ticks[0], ticks[0] + 500)), "one frame in each tick"
    assert np.allclose(np.diff(ringing.media.frames_due), FRAME_S)
    heard = [samples[0] for _, samples in ringing.media.frames_heard]
    assert len(set(heard)) == 20
    assert all(len(set(heard[at : at + 25])) == 1 for at in range(0, 500, 25))
