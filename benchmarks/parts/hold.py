"""Holds many calls: simultaneous scripted calls with mock stages over real sockets, and what an idle call costs."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.callers import DATA, dialed
from benchmarks.parts.served import Served
from control.peer import (
    CallResult,
    HangUp,
    Hears,
    ReferenceClock,
    ReferenceReport,
    Say,
    Script,
    Switch,
    Wait,
    WaitFor,
)
from control.peer.script import Step

SLUG = "bench-mock"
ANSWER_BEGUN_S = 0.5
"""So much of an answer is heard by who does not stay to its end."""
TENANT = """\
slug: bench-mock
id: 0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a10
domain: bench.example.net
name: Bench
language: en
assistants:
  - name: mock
    numbers: ["3000"]
    record: false
    limits: {max_concurrent_calls: 100, silence_s: 120}
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.mock}
      - {id: llm, use: llm.mock}
      - {id: tts, use: tts.mock}
"""


@dataclass(frozen=True)
class Held:
    """What a run of simultaneous calls was like."""

    results: list[CallResult]
    reference: ReferenceReport
    cpu_share: float
    """CPU of the service's process over the time of the calls, 1 = one core."""
    bytes_per_call: float
    """Resident memory at the end of the calls over that before the first, by the number of calls."""


def tenants_folder(folder: Path) -> Path:
    """A folder with the one tenant of mock stages."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{SLUG}.yaml").write_text(TENANT)
    return folder


async def hold(service: Served, calls: int, seconds: float, *, to_the_end: bool = True) -> Held:
    """`calls` callers at once for about `seconds`: each asks, hears the answer, asks again.

    Not `to_the_end`: they hang up when the last answer has begun.
    """
    loop = asyncio.get_running_loop()
    recordings = sorted((DATA / "speech" / "first").glob("en_*.wav"))
    turns = max(1, round(seconds / 10))
    with ReferenceClock() as reference:
        async with Switch(service.ready.esl_host, service.ready.esl_port, reference=reference) as switch:
            cpu, began, rss = service.cpu_s(), loop.time(), service.rss_bytes()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(_one(switch, service, index, steps))
                    for index, steps in enumerate(_steps(turns, recordings, calls, to_the_end=to_the_end))
                ]
            grown = max(0, service.rss_bytes() - rss) / calls
            share = (service.cpu_s() - cpu) / (loop.time() - began)
        report = reference.report()
    return Held([task.result() for task in tasks], report, share, grown)


def _steps(turns: int, recordings: Sequence[Path], calls: int, *, to_the_end: bool) -> Iterator[list[Step]]:
    """What each of the callers does."""
    for index in range(calls):
        steps: list[Step] = [WaitFor(what=Hears.SPEECH_END)]
        for _ in range(turns):
            steps += [Say(recordings[index % len(recordings)]), WaitFor(what=Hears.SPEECH_END)]
        if not to_the_end:
            steps[-1:] = [WaitFor(what=Hears.SPEECH_START), Wait(ANSWER_BEGUN_S)]
        yield [*steps, HangUp()]


async def _one(switch: Switch, service: Served, index: int, steps: list[Step]) -> CallResult:
    await asyncio.sleep(index * 0.13)
    return await switch.call(dialed(service, SLUG), Script(steps=tuple(steps)))


async def idle_bytes(service: Served, calls: int) -> float:
    """Resident bytes that one more silent call costs, over `calls` of them held at once."""
    script = Script(steps=(WaitFor(what=Hears.SPEECH_END), Wait(6.0), HangUp()))
    async with Switch(service.ready.esl_host, service.ready.esl_port) as switch:
        await switch.call(dialed(service, SLUG), script)
        before = service.rss_bytes()
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(switch.call(dialed(service, SLUG), script))
            await asyncio.sleep(8.0)
            during = service.rss_bytes()
    return max(0, during - before) / calls
