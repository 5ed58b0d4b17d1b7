"""Calls by each wire, with mock stages and the real detector: left in peace, talked over, coughed at."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.parts.callers import dialed
from benchmarks.parts.served import Served
from control.peer import (
    CallResult,
    Dialed,
    HangUp,
    Hears,
    Interrupt,
    PeerCall,
    ReferenceClock,
    Say,
    Script,
    Sound,
    Switch,
    WaitFor,
)
from control.peer.script import Step
from pipelines.calls import CallRecord
from transports.freeswitch.words import WIRE_VARIABLE

RATE = 8000
SLUG = "bench-wires"
WORDS = ("abril", "banco", "campo", "disco", "exame", "festa", "grupo", "horta") * 2
"""Of one length, so that all weigh the same where a voice has no word timestamps."""
TALKER, COUGHER, LISTENER = "3000", "3001", "3002"
"""Numbers of assistants by what their ears make of a caller: words, nothing, "uhum" after half a second."""
EARS = {
    TALKER: ("stt.probed", '{transcripts: ["Que horas vocês abrem?"]}'),
    COUGHER: ("stt.mock", '{transcripts: [""]}'),
    LISTENER: ("stt.mock", '{transcripts: ["Uhum."], latency_s: 0.5}'),
}
HEAD = f"""\
slug: {SLUG}
id: 0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a11
domain: wires.example.net
name: Wires
language: pt-BR
assistants:
"""
ASSISTANT = """\
  - name: ear-{number}
    numbers: ["{number}"]
    record: false
    limits: {{max_concurrent_calls: 100, silence_s: 120}}
    turn: {{wait_s: 0.4}}
    texts: {{greeting: "{sentence}"}}
    pipeline:
      - {{id: vad, use: vad.probed}}
      - {{id: stt, use: {use}, config: {config}}}
      - {{id: llm, use: llm.mock, config: {{answers: ["{sentence}"]}}}}
      - {{id: tts, use: tts.marked, config: {{word_s: {word_s}}}}}
"""
HEARS = WaitFor(what=Hears.SPEECH_END, quiet_ms=300, limit_s=10)
HEARS_ON = WaitFor(what=Hears.SPEECH_END, quiet_ms=800, limit_s=10)
"""Waits longer than a sentence may be held."""
APART_S = 0.085
"""Between the first rings of calls that run at once."""


@dataclass(frozen=True)
class Rung:
    """One call that is over."""

    call: PeerCall
    result: CallResult
    record: CallRecord | None
    """None: the call was not let in, or its record did not come in time."""


def tenants_folder(folder: Path, word_s: float) -> Path:
    """A folder with the one tenant; every sentence of its assistants is the same `WORDS`."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [HEAD]
    for number, (use, config) in EARS.items():
        parts.append(ASSISTANT.format(number=number, use=use, config=config, word_s=word_s, sentence=" ".join(WORDS)))
    (folder / f"{SLUG}.yaml").write_text("".join(parts), encoding="utf-8")
    return folder


def frames_of(word_s: float) -> int:
    """How many frames of 20 ms a sentence has; `word_s` makes it whole tenths of a second."""
    return round(len(WORDS) * word_s / 0.020)


async def in_peace(
    service: Served,
    wire: str,
    calls: int,
    turns: int,
    sounds: Sequence[Sound],
    reference: ReferenceClock,
    *,
    limit_s: float = 180.0,
) -> list[Rung]:
    """`calls` at once: each hears the greeting out, asks, and hears each answer out."""
    scripts = []
    for index in range(calls):
        steps: list[Step] = [HEARS]
        for sound in islice(cycle(sounds), index, index + turns):
            steps += [Say(sound), HEARS]
        scripts.append(Script(steps=(*steps, HangUp()), limit_s=limit_s))
    return await _ring(service, wire, TALKER, scripts, reference)


async def talked_over(
    service: Served, wire: str, sounds: Sequence[Sound], per_call: int, reference: ReferenceClock
) -> list[Rung]:
    """Every sound interrupts once, `per_call` of them in a call, all calls at once; the first over the greeting."""
    scripts = []
    for start in range(0, len(sounds), per_call):
        own = sounds[start : start + per_call]
        # Everything that counts in frames or windows is met at another of its moments each time.
        steps = [Interrupt(after_ms=400 + (start + at) * 37 % 400, say=sound) for at, sound in enumerate(own)]
        scripts.append(Script(steps=(*steps, WaitFor(what=Hears.SPEECH_START, limit_s=3), HangUp())))
    return await _ring(service, wire, TALKER, scripts, reference)


async def disturbed(
    service: Served, wire: str, number: str, noises: Sequence[Sound], reference: ReferenceClock
) -> list[Rung]:
    """Each noise once over a greeting, in a call of its own, all at once."""
    scripts = [
        Script(steps=(Interrupt(after_ms=400 + at * 67 % 400, say=noise), HEARS_ON, HangUp()), limit_s=20)
        for at, noise in enumerate(noises)
    ]
    return await _ring(service, wire, number, scripts, reference)


async def _ring(
    service: Served, wire: str, number: str, scripts: Sequence[Script], reference: ReferenceClock
) -> list[Rung]:
    async def one(index: int, script: Script) -> Rung:
        call = switch.dial(dialed_by(service, wire, number), script, keep_sound=True)
        await asyncio.sleep(index * APART_S)
        result, record = await switch.ring(call), None
        with contextlib.suppress(TimeoutError):
            record = await service.record(result.call_id)
        return Rung(call, result, record)

    async with Switch(service.ready.esl_host, service.ready.esl_port, reference=reference) as switch:
        return list(await asyncio.gather(*(one(index, script) for index, script in enumerate(scripts))))


def dialed_by(service: Served, wire: str, number: str) -> Dialed:
    """A call to one of the assistants, by this wire."""
    plain = dialed(service, SLUG, number)
    return Dialed(number=number, variables={**plain.variables, WIRE_VARIABLE: wire})
